"""Scores and their intervals against scikit-learn, audmetric and plain loops."""

import math

import audmetric
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotone import metrics
from emotone.errors import ConfigError
from support.predictions import made

LABELS = st.integers(2, 9).flatmap(
    lambda k: st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)),
            hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)),
        )
    )
)


@settings(max_examples=80, deadline=None)
@given(LABELS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.slow
def test_agrees_with_sklearn_and_audmetric(both):
    truth, predicted = both
    assert metrics.accuracy(truth, predicted) == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    uar = metrics.unweighted_average_recall(truth, predicted)
    assert uar == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, predicted))
    present = sorted(set(truth.tolist()))
    recalls = sklearn.metrics.recall_score(truth, predicted, labels=present, average=None)
    assert uar == pytest.approx(recalls.mean())
    f1 = metrics.macro_f1(truth, predicted)
    assert f1 == pytest.approx(sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0))
    assert f1 == pytest.approx(audmetric.unweighted_average_fscore(truth, predicted, zero_division=0))
    if set(predicted.tolist()) <= set(present):  # audmetric counts a class that is only predicted as recall 0
        assert uar == pytest.approx(audmetric.unweighted_average_recall(truth, predicted))
    k = int(max(truth.max(), predicted.max())) + 1
    matrix = sklearn.metrics.confusion_matrix(truth, predicted, labels=range(k))
    assert metrics.confusion(truth, predicted).tolist() == matrix.tolist()
    found = metrics.per_class(truth, predicted, n_classes=k)
    expected = sklearn.metrics.precision_recall_fscore_support(truth, predicted, labels=range(k), zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(found[name], values)


def test_a_class_without_clips_is_not_counted_in_uar():
    assert metrics.unweighted_average_recall([0, 0, 1], [0, 2, 1]) == pytest.approx(0.75)  # class 2 is not a third term
    found = metrics.summary([0, 0, 1], np.eye(3)[[0, 2, 1]], emotions=["sad", "happy", "calm"], speakers=None)
    assert found["uar"] == pytest.approx(0.75)
    assert found["absent"] == ["calm"]
    assert found["per_class"]["support"] == {"sad": 2, "happy": 1, "calm": 0}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: metrics.accuracy([0, 1], [0]), "truth has 2 clips and predicted 1"),
        (lambda: metrics.accuracy([], []), "at least one clip"),
        (lambda: metrics.accuracy([0.5], [0]), "float64"),
        (lambda: metrics.accuracy([-1], [0]), "from -1"),
        (lambda: metrics.confusion([0, 5], [0, 1], n_classes=3), "class number 5"),
        (lambda: metrics.expected_calibration_error([0, 1], [[0.5, 0.5], [np.nan, 0.5]]), "the first is clip 1"),
        (lambda: metrics.expected_calibration_error([0], [[3.0, -1.0]]), "softmax"),
        (lambda: metrics.expected_calibration_error([2], [[0.5, 0.5]]), "class number 2"),
        (lambda: metrics.fit_temperature([[0.5, 0.5]], [0, 1]), "one row of scores for each clip"),
        (lambda: metrics.apply_temperature([[0.5, 0.5]], 0.0), "above 0"),
        (lambda: metrics.bootstrap_intervals([0, 1], [0, 1], speakers=["a"])["uar"], "one name for each clip"),
        (lambda: metrics.bootstrap_intervals([0, 1], [0, 1], level=95)["uar"], "level is 95"),
        (lambda: metrics.summary([0], [[0.5, 0.5]], emotions=["sad"], speakers=None), "2 columns"),
        (lambda: metrics.paired_test([0, 1], [0, 1], second=[0]), "predicted 1"),
    ],
)
def test_what_does_not_fit_is_refused(call, told):
    with pytest.raises(ConfigError, match=told):
        call()


