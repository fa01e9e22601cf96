"""A whole run of an adaptive model that also leaves corpora out: card, scores and report."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotone.errors import ConfigError, CorpusError
from emotone.experiment import Config, run
from emotone.features.frames import MfccFrames
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.recognition import card, trust
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from support import toy_experiment as toy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def manifests(tmp_path_factory, make_voice):
    """Two corpora of three speakers each; some labels are wrong, so that no model is always right."""
    folder = tmp_path_factory.mktemp("corpora")
    paths = []
    for name, speakers in (("near", "s0 s1 s2"), ("far", "s3 s4 s5")):
        (folder / name).mkdir()
        path = toy.write_corpus(folder / name, make_voice, name=name)
        table = pd.read_csv(path)
        table = table[table["speaker"].isin(speakers.split())].reset_index(drop=True)
        table.loc[::4, "emotion"] = table["emotion"].map({"neutral": "happy", "happy": "angry", "angry": "neutral"})[
            ::4
        ]
        table.to_csv(path, index=False)
        paths.append(path)
    return folder, tuple(map(str, paths))


@pytest.fixture(scope="module")
def finished(manifests, tmp_path_factory):
    graph, spec = extractor_graph(MfccFrames()).SerializeToString(), registry.MODELS["adaptive"]
    settings = {"max_epochs": 3, "batch_size": 16, "learning_rate": 0.01, "averaging": 0.5, "precision": "float32"}

    def build(*, seed, n_jobs, class_weight):
        named = {f"classifier__{name}": value for name, value in settings.items()}
        return spec.build(seed=seed, n_jobs=1, class_weight=class_weight).set_params(**named)

    folder, corpora = manifests
    chosen = Config(
        corpora=corpora,
        data=folder,
        out=tmp_path_factory.mktemp("runs") / "run",
        cache=folder / "cache",
        model="adaptive",
        extractor="mfcc-frames",
        protocol="cross-corpus",
        elsewhere=True,
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        monkeypatch.setitem(registry.MODELS, "adaptive", replace(spec, build=build))
        monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graph)
        run(chosen)
    return chosen


def test_card_and_metrics_have_the_scores_elsewhere(finished):
    read = card.read(finished.out / "model")  # which checks them
    metrics = json.loads((finished.out / "metrics.json").read_text())
    told = read["elsewhere"]
    assert metrics["elsewhere"] == told
    assert [row["name"] for row in told["corpora"]] == ["far", "near"]
    assert [(row["clips"], row["speakers"], row["emotions"]) for row in told["corpora"]] == [(27, 3, 3)] * 2
    assert 0 < told["uar"] <= 1 and set(told["adapted"]) == {"5", "all"}


def test_temperature_and_threshold_of_the_bundle_are_those_that_were_fitted_elsewhere(finished):
    read = card.read(finished.out / "model")
    metrics = json.loads((finished.out / "metrics.json").read_text())
    temperature = Temperature.from_card(read["calibration"])
    assert temperature.per_distance > 0 and temperature.adapted != temperature.plain
    for key, value in metrics["as_exported"].items():
        assert read["calibration"][key] == value
    assert read["calibration"]["greatest_difference"] < 1e-4


def test_graph_divides_by_the_temperature_of_the_distance(finished, make_voice):
    recognizer = Recognizer(finished.out / "model")
    adapter, temperature = recognizer._model._adapter, Temperature.from_card(recognizer.card["calibration"])
    samples = make_voice(seconds=0.5, pitch_hz=800)
    scores, embedding = recognizer.run(samples)[:2]
    assert adapter.distance(np.asarray(embedding)[None])[0] > 1.2
    expected = adapter.scores(np.asarray(embedding)[None], None, temperature=temperature)[0]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_report_and_readme_show_both_corpora(finished):
    for path in (finished.out / "report.html", finished.out / "model" / "README.md"):
        text = path.read_text(encoding="utf-8")
        for name in ("near", "far"):
            assert name in text
        assert "corpora it was not trained on" in text
    known = trust.of_card(card.read(finished.out / "model"))
    assert "On corpora it was not trained on, the model is right about" in known.right[1]


def test_nothing_is_left_in_the_working_folder(finished):
    assert not (finished.out / ".work").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sounds": True}, ConfigError, "holds no recording of noise"),
        ({"emotions": ("neutral", "angry")}, CorpusError, "far has no emotion of the other corpora"),
    ],
)
def test_what_can_not_end_well_is_refused_before_any_training(
    manifests, tmp_path, monkeypatch, changes, error, message
):
    folder, _ = manifests
    for name in ("near", "far"):
        shutil.copytree(folder / name, tmp_path / name)
        table = pd.read_csv(folder / name / f"{name}.csv")
        table[(table["emotion"] == "angry") == (name == "far")].to_csv(tmp_path / name / f"{name}.csv", index=False)
    settings = changes | ({"sounds": tmp_path / "none"} if "sounds" in changes else {})
    (tmp_path / "none").mkdir()
    toy.install(monkeypatch)
    monkeypatch.setattr("emotone.experiment.folds.fit", None)
    chosen = Config(
        corpora=tuple(str(tmp_path / name / f"{name}.csv") for name in ("near", "far")),
        data=tmp_path,
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        model="adaptive",
        extractor="mfcc-frames",
        protocol="cross-corpus",
        elsewhere=True,
        **settings,
    )
    with pytest.raises(error, match=message):
        run(chosen)
