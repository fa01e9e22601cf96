"""Bundles of strangers: whatever they hold, the answer is a `BundleError` that says what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotone.errors import BundleError
from emotone.experiment.evaluate import _trained_on
from emotone.preprocessing import Preprocessing
from emotone.recognition import card as cards
from emotone.recognition import model_card, trust
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from support import handmade, hostile_cards, hostile_graphs

TESTS = Path(__file__).parents[1]
#: Strange, but all that a bundle needs.
HARMLESS = {"branches: in each other"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What came of each hostile graph."""
    folder = tmp_path_factory.mktemp("strangers")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-m", "support.hostile_run", str(folder)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_hostile_graph_is_an_error_of_the_bundle(ran):
    results = ran["results"]
    assert len(results) == len(hostile_graphs.MODELS) + len(hostile_graphs.FILES) >= 60
    known = ("BundleError", "ResultError")  # the second is a kind of the first
    wrong = {name: result for name, result in results.items() if result[0] not in known and name not in HARMLESS}
    assert wrong == {}
    for name in HARMLESS:
        assert results[name][0] == "answer"
    for name, (_, text) in results.items():
        assert name in HARMLESS or (len(text) < 1500 and "\n" not in text and text.isprintable() and ";" in text), name


@pytest.mark.slow
def test_endless_and_large_graphs_are_stopped_for_what_they_use(ran):
    for name, (_, text) in ran["results"].items():
        if name.startswith(hostile_graphs.ENDLESS):
            assert "computed for longer than 1.5 s" in text, name
        if name.startswith("external"):
            assert "weights in another file (external data)" in text, name
    asked = [text for name, (_, text) in ran["results"].items() if name.startswith(hostile_graphs.LARGE)]
    assert sum("more memory than" in text for text in asked) >= 4


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory of a process")
def test_no_process_takes_a_gigabyte(ran):
    assert max(ran["memory_mb"]) < 1000


def use(card):
    """Do what pages, routes and reports do with a card."""
    from emotone.serve import routes

    model_card.readme(card).encode()
    known = trust.of_card(card)
    texts = [*known.right, known.calibration, known.confident, known.reaching, known.of_answer(0.9)]
    if known.elsewhere is not None:
        texts += [str(trust.corpora_table(known.elsewhere)), trust.table_note(known.elsewhere)]
    json.dumps(texts, ensure_ascii=False).encode()
    Preprocessing.from_card(card["preprocessing"])
    Temperature.from_card(card["calibration"])
    recognizer = SimpleNamespace(card=card, emotions=card["emotions"], threshold=0.5, adapts=False, checks_speech=True)
    json.dumps(routes._model(recognizer), ensure_ascii=False, allow_nan=False).encode()
    assert isinstance(_trained_on(recognizer), set)
    card["name"].encode(), card["model"].encode()


@pytest.mark.slow
def test_every_card_is_refused_or_can_be_used(tmp_path):
    content = handmade.graph()
    (tmp_path / "card.json").write_text(json.dumps(hostile_cards.full_card(content)))
    use(cards.read(tmp_path))
    n_refused = n_used = 0
    for name, text in hostile_cards.cards(content):
        (tmp_path / "card.json").write_text(text)
        try:
            card = cards.read(tmp_path)
        except BundleError as error:
            n_refused += 1
            message = str(error)
            has_remedy = ";" in message or ": install a newer version of Emotone from " in message
            assert len(message) < 1000 and message.isprintable() and has_remedy, name
            continue
        n_used += 1
        try:
            use(card)
        except Exception as error:
            raise AssertionError(f"the card was accepted, and can't be used: {name}") from error
    assert n_refused > 2000 and n_used > 100


@pytest.mark.parametrize("name", ["card.json", "model.onnx", "adaptation.npz"])
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/"])
def test_a_link_to_a_device_is_refused_at_once(tmp_path, name, target):
    if not Path(target).exists():
        pytest.skip(f"needs {target}")
    folder = handmade.write(
        tmp_path / "b",
        content=handmade.graph(optional=handmade.ADAPTS),
        adapts=True,
        adaptation={"sha256": "0" * 64},
    )
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    with pytest.raises(BundleError, match=rf"{name}.* can't be read"):
        Recognizer(folder)


@pytest.mark.parametrize(
    ("name", "n_bytes"), [("card.json", 2 << 20), ("model.onnx", 1 << 40), ("adaptation.npz", 1 << 40)]
)
def test_a_file_that_is_too_large_is_not_read(tmp_path, name, n_bytes):
    folder = handmade.write(
        tmp_path / "b",
        content=handmade.graph(optional=handmade.ADAPTS),
        adapts=True,
        adaptation={"sha256": "0" * 64},
    )
    with (folder / name).open("wb") as file:
        file.truncate(n_bytes)
    with pytest.raises(BundleError, match=rf"{name} can't be read \(it has {n_bytes:,} bytes, expected at most"):
        Recognizer(folder)
