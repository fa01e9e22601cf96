"""Temperature and threshold from validation predictions."""

from dataclasses import replace

import numpy as np
import pytest

from emotone import corpora, metrics
from emotone.experiment import calibration
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import gather
from emotone.features.store import FeatureStore
from emotone.recognition.temperature import Temperature
from support import toy_experiment as toy


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


def result(settings, uar_means, *, classes=(0, 1), temperature=1.0):
    search = [{"C": c, "uar_mean": uar} for c, uar in uar_means.items()]
    empty = np.zeros(0, dtype=np.int64)
    return FoldResult(
        empty, np.zeros((0, 3)), empty, np.zeros((0, 3)), np.asarray(classes), temperature, settings, search
    )


def test_the_least_certain_tenth_of_the_validation_answers_are_unsure(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "run")
    training_set = gather(
        corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache)
    )
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 54, 20_000)
    # true probabilities, taken to the power of 3: a model too sure of itself by a temperature of 3
    probabilities = rng.dirichlet(np.ones(3), size=54)
    labels = np.array([rng.choice(3, p=probabilities[row]) for row in rows])
    sharpened = probabilities[rows] ** 3 / (probabilities[rows] ** 3).sum(axis=1, keepdims=True)
    # each validation row must be a clip of the class that was drawn
    clip_of = [np.flatnonzero(training_set.labels == label) for label in range(3)]
    chosen = np.array([clip_of[label][0] for label in labels])
    fold = replace(result({}, {}), validation_rows=chosen, validation_scores=sharpened)
    found = calibration.calibration([fold], training_set)
    assert found["temperature"] == pytest.approx(3, rel=0.05)
    assert 0.9 <= found["coverage"] < 0.93
    calibrated = metrics.apply_temperature(sharpened, found["temperature"])
    confident = calibrated.max(axis=1) >= found["threshold"]
    right = calibrated.argmax(axis=1) == labels
    assert found["accuracy_above"] == pytest.approx(right[confident].mean())
    assert found["accuracy_below"] == pytest.approx(right[~confident].mean())
    assert found["accuracy_above"] > found["accuracy_below"] + 0.1
    assert found["ece"] < 0.05
    # with values that were chosen on other answers, nothing may be above the threshold
    other = calibration.calibration([fold], training_set, temperature=Temperature(20.0, adapted=20.0), threshold=0.999)
    assert (other["temperature"], other["threshold"], other["coverage"]) == (20.0, 0.999, 0.0)
    assert other["accuracy_above"] is None and other["accuracy_below"] == pytest.approx(right.mean())


@pytest.mark.parametrize("n_emotions", [2, 3])
def test_a_model_whose_probabilities_hardly_differ_is_unsure(manifest, tmp_path, n_emotions):
    config = toy.config(manifest, tmp_path / "run")
    training_set = gather(
        corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache)
    )
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(training_set.labels < n_emotions)
    scores = 1 / n_emotions + 0.01 * rng.uniform(-1, 1, (len(rows), n_emotions))
    fold = replace(result({}, {}), validation_rows=rows, validation_scores=scores / scores.sum(axis=1, keepdims=True))
    same = Temperature(1.0, adapted=1.0)
    found = calibration.calibration([fold], training_set, temperature=same)
    assert found["threshold"] == pytest.approx(1 / n_emotions + 0.05, abs=1e-3)
    assert (found["coverage"], found["accuracy_above"]) == (0.0, None)
    assert 0 < found["accuracy_below"] < 1