@pytest.mark.slow
def test_bootstrap_over_speakers_against_a_plain_loop():
    truth, scores, speakers = made(seed=7, k=4)
    predicted = scores.argmax(axis=1)
    names, rng, values = np.unique(speakers), np.random.default_rng(11), []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(speakers == name) for name in rng.choice(names, len(names))])
        values.append(sklearn.metrics.balanced_accuracy_score(truth[rows], predicted[rows]))
    found = metrics.bootstrap_intervals(truth, predicted, speakers=speakers)["uar"]
    assert found["unit"] == "speaker"
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.006)


def test_bootstrap_over_clips_against_the_normal_interval():
    rng = np.random.default_rng(2)
    hit = rng.random(2000) < 0.7
    found = metrics.bootstrap_intervals(np.zeros(2000, int), (~hit).astype(int))["accuracy"]
    error = 1.96 * math.sqrt(hit.mean() * (1 - hit.mean()) / 2000)
    assert found["unit"] == "clip"
    assert [found["low"], found["high"]] == pytest.approx([hit.mean() - error, hit.mean() + error], abs=0.003)


def test_speakers_who_differ_widen_the_interval():
    speakers = np.repeat([f"s{i}" for i in range(20)], 50)
    predicted = np.repeat([0, 1], 500)  # ten speakers all right, ten all wrong
    truth = np.zeros(1000, dtype=int)
    wide = metrics.bootstrap_intervals(truth, predicted, speakers=speakers)["accuracy"]
    narrow = metrics.bootstrap_intervals(truth, predicted)["accuracy"]
    assert wide["high"] - wide["low"] > 5 * (narrow["high"] - narrow["low"])


@pytest.mark.parametrize("speakers", [None, ["", "a", "b"], ["a", "a", "a"]])
def test_clips_are_drawn_where_speakers_are_unknown_or_one(speakers):
    assert metrics.bootstrap_intervals([0, 1, 1], [0, 1, 0], speakers=speakers)["uar"]["unit"] == "clip"


def test_a_resample_that_misses_a_class_counts_the_classes_it_has():
    # Each speaker has one class only: of four equally likely draws two hold one class, with UAR 1 or 0, and two both.
    found = metrics.bootstrap_intervals([0, 1], [0, 0], speakers=["a", "b"], n_resamples=400)["uar"]
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval():
    truth, scores, speakers = made()
    predicted = scores.argmax(axis=1)
    one = metrics.bootstrap_intervals(truth, predicted, speakers=speakers, seed=3)["uar"]
    assert one == metrics.bootstrap_intervals(truth, predicted, speakers=speakers, seed=3)["uar"]
    assert one != metrics.bootstrap_intervals(truth, predicted, speakers=speakers, seed=4)["uar"]


def test_summary_holds_what_the_single_functions_say():
    truth, scores, speakers = made(k=3)
    emotions = ("happy", "sad", "angry")
    found = metrics.summary(truth, scores, emotions=emotions, speakers=speakers)
    predicted = scores.argmax(axis=1)
    assert found["accuracy"] == metrics.accuracy(truth, predicted)
    assert found["uar"] == metrics.unweighted_average_recall(truth, predicted)
    assert found["macro_f1"] == metrics.macro_f1(truth, predicted)
    assert found["ece"] == metrics.expected_calibration_error(truth, scores)
    assert found["interval"] == found["intervals"]["uar"]
    assert found["interval"] == metrics.bootstrap_intervals(truth, predicted, speakers=speakers)["uar"]
    for name, interval in found["intervals"].items():
        assert interval["low"] < found[name] < interval["high"]
    assert found["per_class"]["recall"]["sad"] == (predicted[truth == 1] == 1).mean()
    assert np.array(found["confusion"]).sum() == truth.size == found["n_clips"]


@pytest.mark.parametrize(
    ("hits", "n", "interval"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (50, 100, (0.4038, 0.5962)), (0, 0, (0.0, 1.0))],
)
def test_wilson_intervals_are_those_of_the_tables(hits, n, interval):
    assert metrics.wilson(hits, n) == pytest.approx(interval, abs=1e-4)


def test_chance_counts_the_emotions_that_the_test_has():
    assert metrics.chance_uar({"per_class": {"support": {"sad": 10, "calm": 4, "happy": 0}}}) == 0.5
