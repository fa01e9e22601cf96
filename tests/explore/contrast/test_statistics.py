"""Effect sizes and thresholds of two emotions, against other implementations and by hand."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from emotone.explore.contrast import statistics
from support.exploring import pair_design


def test_hedges_g_by_hand():
    # 2, 4 and 1, 1: means 3 and 1, variances 2 and 0, pooled 1 -> d = 2; J(2) = 1 - 3 / 7
    values, is_first = np.asarray([[2.0], [4], [1], [1]]), np.asarray([True, True, False, False])
    found = statistics.effects(values, is_first, ["a"] * 4, n_resamples=2)
    assert found.overall[0] == pytest.approx(2 * (1 - 3 / 7))
    assert found.within[0] == pytest.approx(found.overall[0])  # one speaker: within is overall
    assert np.isnan(found.overall_low).all() and np.isnan(found.within_high).all()


def test_hedges_g_of_many_equals_the_formula():
    rng = np.random.default_rng(0)
    is_first, speakers = pair_design()
    values = rng.standard_normal((len(is_first), 600)) * 5 + 1000  # over one chunk
    one, other = values[is_first], values[~is_first]
    n, m = len(one), len(other)
    pooled = np.sqrt(((n - 1) * one.var(axis=0, ddof=1) + (m - 1) * other.var(axis=0, ddof=1)) / (n + m - 2))
    expected = (one.mean(axis=0) - other.mean(axis=0)) / pooled * (1 - 3 / (4 * (n + m - 2) - 1))
    found = statistics.effects(values, is_first, speakers, n_resamples=2)
    np.testing.assert_allclose(found.overall, expected, atol=1e-9)


def test_within_speakers_is_the_slope_of_a_regression_with_a_level_for_each():
    rng = np.random.default_rng(2)
    speakers, is_first = rng.choice(["a", "b", "c", "d"], 70), rng.random(70) < 0.4
    is_first[speakers == "d"] = True  # one who has one emotion alone
    values = rng.standard_normal((70, 3)) + is_first[:, None] * [0, 1, -2] + 9 * (speakers == "b")[:, None]
    x = np.column_stack([is_first, speakers[:, None] == np.unique(speakers)]).astype(float)
    slopes, left, _, _ = np.linalg.lstsq(x, values, rcond=None)
    expected = slopes[0] / np.sqrt(left / 65) * (1 - 3 / (4 * 65 - 1))
    found = statistics.effects(values, is_first, speakers, n_resamples=2)
    np.testing.assert_allclose(found.within, expected, rtol=1e-9)


def test_a_resample_weighs_speakers_as_their_clips_would(monkeypatch):
    is_first, speakers = pair_design(n_speakers=3)
    values = np.random.default_rng(4).standard_normal((len(speakers), 2))
    drawn = np.asarray([0, 2, 2])
    rng = type("R", (), {"integers": lambda *_, **__: drawn})()
    monkeypatch.setattr(statistics.np.random, "default_rng", lambda seed: rng)
    found = statistics.effects(values, is_first, speakers, n_resamples=1)
    rows = [np.flatnonzero(speakers == f"x-{number:02d}") for number in drawn]
    names = np.repeat(["one", "two", "three"], [len(part) for part in rows])
    chosen = np.concatenate(rows)
    again = statistics.effects(values[chosen], is_first[chosen], names, n_resamples=1)
    np.testing.assert_allclose(found.overall_low, again.overall, rtol=1e-9)
    np.testing.assert_allclose(found.within_high, again.within, rtol=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    # 300 features that differ by exactly one standard deviation, 30 speakers, each with a level of their own
    rng = np.random.default_rng(8)
    is_first, speakers = pair_design(n_speakers=30, n_each=4)
    values = rng.standard_normal((len(is_first), 300)) + is_first[:, None]
    values += rng.standard_normal((30, 300))[np.asarray([int(name[2:]) for name in speakers])] * 3
    found = statistics.effects(values, is_first, speakers, n_resamples=500, seed=1)
    covered = (found.within_low < 1) & (found.within_high > 1)
    assert 0.87 < covered.mean() <= 0.99
    again = statistics.effects(values, is_first, speakers, n_resamples=500, seed=1)
    np.testing.assert_array_equal(found, again)


def test_what_does_not_vary_differs_by_nothing_and_what_never_overlaps_by_all():
    is_first, speakers = pair_design()
    values = np.column_stack([np.full(len(is_first), 0.1), is_first, ~is_first]).astype(float)
    found = statistics.effects(values, is_first, speakers, n_resamples=20)
    for one in found:
        np.testing.assert_array_equal(one, [0, np.inf, -np.inf])


def test_without_a_speaker_of_both_there_is_no_effect_within():
    is_first = np.asarray([True] * 5 + [False] * 5)
    values = np.random.default_rng(0).standard_normal((10, 2))
    found = statistics.effects(values, is_first, np.where(is_first, "a", "b"), n_resamples=50)
    assert np.isnan(found.within).all() and np.isfinite(found.overall).all()


def test_area_under_the_curve_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    is_first, _ = pair_design()
    values = np.round(rng.standard_normal((len(is_first), 5)) + is_first[:, None], 1)  # with ties
    expected = [roc_auc_score(is_first, values[:, column]) for column in range(5)]
    np.testing.assert_allclose(statistics.area_under_curve(values, is_first), expected)


def test_thresholds_are_those_of_a_stump_on_the_other_speakers():
    rng = np.random.default_rng(0)
    is_first, speakers = pair_design(n_speakers=5, n_each=5)
    values = rng.standard_normal((len(is_first), 8)) + is_first[:, None] * np.linspace(-2, 2, 8)
    values[:, :4] = np.round(values[:, :4])  # with ties, at which no cut can be
    expected = []
    for column in values.T:
        said = np.empty(len(column), dtype=bool)
        for speaker in np.unique(speakers):
            train = speakers != speaker
            best = (-1.0, 0.0, False)
            ordered = np.unique(column[train])
            for threshold in (ordered[1:] + ordered[:-1]) / 2:
                for low in (True, False):
                    right = ((column[train] <= threshold) == low) == is_first[train]
                    score = right[is_first[train]].mean() + right[~is_first[train]].mean()
                    best = max(best, (round(score, 12), -threshold, low), key=lambda one: one[:2])
            said[~train] = (column[~train] <= -best[1]) == best[2]
        expected.append(balanced_accuracy_score(is_first, said))
    np.testing.assert_allclose(statistics.alone(values, is_first, speakers), expected)


def test_a_feature_that_tells_all_is_always_right_and_noise_is_near_a_half():
    rng = np.random.default_rng(0)
    is_first, speakers = pair_design(n_speakers=12, n_each=10)
    values = np.column_stack([is_first * 1.0, ~is_first * 5.0, rng.standard_normal((len(is_first), 300))])
    found = statistics.alone(values, is_first, speakers)
    assert found[:2].tolist() == [1, 1]
    assert abs(found[2:].mean() - 0.5) < 0.03
    stump = DecisionTreeClassifier(max_depth=1)  # what the same thresholds would seem to reach on their own clips
    seen = [stump.fit(values[:, [d]], is_first).score(values[:, [d]], is_first) for d in range(2, 40)]
    assert np.mean(seen) > np.mean(found[2:40]) + 0.03


def test_a_speakers_own_clips_never_set_their_threshold():
    # each speaker has a level of their own, so that a threshold from the others is worth nothing
    is_first, speakers = pair_design(n_speakers=6)
    level = np.asarray([int(name[2:]) for name in speakers]) * 100.0
    values = (level + is_first)[:, None]
    assert statistics.within_area(values, is_first, speakers)[0] == 1
    assert statistics.alone(values, is_first, speakers)[0] == 0.5


def test_constant_features_are_right_in_half_and_one_speaker_can_not_be_asked():
    is_first, speakers = pair_design()
    values = np.full((len(is_first), 1), 0.1)
    assert statistics.alone(values, is_first, speakers)[0] == 0.5
    assert statistics.area_under_curve(values, is_first)[0] == 0.5
    assert np.isnan(statistics.alone(values, is_first, ["x"] * len(is_first))).all()


def test_many_speakers_are_left_out_in_groups():
    is_first, speakers = pair_design(n_speakers=90, n_each=1)
    values = is_first[:, None] + np.random.default_rng(0).standard_normal((180, 2)) * 0.1
    np.testing.assert_array_equal(statistics.alone(values, is_first, speakers), [1, 1])
