"""Cards of bundles: required keys, values and formats."""

import json
import os

import pytest

from emotone.errors import BundleError
from emotone.recognition import card as cards
from emotone.recognition.recognizer import Recognizer
from support import handmade


def test_missing_folder_file_and_card_say_what_is_expected(tmp_path, bundle):
    with pytest.raises(BundleError, match="does not exist.*expected a folder"):
        Recognizer(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"is a file.*expected a folder"):
        Recognizer(bundle / "model.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"holds no card\.json"):
        Recognizer(tmp_path / "empty")
    handmade.write(tmp_path / "run" / "model")
    with pytest.raises(BundleError, match=r"did you mean '.*run/model'"):
        Recognizer(tmp_path / "run")
    (tmp_path / "run" / "model" / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx can't be read"):
        Recognizer(tmp_path / "run" / "model")


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_pipe_in_a_bundle_is_refused_at_once(tmp_path, name):
    folder = handmade.write(tmp_path / "b")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(BundleError, match=rf"{name} can't be read \(it is a pipe, a device or a folder"):
        Recognizer(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"emotions": ["happy", "neutral", "sad", "angry"]}, "the card was altered"),  # another order, other answers
        ({"emotions": ["neutral", "happy", "sad"]}, "names 3 emotions"),
        ({"emotions": ["neutral", "happy", "sad", "[red]x"]}, "expected two or more different names"),
        ({"emotions": ["sad", "sad"]}, "expected two or more different names"),
        ({"sample_rate": 8000}, "sample_rate is 8000, expected 16000"),
        ({"extractor": {"name": "functionals", "graph": True}}, "the card was altered"),
        ({"extractor": {"name": "loudness"}}, "expected its name, digest and graph"),
        ({"extractor": {"name": "nothing", "digest": "", "graph": False}}, r"inputs \['waveform'\]"),
        ({"calibration": {"threshold": 1.5}}, "expected a number from 0 to 1"),
        ({"calibration": {}}, "calibration.threshold is None"),
        (
            {"calibration": {"threshold": 0.5, "temperature": 0}},
            "calibration.temperature is 0, expected a number above 0",
        ),
        ({"calibration": {"threshold": 0.5, "temperature": "1"}}, "calibration.temperature is '1'"),
        ({"preprocessing": {"trim_db": -3}}, "expected decibels above 0"),
        ({"sha256": 5}, "sha256 is 5, expected text"),
        ({"features": True}, "features is True, expected a whole number"),
        ({"adapts": "yes"}, "adapts is 'yes', expected true or false"),
        ({"format_version": 2}, "pip install --upgrade emotone"),
        ({"format_version": "1"}, "format_version is '1'"),
    ],
)
def test_card_that_does_not_fit_is_refused(tmp_path, changes, said):
    with pytest.raises(BundleError, match=said):
        Recognizer(handmade.write(tmp_path / "b", **changes))


@pytest.mark.parametrize("key", [key for key in cards.KEYS if key != "format_version"])
def test_every_key_of_the_card_is_needed(tmp_path, key):
    folder = handmade.write(tmp_path / "b")
    card = json.loads((folder / "card.json").read_text())
    del card[key]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=f"lacks {key};"):
        Recognizer(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=range(5))
def test_damaged_card_is_refused(tmp_path, text):
    folder = handmade.write(tmp_path / "b")
    (folder / "card.json").write_bytes(text)
    with pytest.raises(BundleError, match="not valid JSON|holds a list, expected the card of a bundle"):
        Recognizer(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")
