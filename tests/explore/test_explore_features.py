import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import NearestNeighbors

from emotone.errors import ConfigError, FeatureError, MissingExtraError
from emotone.explore.feature_analysis import findings as features
from emotone.explore.feature_analysis import projection as feature_map
from emotone.explore.feature_analysis import statistics
from emotone.explore.feature_analysis.findings import FeatureTable
from emotone.explore.feature_analysis.labels import short

EMOTIONS = ("happy", "sad", "angry")


def table_of(values, names=None, *, emotions, speakers):
    values = np.asarray(values, dtype=np.float32)
    names = names or tuple(f"f{number}" for number in range(values.shape[1]))
    return FeatureTable(values, tuple(names), np.asarray(emotions), np.asarray(speakers))


def design(*, n_speakers=8, n_each=6, emotions=EMOTIONS):
    """Labels and speakers of a balanced corpus, shuffled."""
    labels = np.tile(np.repeat(emotions, n_each), n_speakers)
    speakers = np.repeat([f"x-{number:02d}" for number in range(n_speakers)], n_each * len(emotions))
    order = np.random.default_rng(5).permutation(len(labels))
    return labels[order], speakers[order]


@pytest.fixture(scope="module")
def known():
    """Features of which it is known what they tell; the last is constant."""
    rng = np.random.default_rng(1)
    labels, speakers = design()
    level = np.select([labels == "happy", labels == "sad"], [1.0, -1.0], 0.0)
    offset = np.asarray([int(name[2:]) for name in speakers]) * 30.0
    noise = rng.standard_normal((len(labels), 40))
    best = 2.0 * level + offset + noise[:, 0]  # the best within speakers, hidden by them
    visible = 0.8 * level + noise[:, 1]  # the best if speakers are not asked for
    values = np.column_stack([best, visible, 3 * best - 7, noise[:, 2:], np.full(len(labels), 0.1)])
    names = ["hidden", "visible", "copy", *(f"noise{number}" for number in range(38)), "constant"]
    return table_of(values, names, emotions=labels, speakers=speakers)


# the analysis of variance


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
    ranked = features.ranking(table_of(values, emotions=labels, speakers=speakers))
    assert ranked["omega2"].is_monotonic_decreasing  # the order is that over all clips


# intervals, speakers and corrections


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
    np.testing.assert_allclose(statistics.false_discovery(p), stats.false_discovery_control(p))
    order = np.argsort(p)
    expected, largest = np.empty(50), 0.0
    for place, column in enumerate(order):
        largest = max(largest, min(1.0, (50 - place) * p[column]))
        expected[column] = largest
    np.testing.assert_allclose(statistics.holm(p), expected)


def test_labels_that_were_shuffled_give_no_discovery(known):
    shuffled = np.random.default_rng(11).permutation(known.emotions)
    noise = np.random.default_rng(12).standard_normal((len(shuffled), 500))
    ranked = features.ranking(table_of(noise, emotions=shuffled, speakers=known.speakers))
    assert (ranked["q_within"] > 0.05).all() and (ranked["q"] > 0.05).all()
    assert 0.02 < (ranked["p_within"] < 0.05).mean() < 0.08  # as many as chance gives


def test_speaker_share_of_a_known_mixture():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(300), 10).astype(str)
    values = np.repeat(rng.standard_normal((300, 2)) * [2, 0], 10, axis=0) + rng.standard_normal((3000, 2))
    share = statistics.speaker_share(values, speakers)
    assert share[0] == pytest.approx(0.8, abs=0.03)  # 4 / (4 + 1)
    assert share[1] < 0.02


# mutual information


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


# what is found


def test_within_speakers_the_right_feature_comes_out_on_top(known):
    ranked = features.ranking(known).set_index("feature")
    assert ranked.index[:2].tolist() in (["hidden", "copy"], ["copy", "hidden"])
    assert ranked["f"].idxmax() == "visible"  # what speakers hide
    assert ranked.loc["hidden", "speaker_share"] > 0.99 and ranked.loc["visible", "speaker_share"] < 0.1
    assert ranked.loc["hidden", "q_within"] < 1e-9 < 0.05 < ranked.loc["hidden", "q"]
    assert ranked.index[-1] == "constant" or ranked.loc["constant", "omega2_within"] == 0
    assert ranked.loc["hidden", "mutual_information_bits_within"] > ranked["mutual_information_bits_within"]["visible"]


