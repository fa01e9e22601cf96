"""Paired tests against direct permutation, the normal interval and the binomial test."""

import math

import numpy as np
import pytest
import sklearn.metrics

from emotone import metrics
from support.predictions import made


def test_paired_difference_is_that_of_the_two_uars_and_turns_with_the_models():
    truth, a, speakers = made(skill=2.0, seed=1)
    b = np.random.default_rng(9).integers(0, 8, truth.size)
    a = a.argmax(axis=1)
    forth = metrics.paired_test(truth, a, second=b, speakers=speakers)
    back = metrics.paired_test(truth, b, second=a, speakers=speakers)
    expected = metrics.unweighted_average_recall(truth, a) - metrics.unweighted_average_recall(truth, b)
    assert forth.difference == pytest.approx(expected)
    assert (back.difference, back.low, back.high) == pytest.approx((-expected, -forth.high, -forth.low))
    assert back.p_value == forth.p_value == 1 / 2001  # the least that 2000 permutations can say
    assert forth.low > 0.3
    assert forth.to_dict()["unit"] == "speaker"


def test_permutation_over_few_speakers_is_exact():
    # Six speakers, the first model better for each by the same: 2 of the 2^6 sign patterns are as extreme.
    truth, speakers = np.tile([0, 1], 6), np.repeat(list("abcdef"), 2)
    second = truth.copy()
    second[::2] = 1
    result = metrics.paired_test(truth, truth, second=second, speakers=speakers)
    assert result.p_value == 2 / 64
    assert (result.difference, result.low, result.high) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.slow
def test_permutation_against_swapping_the_predictions_themselves():
    truth, a, speakers = made(skill=1.2, seed=21)
    _, b, _ = made(skill=1.2, seed=22)
    rng = np.random.default_rng(5)
    a, b = a.argmax(axis=1), np.where(rng.random(truth.size) < 0.75, a.argmax(axis=1), b.argmax(axis=1))
    names, owner = np.unique(speakers, return_inverse=True)

    def difference(first, second):
        uar = sklearn.metrics.balanced_accuracy_score
        return uar(truth, first) - uar(truth, second)

    observed, extreme = abs(difference(a, b)), 0
    for _ in range(1000):
        swap = (rng.random(len(names)) < 0.5)[owner]
        extreme += abs(difference(np.where(swap, b, a), np.where(swap, a, b))) >= observed - 1e-12
    found = metrics.paired_test(truth, a, second=b, speakers=speakers)
    assert found.p_value == pytest.approx(extreme / 1000, abs=0.05)


def test_paired_interval_over_clips_against_the_normal_interval():
    rng = np.random.default_rng(4)
    truth, (a, b) = np.zeros(3000, int), (rng.random((2, 3000)) < [[0.3], [0.4]]).astype(int)
    gain = b - a  # both are right where they say 0
    error = 1.96 * gain.std() / math.sqrt(3000)
    found = metrics.paired_test(truth, a, second=b)
    assert found.unit == "clip"
    assert found.difference == pytest.approx(gain.mean())
    assert (found.low, found.high) == pytest.approx((gain.mean() - error, gain.mean() + error), abs=0.003)


def test_equal_models_differ_by_nothing():
    truth, scores, speakers = made()
    predicted = scores.argmax(axis=1)
    for names, unit in ((speakers, "speaker"), (None, "clip")):
        result = metrics.paired_test(truth, predicted, second=predicted, speakers=names)
        assert result == metrics.PairedResult(0.0, 0.0, 0.0, 1.0, 1.0, unit)


def test_false_alarms_are_as_rare_as_promised():
    rng, alarms = np.random.default_rng(0), 0
    speakers = np.repeat([f"s{i}" for i in range(20)], 8)
    for _ in range(200):
        truth = rng.integers(0, 4, 160)
        a, b = rng.integers(0, 4, (2, 160))
        alarms += metrics.paired_test(truth, a, second=b, speakers=speakers, n_resamples=199).p_value <= 0.05
    assert 2 <= alarms <= 20  # 10 expected; both bounds are three standard deviations away


def test_mcnemar_against_the_binomial_test():
    scipy_stats = pytest.importorskip("scipy.stats")
    for first, second in ((0, 0), (3, 3), (2, 9), (40, 17), (700, 600)):
        n = first + second
        expected = scipy_stats.binomtest(first, n).pvalue if n else 1.0
        assert metrics.mcnemar(first, second) == pytest.approx(expected)


def test_holm_keeps_the_order_and_never_exceeds_one():
    # by hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.9)
    found = metrics.holm({"d": 0.9, "b": 0.02, "a": 0.01, "c": 0.03})
    assert {name: round(p, 12) for name, p in found.items()} == {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.9}
    assert metrics.holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert metrics.holm({}) == {}
