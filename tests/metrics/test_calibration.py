"""Calibration error and temperature scaling against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from support.predictions import made


def test_calibration_error_against_a_loop():
    truth, scores, _ = made(seed=3)
    confidence, hit = scores.max(axis=1), scores.argmax(axis=1) == truth
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert expected > 0.05
    assert metrics.expected_calibration_error(truth, scores) == pytest.approx(expected)


@pytest.mark.parametrize("n_bins", [5, 10, 15])
def test_a_confidence_on_an_edge_is_in_the_bin_below(n_bins):
    for edge in range(math.ceil(n_bins / 2), n_bins + 1):
        p = edge / n_bins
        count = metrics.reliability([0], [[p, 1 - p]], n_bins=n_bins)["count"]
        assert count.argmax() == edge - 1
    # 0.55 * 100 is 55.00000000000001 in floats
    assert metrics.reliability([0], [[0.55, 0.45]], n_bins=100)["count"].argmax() == 54


@pytest.mark.parametrize("T", [0.3, 1.0, 2.5, 8.0])
def test_temperature_undoes_what_was_done(T):
    # Labels drawn from the probabilities themselves are calibrated, so sharpening by T is undone by about T.
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), size=20_000)
    truth = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    distorted = metrics.apply_temperature(p, 1 / T)
    assert metrics.fit_temperature(distorted, truth) == pytest.approx(T, rel=0.03)


@pytest.mark.slow
def test_temperature_is_the_minimum_of_the_loss():
    truth, scores, _ = made(skill=2.0, seed=5)

    def loss(T):
        return sklearn.metrics.log_loss(truth, metrics.apply_temperature(scores, T), labels=range(8))

    best = metrics.fit_temperature(scores, truth)
    assert loss(best) <= min(loss(T) for T in np.geomspace(0.05, 20, 400)) + 1e-9
    assert metrics.fit_temperature([[0.9, 0.1]], [0]) == pytest.approx(0.05, rel=1e-4)  # nothing wrong: surest allowed
    assert metrics.fit_temperature([[1.0, 0.0]], [1]) == pytest.approx(20, rel=1e-4)  # an exact zero is no infinity


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20), st.integers(0, 1000))
def test_temperature_keeps_the_order(T, seed):
    scores = np.random.default_rng(seed).dirichlet(np.ones(6), size=10)
    warm = metrics.apply_temperature(scores, T)
    np.testing.assert_allclose(warm.sum(axis=1), 1)
    assert (warm.argmax(axis=1) == scores.argmax(axis=1)).all()
