"""The script that measures a bundle on corpora that it was not trained on."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from emotone import audio, corpora
from emotone.recognition import card as cards
from emotone.recognition import model_card, trust
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER

SCRIPT = Path(__file__).parents[2] / "scripts" / "measure_elsewhere.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure_elsewhere", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bundle(tmp_path):
    """A copy of the built-in model; by its card, SAVEE is unknown and nothing was measured elsewhere."""
    folder = tmp_path / "model"
    shutil.copytree(DEFAULT_FOLDER, folder)
    card = json.loads((folder / cards.CARD).read_text())
    del card[cards.ELSEWHERE]
    card["training"]["corpora"] = [each for each in card["training"]["corpora"] if each["name"] != "savee"]
    (folder / cards.CARD).write_text(json.dumps(card))
    return folder


def test_built_in_card_has_scores_on_each_of_its_corpora_left_out():
    card = Recognizer().card
    trained = [corpus["name"] for corpus in card["training"]["corpora"]]
    assert [corpus["name"] for corpus in card[cards.ELSEWHERE]["corpora"]] == trained
    assert card[cards.ELSEWHERE]["protocol"].startswith("leave-one-corpus-out")
    assert 0.4 < card[cards.ELSEWHERE]["uar"] < card["scores"]["uar"]
    assert trust.of_card(card).far.uar == card[cards.ELSEWHERE]["uar"]


@pytest.mark.corpus
def test_scores_go_into_card_and_readme_and_the_graph_stays(script, bundle, data, monkeypatch):
    savee = corpora.load("savee", data)
    # longer recordings are predicted in pieces, and measured as a whole
    short = savee.table[[audio.info(path).duration_s <= 4 for path in savee.table["path"]]]
    some = corpora.Corpus(short.sample(40, random_state=0).reset_index(drop=True), "savee", savee.rejected)
    monkeypatch.setattr(script.corpora, "load", lambda name, folder: some)
    monkeypatch.setattr(sys, "argv", ["measure_elsewhere.py", str(bundle), "--data", str(data), "--corpora", "savee"])
    before = (bundle / cards.GRAPH).read_bytes()
    script.main()
    card = cards.read(bundle)
    (scores,) = card[cards.ELSEWHERE]["corpora"]
    assert (scores["name"], scores["clips"], scores["speakers"]) == ("savee", 40, 4)
    recognizer = Recognizer(bundle)
    known = [name for name in recognizer.emotions if name in set(some.table["emotion"])]
    only = Recognizer(bundle, emotions=known, threshold=0.0)
    answers = [only.predict(path).ranking[0] for path in some.table["path"]]
    right = [answer == emotion for answer, emotion in zip(answers, some.table["emotion"], strict=True)]
    assert scores["accuracy"] == pytest.approx(sum(right) / len(right))
    assert (bundle / cards.README).read_text(encoding="utf-8") == model_card.readme(card)
    assert (bundle / cards.GRAPH).read_bytes() == before


def test_corpora_that_the_model_was_trained_on_are_refused(script, bundle, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["measure_elsewhere.py", str(bundle), "--data", ".", "--corpora", "savee,tess"])
    with pytest.raises(SystemExit, match="was trained on tess"):
        script.main()
    assert cards.ELSEWHERE not in cards.read(bundle)
