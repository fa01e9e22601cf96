"""Scores of a bundle on another corpus, over the emotions that both have."""

import json

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from emotone import corpora
from emotone.errors import ConfigError, CorpusError
from emotone.experiment import compare, evaluate
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

MODELS = ("knn", "linear-svm")


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    """Emotions that overlap, so that models differ and err."""
    pitch_hz = {"neutral": 140.0, "happy": 152.0, "angry": 300.0}
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=pitch_hz)


@pytest.fixture(scope="module")
def compared(manifest, tmp_path_factory):
    """The configuration and folder of a comparison of two models."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "compared")
        return config, compare(config, MODELS)


@pytest.fixture
def foreign(tmp_path, make_voice):
    """Another corpus, which has one emotion that the bundles lack and lacks one that they have."""
    pitch_hz = {"neutral": 140.0, "angry": 300.0, "sad": 90.0}
    return toy.write_corpus(tmp_path, make_voice, pitch_hz=pitch_hz, name="foreign")


def test_a_foreign_corpus_is_scored_over_the_emotions_that_both_know(compared, foreign, tmp_path):
    _, folder = compared
    out = tmp_path / "out"
    (tmp_path / "2-angry-1.wav").write_bytes(b"RIFF no sound")
    bundle = folder / "linear-svm" / "model"
    told = evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=out)
    assert told["emotions"] == ["neutral", "angry"]
    assert told["unknown"] == {"sad": 18}
    assert told["warning"] == ""
    assert [one["path"].rsplit("/")[-1] for one in told["rejected"]] == ["2-angry-1.wav"]
    assert told["n_clips"] == 35
    assert told["uar"] > 0.9
    assert told["protocol"]["speaker_disjoint"] is True
    assert "the model is right about" in told["trust"][0]
    assert told["trust"][1].startswith("On corpora it was not trained on: not measured.")
    assert json.loads((out / "metrics.json").read_text()) == told
    assert (out / "figures" / "confusion_test.png").read_bytes()[:4] == b"\x89PNG"
    table = pd.read_parquet(out / "predictions.parquet")
    recognizer = Recognizer(bundle)
    for _, row in table.iloc[::7].iterrows():
        scores = recognizer.predict(row["path"]).scores
        total = scores["neutral"] + scores["angry"]
        assert row["score_neutral"] == pytest.approx(scores["neutral"] / total)
        assert row["score_angry"] == pytest.approx(scores["angry"] / total)
    assert told["uar"] == pytest.approx(balanced_accuracy_score(table["emotion"], table["predicted"]))
    # again: the same; another bundle: refused
    assert evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=out) == told
    with pytest.raises(ConfigError, match="contains another evaluation"):
        evaluate(folder / "knn" / "model", (str(foreign),), tmp_path, channel="speech", out=out)


def test_a_bundle_on_what_it_was_trained_on_warns(compared, manifest):
    _, folder = compared
    told = evaluate(folder / "knn" / "model", (str(manifest),), manifest.parent, channel="speech")
    assert told["warning"].startswith("WARNING: the bundle was trained on toy")
    assert told["warning"] in told["protocol"]["description"]
    assert told["protocol"]["speaker_disjoint"] is False


def test_what_can_not_be_evaluated_is_refused(compared, foreign, tmp_path, make_voice):
    _, folder = compared
    bundle = folder / "knn" / "model"
    table = pd.read_csv(foreign)
    table[table["emotion"] != "angry"].to_csv(foreign, index=False)
    with pytest.raises(CorpusError, match="at least two emotions that both have"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech")
    table.to_csv(foreign, index=False)
    for path in tmp_path.glob("*.wav"):
        path.write_bytes(b"RIFF no sound")
    with pytest.raises(CorpusError, match="none of 36 clips could be read"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="'notes.txt' and no evaluation.json"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=tmp_path / "mine")
    assert corpora.load((str(foreign),), tmp_path).emotions == ("neutral", "sad", "angry")
