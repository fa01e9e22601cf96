"""Statistics of features against scipy, scikit-learn and by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

from emotone.explore import feature_analysis
from emotone.explore.feature_analysis import statistics
from support.exploring import EMOTIONS, design, table_of


def test_f_ratios_equal_those_of_scipy(known):
    found = statistics.anova(known.values, known.emotions)
    for column in range(5):
        groups = [known.values[known.emotions == name, column].astype(float) for name in EMOTIONS]
        f, p = stats.f_oneway(*groups)
        assert found.f[column] == pytest.approx(f, rel=1e-9)
        assert found.p[column] == pytest.approx(p, rel=1e-8)
    assert found.df == (2, len(known.values) - 3)


def test_omega_squared_by_hand():
    # groups 1, 2, 3 and 4, 5, 6: SS between 13.5, within 4, MS within 1 -> (13.5 - 1) / (17.5 + 1)
    found = statistics.anova(np.asarray([[1.0], [2], [3], [4], [5], [6]]), ["a"] * 3 + ["b"] * 3)
    assert found.f[0] == pytest.approx(13.5)
    assert found.omega2[0] == pytest.approx(12.5 / 18.5)
    assert found.eta2[0] == pytest.approx(13.5 / 17.5)


def test_within_speakers_is_the_difference_of_two_regressions():
    # emotions spread unevenly over speakers: a second way, by the residuals of least squares with and without emotion
    rng = np.random.default_rng(3)
    labels, speakers = rng.choice(EMOTIONS, 90, p=[0.6, 0.3, 0.1]), rng.choice(["a", "b", "c", "d"], 90)
    labels[speakers == "a"] = np.where(labels[speakers == "a"] == "angry", "sad", labels[speakers == "a"])
    y = rng.standard_normal((90, 4)) + (labels == "happy")[:, None] + 5 * (speakers == "a")[:, None]
    who = (speakers[:, None] == np.unique(speakers)).astype(float)
    both = np.column_stack([who, labels[:, None] == np.unique(labels)[1:]])
    left = [((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum(axis=0) for x in (who, both)]
    expected = ((left[0] - left[1]) / 2) / (left[1] / (90 - 4 - 2))
    found = statistics.anova(y, labels, blocks=speakers)
    assert found.df == (2, 84)
    np.testing.assert_allclose(found.f, expected, rtol=1e-9)
    np.testing.assert_allclose(found.p, stats.f.sf(expected, 2, 84), rtol=1e-8)


def test_with_one_speaker_within_is_overall(known):
    overall = statistics.anova(known.values, known.emotions)
    within = statistics.anova(known.values, known.emotions, blocks=["x"] * len(known.values))
    np.testing.assert_allclose(within.f, overall.f, rtol=1e-12)
    np.testing.assert_allclose(within.omega2, overall.omega2, rtol=1e-12)


def test_two_emotions_give_the_square_of_t():
    labels, speakers = design(emotions=("happy", "sad"))
    values = np.random.default_rng(0).standard_normal((len(labels), 3))
    t = stats.ttest_ind(values[labels == "happy"], values[labels == "sad"]).statistic
    np.testing.assert_allclose(statistics.anova(values, labels).f, t**2, rtol=1e-9)


@pytest.mark.parametrize("constant", [0.1, 0.0, -1e6])
def test_constant_features_have_no_effect_and_no_p(constant):
    labels, speakers = design()
    values = np.full((len(labels), 1), constant, dtype=np.float32)
    per_speaker = constant + np.asarray([[float(name[2:])] for name in speakers])
    for one, blocks in ((values, None), (values, speakers), (per_speaker, speakers)):
        found = statistics.anova(one, labels, blocks=blocks)
        assert (found.f[0], found.p[0], found.omega2[0], found.eta2[0]) == (0, 1, 0, 0)
    assert statistics.speaker_share(values, speakers)[0] == 0
    assert statistics.speaker_share(per_speaker, speakers)[0] == pytest.approx(1)
    assert statistics.mutual_information(values, labels)[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(statistics.standardised(values), np.zeros_like(values))


def test_emotion_that_says_all_has_effect_1():
    found = statistics.anova(np.asarray([[0.0], [0], [1], [1]]), ["a", "a", "b", "b"])
    assert found.f[0] > 1e12 and found.p[0] < 1e-12
    np.testing.assert_allclose([found.omega2[0], found.eta2[0]], 1)


def test_speakers_with_one_emotion_each_tell_nothing_within():
    labels = np.asarray(["happy"] * 4 + ["sad"] * 4)
    speakers = np.asarray(["a"] * 4 + ["b"] * 4)
    values = np.random.default_rng(0).standard_normal((8, 2)) + (labels == "sad")[:, None]
    found = statistics.anova(values, labels, blocks=speakers)
    assert found.df[0] == 0
    np.testing.assert_array_equal(found.p, [1, 1])
    ranked = feature_analysis.ranking(table_of(values, emotions=labels, speakers=speakers))
    assert ranked["omega2"].is_monotonic_decreasing  # the order is that over all clips


def test_bootstrap_holds_the_effect_and_widens_with_speakers_that_differ():
    rng = np.random.default_rng(2)
    labels, speakers = design(n_speakers=12)
    sign = np.asarray([1.0 if int(name[2:]) % 3 else 0.0 for name in speakers])
    level = (labels == "happy") * 1.5
    values = np.column_stack([level, level * sign * 1.5]) + rng.standard_normal((len(labels), 2))
    low, high = statistics.bootstrap_effects(values, labels, speakers, n_resamples=400, seed=1)
    effect = statistics.anova(values, labels, blocks=speakers).omega2
    assert (low < effect).all() and (effect < high).all()
    assert high[1] - low[1] > 1.3 * (high[0] - low[0])
    again = statistics.bootstrap_effects(values, labels, speakers, n_resamples=400, seed=1)
    np.testing.assert_array_equal(again, [low, high])


def test_a_resample_is_analysed_as_its_clips_would_be(monkeypatch):
    labels, speakers = design(n_speakers=3)
    values = np.random.default_rng(4).standard_normal((len(labels), 2)) + (labels == "happy")[:, None]
    drawn = np.asarray([0, 2, 2])
    monkeypatch.setattr(
        statistics.np.random, "default_rng", lambda seed: type("R", (), {"integers": lambda *_, **__: drawn})()
    )
    low, high = statistics.bootstrap_effects(values, labels, speakers, n_resamples=1)
    rows = [np.flatnonzero(speakers == f"x-{number:02d}") for number in drawn]
    blocks = np.repeat([0, 1, 2], [len(part) for part in rows])
    expected = statistics.anova(values[np.concatenate(rows)], labels[np.concatenate(rows)], blocks=blocks).omega2
    assert (expected > 0.05).all()
    np.testing.assert_allclose(low, expected, rtol=1e-9)
    np.testing.assert_array_equal(low, high)


def test_one_speaker_has_no_interval(known):
    low, high = statistics.bootstrap_effects(known.values[:, :2], known.emotions, ["x"] * len(known.values))
    assert np.isnan(low).all() and np.isnan(high).all()


def test_speakers_agree_where_the_emotion_tells_and_half_of_them_where_not():
    labels, speakers = design(n_speakers=20)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((len(labels), 200))
    telling = (labels == "happy")[:, None] * 3 + noise[:, :1]
    agreeing, counted = statistics.agreement(np.column_stack([telling, noise]), labels, speakers)
    assert (agreeing[0], counted[0]) == (20, 20)
    assert 0.35 < agreeing[1:].mean() / 20 < 0.55
    for constant in (np.full((len(labels), 1), 0.1), np.asarray([[0.1 + int(name[2:])] for name in speakers])):
        agreeing, counted = statistics.agreement(constant, labels, speakers)
        assert (agreeing[0], counted[0]) == (0, 0)


def test_agreement_is_the_sign_of_the_correlation_with_the_others():
    labels, speakers = design(n_speakers=5)
    values = np.random.default_rng(7).standard_normal((len(labels), 3))
    profiles = np.asarray(
        [
            [values[(speakers == who) & (labels == name)].mean(axis=0) for name in EMOTIONS]
            for who in np.unique(speakers)
        ]
    )
    expected = [
        sum(
            np.corrcoef(profiles[one, :, d], np.delete(profiles, one, axis=0)[:, :, d].mean(axis=0))[0, 1] > 0
            for one in range(5)
        )
        for d in range(3)
    ]
    assert statistics.agreement(values, labels, speakers)[0].tolist() == expected


def test_corrections_equal_scipy_and_the_definition():
    p = np.random.default_rng(0).random(50) ** 3
    q, holm = statistics.corrected(p)
    np.testing.assert_allclose(q, stats.false_discovery_control(p))
    order = np.argsort(p)
    expected, largest = np.empty(50), 0.0
    for place, column in enumerate(order):
        largest = max(largest, min(1.0, (50 - place) * p[column]))
        expected[column] = largest
    np.testing.assert_allclose(holm, expected)


def test_speaker_share_of_a_known_mixture():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(300), 10).astype(str)
    values = np.repeat(rng.standard_normal((300, 2)) * [2, 0], 10, axis=0) + rng.standard_normal((3000, 2))
    share = statistics.speaker_share(values, speakers)
    assert share[0] == pytest.approx(0.8, abs=0.03)  # 4 / (4 + 1)
    assert share[1] < 0.02


def test_mutual_information_is_that_of_the_bins_less_the_bias():
    rng = np.random.default_rng(0)
    labels = rng.choice(EMOTIONS, 400)
    values = rng.standard_normal((400, 1)) + (labels == "happy")[:, None]
    bins = np.searchsorted(np.quantile(values[:, 0], np.arange(1, 8) / 8), values[:, 0])
    plain = mutual_info_score(bins, labels) / np.log(2)
    bias = (8 * 3 - 8 - 3 + 1) / (2 * 400 * np.log(2))
    assert statistics.mutual_information(values, labels)[0] == pytest.approx(plain - bias, rel=1e-9)


def test_mutual_information_is_near_that_of_nearest_neighbours_and_zero_of_noise():
    rng = np.random.default_rng(0)
    labels = rng.choice(EMOTIONS, 3000)
    values = rng.standard_normal((3000, 3)) + (labels == "happy")[:, None] * [0, 1, 3]
    found = statistics.mutual_information(values, labels)
    expected = mutual_info_classif(values, labels, random_state=0) / np.log(2)
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert found[0] < 0.01


def test_a_feature_that_is_the_label_tells_its_entropy():
    labels = np.repeat(["a", "b"], 200)
    assert statistics.mutual_information((labels == "a")[:, None] * 1.0, labels)[0] == pytest.approx(1, abs=0.01)