def test_a_copy_correlates_at_1_and_is_listed_once(known):
    told = features.correlations(known, top=45).table.set_index("feature")
    assert told.loc["hidden", "copy"] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(told.to_numpy(), told.to_numpy().T, atol=1e-12)
    assert (np.diag(told) == 1).all() and told.columns.tolist() == told.index.tolist()
    own = np.corrcoef(statistics.centred(known.values, known.speakers)[:, 1:5].T)
    np.testing.assert_allclose(told.loc["visible", ["copy", "noise0", "noise1"]], own[0, 1:], atol=1e-6)
    ranking = features.discriminative(known, top=10).table.set_index("feature")
    assert ranking.loc[["hidden", "copy"], "shown"].sum() == 1
    assert ranking["shown"].sum() == 10
    assert len(ranking) == len(known.names)


def test_the_drawn_features_have_intervals_round_their_effect(known):
    told = features.discriminative(known, top=5, seed=3).table
    drawn = told[told["shown"]]
    best = drawn.iloc[0]
    assert best["omega2_within_low"] < best["omega2_within"] < best["omega2_within_high"]
    assert told.loc[~told["shown"], "omega2_within_low"].isna().all()


def test_the_picture_shows_the_numbers_of_the_table(known):
    found = features.discriminative(known, top=5)
    axes = found.figure.axes[0]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o" and line.get_markersize() > 6]
    np.testing.assert_allclose(dots, found.table.loc[found.table["shown"], "omega2_within"])


def test_distributions_are_the_quantiles_of_the_clips(known):
    told = features.distributions(known, top=3).table.set_index(["feature", "emotion", "scale"])
    assert len(told) == 3 * 3 * 2
    raw = known.values[known.emotions == "sad", 1].astype(float)
    assert told.loc[("visible", "sad", "raw"), "p95"] == pytest.approx(np.quantile(raw, 0.95))
    feature = told.index[0][0]
    column = known.names.index(feature)
    away = statistics.centred(known.values[:, [column]], known.speakers)[:, 0] + known.values[:, column].mean(
        dtype=float
    )
    expected = np.median(away[known.emotions == "sad"])
    assert told.loc[(feature, "sad", "within speaker"), "median"] == pytest.approx(expected, abs=1e-4)


def test_equal_seeds_give_equal_findings(known):
    first, second = (features.findings(known, seed=4, with_umap=False) for _ in range(2))
    assert [one.name for one in first] == [
        "discriminative-features", "feature-distributions", "feature-correlations", "projection-pca",
    ]  # fmt: skip
    for one, other in zip(first, second, strict=True):
        assert one.text == other.text
        assert one.table.equals(other.table)


def test_findings_tell_how_far_they_are(known):
    told = []
    features.findings(known, seed=0, with_umap=False, progress=lambda done, total, what: told.append((done, total)))
    assert told == [(done, 4) for done in range(5)]


@pytest.mark.parametrize("shape", [(3, 1), (6, 2), (12, 300)])
def test_small_tables_are_no_trouble(shape):
    rng = np.random.default_rng(0)
    labels = np.resize(["happy", "sad"], shape[0])
    found = features.findings(
        table_of(rng.standard_normal(shape), emotions=labels, speakers=["a"] * shape[0]), seed=0, with_umap=False
    )
    assert len(found[0].table) == shape[1]
    assert len(found[-1].table) == shape[0]
    assert np.isfinite(found[-1].table[["x", "y"]].to_numpy()).all()


# the map


def test_principal_components_are_those_of_the_singular_values():
    values = np.random.default_rng(0).standard_normal((60, 8)) @ np.random.default_rng(1).standard_normal((8, 90))
    for one in (values, values.T[:, :20]):  # more columns than rows, and fewer
        found = feature_map.project(one.astype(np.float32), method="pca", seed=0)
        left, roots, _ = np.linalg.svd(statistics.standardised(one.astype(np.float32)), full_matrices=False)
        np.testing.assert_allclose(np.abs(found.points), np.abs(left[:, :2] * roots[:2]), atol=1e-8)
        np.testing.assert_allclose(found.shares, roots[:2] ** 2 / (roots**2).sum())


def test_purity_equals_that_of_another_implementation():
    rng = np.random.default_rng(0)
    points, labels = rng.standard_normal((700, 3)), rng.choice(EMOTIONS, 700)
    points[labels == "sad"] += 1
    nearest = NearestNeighbors(n_neighbors=feature_map.NEIGHBOURS).fit(points).kneighbors(return_distance=False)
    expected = (labels[nearest] == labels[:, None]).mean()
    assert feature_map.purity(points, labels) == pytest.approx(expected)


