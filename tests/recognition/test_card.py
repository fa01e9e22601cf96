"""Cards of bundles: required keys, values and formats."""

import json
import os

import pytest

from emotone.errors import BundleError
from emotone.recognition import card as cards
from emotone.recognition import model_card, trust
from emotone.recognition.recognizer import Recognizer
from support import handmade, other_corpora


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
        ({"format_version": 2}, "install a newer version of Emotone from "),
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


#: Paths in the figures on other corpora whose value may be null.
MAY_BE_NULL = {("confident", "right"), ("unsure", "accuracy_above"), ("unsure", "accuracy_below")}


@pytest.mark.parametrize("adapts", [True, False])
def test_figures_on_other_corpora_are_optional(tmp_path, adapts):
    elsewhere = other_corpora.figures(adapts=adapts)
    assert Recognizer(handmade.write(tmp_path / "b", elsewhere=elsewhere)).card["elsewhere"] == elsewhere
    for path in MAY_BE_NULL:
        holder, key = other_corpora.at(elsewhere, path)
        holder[key] = None
    assert cards.check_elsewhere(elsewhere, where="card.json") == elsewhere


@pytest.mark.parametrize("path", list(other_corpora.places(other_corpora.figures())), ids=str)
def test_damaged_figure_on_other_corpora_is_refused(path):
    """Each value in turn is missing, of another type, out of range, or no finite number."""
    named = r"elsewhere\." + path[0]
    own = other_corpora.figures()
    holder, key = other_corpora.at(own, path)
    is_text = isinstance(holder.pop(key), str)
    is_optional = len(path) > 1 and isinstance(key, int) or "adapted" in path[:-1]  # an entry of a list or of levels
    if not is_optional:
        with pytest.raises(BundleError, match=rf"^card\.json: {named}.*, expected .*train it again"):
            cards.check_elsewhere(own, where="card.json")
    wrong = [None, True, "0.5", "", " ", "\ud800", -0.1, -1, 1.1, 1.5, 10**12, float("nan"), float("inf"), [], {}, [1]]
    for other in wrong:
        if (
            (is_text and other == "0.5")
            or (path in MAY_BE_NULL and other is None)
            or (key == "adapted" and other == {})
        ):
            continue
        own = other_corpora.figures()
        holder, key = other_corpora.at(own, path)
        holder[key] = other
        with pytest.raises(BundleError, match=rf"^card\.json: {named}.*, expected .*train it again"):
            cards.check_elsewhere(own, where="card.json")


@pytest.mark.parametrize("elsewhere", [None, 0, "0.55", [], True, {}])
def test_figures_on_other_corpora_are_an_object_with_its_keys(tmp_path, elsewhere):
    with pytest.raises(BundleError, match=r"elsewhere.* is .*, expected"):
        Recognizer(handmade.write(tmp_path / "b", elsewhere=elsewhere))


@pytest.mark.parametrize("level", ["", "0", "05", "-1", "five", "1e3", "5\n", "٥", "1234567"])
def test_levels_of_adaptation_are_numbers_of_clips(level):
    for place in (lambda told: told, lambda told: told["corpora"][1]):
        figures = other_corpora.figures()
        place(figures)["adapted"][level] = 0.5
        with pytest.raises(BundleError, match="adapted is .*, expected a number of clips, or 'all'"):
            cards.check_elsewhere(figures, where="card.json")


def test_other_corpora_that_pass_the_check_can_be_written_and_shown():
    """Long names, signs of Markdown, further keys and empty results break neither a README nor a text."""
    figures = other_corpora.figures()
    figures |= {"confident": {"from": 0, "share": 0, "right": None}, "adapted": {"5": 1}, "later": float("nan")}
    figures["corpora"][0] |= {"name": "a|b\n" * 50, "clips": 0, "speakers": 0, "emotions": 0, "uar": 0, "adapted": {}}
    card = cards.check(handmade.card(b"", elsewhere=figures), where="card.json")
    rows = [line for line in model_card.readme(card).splitlines() if line.startswith("| a\\|b")]
    assert len(rows) == 1 and rows[0].endswith("| 0.0 | – | 51.0 | 10.0 | 0 | 0 | 0 |")
    assert "50 %" not in trust.of_card(card).of_answer(1.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")