def test_purity_does_not_ask_the_own_speaker():
    # two speakers far apart, who mean opposite things by the same place
    points = np.concatenate([np.zeros((20, 2)), np.ones((20, 2))]) + 1e-3 * np.arange(40)[:, None]
    speakers = np.repeat(["a", "b"], 20)
    labels = np.where(speakers == "a", "happy", "sad")
    assert feature_map.purity(points, labels) == 1
    assert feature_map.purity(points, labels, apart=speakers) == 0
    assert feature_map.chance_purity(labels, apart=speakers) == 0
    assert feature_map.chance_purity(labels) == pytest.approx(19 / 39)


def test_the_map_says_whether_emotion_or_speaker_orders_it():
    rng = np.random.default_rng(0)
    labels, speakers = design()
    which = np.asarray([EMOTIONS.index(label) for label in labels])
    values = np.eye(3)[which] @ rng.standard_normal((3, 20)) * 6 + rng.standard_normal((len(labels), 20))
    found = feature_map.project(values.astype(np.float32), method="pca", seed=0)
    apart = feature_map.told(found, labels, speakers, seed=0)
    assert apart["emotion"].plane > 0.95 and apart["emotion"].silhouette > 0.5
    assert apart["speaker"].plane == pytest.approx(apart["speaker"].chance, abs=0.06)
    assert (
        "the emotion orders this plane more"
        in feature_map.picture(found, labels, speakers, told=apart)._suptitle.get_text()
    )


def test_names_on_the_map_do_not_cover_each_other():
    places = feature_map._spread(np.random.default_rng(0).random((24, 2)) * 0.2, apart=np.asarray([0.05, 0.045]))
    between = np.abs(places[:, None] - places[None]) / [0.05, 0.045]
    covered = (between < 0.99).all(axis=-1) & ~np.eye(24, dtype=bool)
    assert not covered.any()


def test_umap_without_its_library_names_the_extra(known, monkeypatch):
    monkeypatch.setattr(feature_map, "has_umap", lambda: False)
    with pytest.raises(MissingExtraError, match="UMAP needs the extra 'explore', which is not installed: "):
        features.projection(known, method="umap")
    with pytest.raises(ConfigError, match="'tsne'.*'pca' or 'umap'"):
        features.projection(known, method="tsne")
    assert [one.name for one in features.findings(known, seed=0)][-1] == "projection-pca"


def test_umap_starts_from_the_components_with_the_seed(known, monkeypatch):
    class Umap:
        def __init__(self, **settings):
            self.settings = settings

        def fit_transform(self, components):
            assert self.settings["random_state"] == 7 and components.shape == (len(known.values), len(known.names))
            return components[:, 2:4]

    monkeypatch.setitem(sys.modules, "umap", type("module", (), {"UMAP": Umap}))
    monkeypatch.setattr(feature_map, "has_umap", lambda: True)
    found = features.projection(known, method="umap", seed=7)
    components = feature_map.project(known.values, method="pca", seed=0).components
    np.testing.assert_allclose(found.table[["x", "y"]], components[:, 2:4])
    assert found.figure.axes[0].get_xlabel() == "UMAP 1 (no unit)"


# the table and names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((4, 2))}, "one a clip"),
        ({"names": ("a",)}, "1 names"),
        ({"names": ("a", "a")}, "two features are called 'a'"),
        ({"emotions": ["sad"] * 6}, "all clips are 'sad'"),
        ({"speakers": ["x"]}, "speakers have shape"),
        ({"values": np.full((6, 2), np.nan)}, "'a' of clip 0 is nan, as are 11 more"),
    ],
)
def test_a_table_that_is_none_is_refused(change, message):
    good = {"values": np.zeros((6, 2)), "names": ("a", "b"), "emotions": ["sad", "happy"] * 3, "speakers": ["x"] * 6}
    with pytest.raises(FeatureError, match=message):
        FeatureTable(**{**good, **change})


def test_long_names_are_cut():
    assert len(short("x" * 90)) <= 30


def test_units_of_features_are_in_the_tables():
    table = FeatureTable(np.eye(6), tuple("abcdef"), ["sad", "happy"] * 3, ["x"] * 6, units=("dB", *[""] * 5))
    assert features.ranking(table).set_index("feature")["unit"].to_dict() == {"a": "dB", **dict.fromkeys("bcdef", "")}
    assert (features.quantiles(table, [0])["unit"] == "dB").all()
