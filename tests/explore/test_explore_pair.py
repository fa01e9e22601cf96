import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from emotone import audio
from emotone.corpora.table import COLUMNS
from emotone.errors import AudioError, ConfigError, FeatureError
from emotone.explore.contrast import findings as pair
from emotone.explore.contrast import spectra as pair_sound
from emotone.explore.contrast import statistics as pair_statistics
from emotone.explore.feature_analysis import statistics as feature_statistics
from emotone.explore.feature_analysis.findings import FeatureTable


def design(*, n_speakers=8, n_each=6):
    is_first = np.tile(np.repeat([True, False], n_each), n_speakers)
    speakers = np.repeat([f"x-{number:02d}" for number in range(n_speakers)], 2 * n_each)
    order = np.random.default_rng(5).permutation(len(speakers))
    return is_first[order], speakers[order]


@pytest.fixture(scope="module")
def known():
    """A table in which it is known what tells happy and sad apart; angry clips have nothing to say here."""
    rng = np.random.default_rng(1)
    is_first, speakers = design()
    level = np.where(is_first, 1.0, -1.0)
    offset = np.asarray([int(name[2:]) for name in speakers]) * 40.0
    noise = rng.standard_normal((len(level), 20))
    columns = [1.2 * level + noise[:, 0], 4 * level + offset + noise[:, 1], -6 * level - 5 * noise[:, 0], noise[:, 2:]]
    values = np.column_stack([*columns, np.full(len(level), 0.1)])
    names = ("open", "hidden", "copy", *(f"noise{number}" for number in range(18)), "constant")
    emotions = np.where(is_first, "happy", "sad")
    angry = rng.standard_normal((8, len(names))) + 100
    return FeatureTable(
        np.concatenate([values, angry]).astype(np.float32),
        names,
        np.concatenate([emotions, ["angry"] * 8]),
        np.concatenate([speakers, [f"x-{number:02d}" for number in range(8)]]),
    )


# effect sizes


def test_hedges_g_by_hand():
    # 2, 4 and 1, 1: means 3 and 1, variances 2 and 0, pooled 1 -> d = 2; J(2) = 1 - 3 / 7
    values, is_first = np.asarray([[2.0], [4], [1], [1]]), np.asarray([True, True, False, False])
    found = pair_statistics.effects(values, is_first, ["a"] * 4, n_resamples=2)
    assert found.overall[0] == pytest.approx(2 * (1 - 3 / 7))
    assert found.within[0] == pytest.approx(found.overall[0])  # one speaker: within is overall
    assert np.isnan(found.overall_low).all() and np.isnan(found.within_high).all()


def test_hedges_g_of_many_equals_the_formula():
    rng = np.random.default_rng(0)
    is_first, speakers = design()
    values = rng.standard_normal((len(is_first), 600)) * 5 + 1000  # over one chunk
    one, other = values[is_first], values[~is_first]
    n, m = len(one), len(other)
    pooled = np.sqrt(((n - 1) * one.var(axis=0, ddof=1) + (m - 1) * other.var(axis=0, ddof=1)) / (n + m - 2))
    expected = (one.mean(axis=0) - other.mean(axis=0)) / pooled * (1 - 3 / (4 * (n + m - 2) - 1))
    found = pair_statistics.effects(values, is_first, speakers, n_resamples=2)
    np.testing.assert_allclose(found.overall, expected, atol=1e-9)


def test_within_speakers_is_the_slope_of_a_regression_with_a_level_for_each():
    rng = np.random.default_rng(2)
    speakers, is_first = rng.choice(["a", "b", "c", "d"], 70), rng.random(70) < 0.4
    is_first[speakers == "d"] = True  # one who has one emotion alone
    values = rng.standard_normal((70, 3)) + is_first[:, None] * [0, 1, -2] + 9 * (speakers == "b")[:, None]
    x = np.column_stack([is_first, speakers[:, None] == np.unique(speakers)]).astype(float)
    slopes, left, _, _ = np.linalg.lstsq(x, values, rcond=None)
    expected = slopes[0] / np.sqrt(left / 65) * (1 - 3 / (4 * 65 - 1))
    found = pair_statistics.effects(values, is_first, speakers, n_resamples=2)
    np.testing.assert_allclose(found.within, expected, rtol=1e-9)


def test_a_resample_weighs_speakers_as_their_clips_would(monkeypatch):
    is_first, speakers = design(n_speakers=3)
    values = np.random.default_rng(4).standard_normal((len(speakers), 2))
    drawn = np.asarray([0, 2, 2])
    rng = type("R", (), {"integers": lambda *_, **__: drawn})()
    monkeypatch.setattr(pair_statistics.np.random, "default_rng", lambda seed: rng)
    found = pair_statistics.effects(values, is_first, speakers, n_resamples=1)
    rows = [np.flatnonzero(speakers == f"x-{number:02d}") for number in drawn]
    names = np.repeat(["one", "two", "three"], [len(part) for part in rows])
    chosen = np.concatenate(rows)
    again = pair_statistics.effects(values[chosen], is_first[chosen], names, n_resamples=1)
    np.testing.assert_allclose(found.overall_low, again.overall, rtol=1e-9)
    np.testing.assert_allclose(found.within_high, again.within, rtol=1e-9)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    # 300 features that differ by exactly one standard deviation, 30 speakers, each with a level of their own
    rng = np.random.default_rng(8)
    is_first, speakers = design(n_speakers=30, n_each=4)
    values = rng.standard_normal((len(is_first), 300)) + is_first[:, None]
    values += rng.standard_normal((30, 300))[np.asarray([int(name[2:]) for name in speakers])] * 3
    found = pair_statistics.effects(values, is_first, speakers, n_resamples=500, seed=1)
    covered = (found.within_low < 1) & (found.within_high > 1)
    assert 0.87 < covered.mean() <= 0.99
    again = pair_statistics.effects(values, is_first, speakers, n_resamples=500, seed=1)
    np.testing.assert_array_equal(found, again)


def test_what_does_not_vary_differs_by_nothing_and_what_never_overlaps_by_all():
    is_first, speakers = design()
    values = np.column_stack([np.full(len(is_first), 0.1), is_first, ~is_first]).astype(float)
    found = pair_statistics.effects(values, is_first, speakers, n_resamples=20)
    for one in found:
        np.testing.assert_array_equal(one, [0, np.inf, -np.inf])


def test_without_a_speaker_of_both_there_is_no_effect_within():
    is_first = np.asarray([True] * 5 + [False] * 5)
    values = np.random.default_rng(0).standard_normal((10, 2))
    found = pair_statistics.effects(values, is_first, np.where(is_first, "a", "b"), n_resamples=50)
    assert np.isnan(found.within).all() and np.isfinite(found.overall).all()


# one feature alone


def test_area_under_the_curve_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    is_first, _ = design()
    values = np.round(rng.standard_normal((len(is_first), 5)) + is_first[:, None], 1)  # with ties
    expected = [roc_auc_score(is_first, values[:, column]) for column in range(5)]
    np.testing.assert_allclose(pair_statistics.area_under_curve(values, is_first), expected)


def test_thresholds_are_those_of_a_stump_on_the_other_speakers():
    rng = np.random.default_rng(0)
    is_first, speakers = design(n_speakers=5, n_each=5)
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
    np.testing.assert_allclose(pair_statistics.alone(values, is_first, speakers), expected)


def test_a_feature_that_tells_all_is_always_right_and_noise_is_near_a_half():
    rng = np.random.default_rng(0)
    is_first, speakers = design(n_speakers=12, n_each=10)
    values = np.column_stack([is_first * 1.0, ~is_first * 5.0, rng.standard_normal((len(is_first), 300))])
    found = pair_statistics.alone(values, is_first, speakers)
    assert found[:2].tolist() == [1, 1]
    assert abs(found[2:].mean() - 0.5) < 0.03
    stump = DecisionTreeClassifier(max_depth=1)  # what the same thresholds would seem to reach on their own clips
    seen = [stump.fit(values[:, [d]], is_first).score(values[:, [d]], is_first) for d in range(2, 40)]
    assert np.mean(seen) > np.mean(found[2:40]) + 0.03


def test_a_speakers_own_clips_never_set_their_threshold():
    # each speaker has a level of their own, so that a threshold from the others is worth nothing
    is_first, speakers = design(n_speakers=6)
    level = np.asarray([int(name[2:]) for name in speakers]) * 100.0
    values = (level + is_first)[:, None]
    assert pair_statistics.within_area(values, is_first, speakers)[0] == 1
    assert pair_statistics.alone(values, is_first, speakers)[0] == 0.5


def test_constant_features_are_right_in_half_and_one_speaker_can_not_be_asked():
    is_first, speakers = design()
    values = np.full((len(is_first), 1), 0.1)
    assert pair_statistics.alone(values, is_first, speakers)[0] == 0.5
    assert pair_statistics.area_under_curve(values, is_first)[0] == 0.5
    assert np.isnan(pair_statistics.alone(values, is_first, ["x"] * len(is_first))).all()


def test_many_speakers_are_left_out_in_groups():
    is_first, speakers = design(n_speakers=90, n_each=1)
    values = is_first[:, None] + np.random.default_rng(0).standard_normal((180, 2)) * 0.1
    np.testing.assert_array_equal(pair_statistics.alone(values, is_first, speakers), [1, 1])


# the ranking


def test_the_known_best_feature_leads_and_copies_are_shown_once(known):
    ranked = pair.ranking(known, "happy", "sad").set_index("feature")
    assert ranked.index[0] == "hidden"
    assert ranked["g"].abs().idxmax() in ("open", "copy")  # what speakers hide
    assert (
        ranked.loc["hidden", "g_within_low"] < ranked.loc["hidden", "g_within"] < ranked.loc["hidden", "g_within_high"]
    )
    assert ranked.loc["open", "balanced_accuracy"] > 0.8 > ranked.loc["hidden", "balanced_accuracy"]
    assert ranked.loc["open", "auc"] == pytest.approx(1 - ranked.loc["copy", "auc"], abs=1e-6)
    told = pair.separating(known, "happy", "sad", top=5).table.set_index("feature")
    assert told.loc[["open", "copy"], "shown"].sum() == 1 and told["shown"].sum() == 5
    noise = [name for name in known.names if name.startswith("noise")]
    assert (told.loc[noise, "q_within"] > 0.05).all()


def test_the_other_way_round_all_signs_change(known):
    one = pair.ranking(known, "happy", "sad").set_index("feature").sort_index()
    other = pair.ranking(known, "sad", "happy").set_index("feature").sort_index()
    np.testing.assert_allclose(one["g_within"], -other["g_within"], atol=1e-9)
    np.testing.assert_allclose(one["g_within_low"], -other["g_within_high"], atol=0.2)
    np.testing.assert_allclose(one["auc"], 1 - other["auc"])
    np.testing.assert_allclose(one["p_within"], other["p_within"], rtol=1e-9)


def test_p_values_are_of_the_two_emotions_alone(known):
    ranked = pair.ranking(known, "happy", "sad").sort_values("column")
    two = known.emotions != "angry"
    expected = feature_statistics.anova(known.values[two], known.emotions[two], blocks=known.speakers[two]).p
    np.testing.assert_allclose(ranked["p_within"], expected)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("happy", "calm", "no clip is 'calm'; expected two of happy, sad, angry"),
        ("joy", "sad", "no clip is 'joy'"),
        ("sad", "sad", "'sad' is compared with itself"),
    ],
)
def test_what_is_no_pair_is_refused(known, first, second, message):
    clips = pd.DataFrame(index=range(len(known.values)))
    with pytest.raises(ConfigError, match=message):
        pair.findings(known, first, second, clips=clips, seed=0)


def test_clips_of_another_corpus_are_refused(known):
    with pytest.raises(FeatureError, match="there are 3 clips"):
        pair.findings(known, "happy", "sad", clips=pd.DataFrame(index=range(3)), seed=0)


# the sound


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, make_voice):
    """Eight clips of two speakers: happy ones 12 dB louder; and their features."""
    folder = tmp_path_factory.mktemp("pair")
    rows = []
    for number, (speaker, emotion, words) in enumerate(
        (speaker, emotion, words) for speaker in ("x-1", "x-2") for emotion in ("happy", "sad") for words in ("a", "b")
    ):
        gain = 0.4 if emotion == "happy" else 0.1
        samples = make_voice(seconds=0.8, pitch_hz=120 if speaker == "x-1" else 220, seed=0 if words == "a" else 1)
        path = folder / f"{number}.wav"
        audio.write_wav(path, samples / np.abs(samples).max() * gain)
        rows.append([str(path), 0.0, np.nan, emotion, speaker, "", "normal", words, "speech", "x", "en"])
    clips = pd.DataFrame(rows, columns=list(COLUMNS))
    values = np.random.default_rng(0).standard_normal((8, 6)) + (clips["emotion"] == "happy").to_numpy()[:, None]
    emotions, speakers = clips["emotion"].to_numpy(str), clips["speaker"].to_numpy(str)
    return clips, FeatureTable(values.astype(np.float32), tuple("abcdef"), emotions, speakers)


def test_the_mean_spectra_differ_by_the_gain(recorded):
    clips, _ = recorded
    is_first = (clips["emotion"] == "happy").to_numpy()
    told = []
    spectra = pair_sound.read(clips, is_first, seed=0, progress=lambda done, total, what: told.append((done, total)))
    assert told == [(done, 8) for done in range(8)]
    found = pair_sound.difference(spectra)
    assert found.n_speakers == 2 and found.mean.shape == (128, pair_sound.STEPS)
    assert np.median(found.mean) == pytest.approx(20 * np.log10(4), abs=0.3)
    np.testing.assert_allclose(found.bands, found.mean.mean(axis=1), atol=1e-5)
    assert ((found.bands_low <= found.bands) & (found.bands <= found.bands_high)).all()


def spectra_of(values, *, is_first, speakers, statements=None):
    values = np.asarray(values, dtype=np.float32)
    table = pd.DataFrame({name: [""] * len(values) for name in COLUMNS})
    table["speaker"], table["statement"] = speakers, statements or [""] * len(values)
    return pair_sound.Spectra(table, np.asarray(is_first), values, np.arange(values.shape[1]) * 100.0)


def test_each_speaker_counts_the_same_and_their_levels_do_not_tell():
    # speaker a: 10 against 4 (three clips); speaker b: 100 against 98 -> differences 6 and 2
    level = np.asarray([10, 4, 4, 4, 100, 98.0])[:, None, None] * np.ones((1, 3, 2))
    is_first = [True, False, False, False, True, False]
    found = pair_sound.difference(spectra_of(level, is_first=is_first, speakers=["a"] * 4 + ["b"] * 2))
    np.testing.assert_allclose(found.mean, 4)
    np.testing.assert_allclose(found.error, 2)  # standard deviation of 6 and 2 over the root of 2
    np.testing.assert_allclose(found.bands_high - found.bands, 12.7062 * 2, rtol=1e-4)  # Student's t, one degree


def test_without_a_speaker_of_both_all_clips_are_compared():
    level = np.asarray([3.0, 1.0])[:, None, None] * np.ones((1, 3, 2))
    found = pair_sound.difference(spectra_of(level, is_first=[True, False], speakers=["a", "b"]))
    assert found.n_speakers == 0 and np.isnan(found.error).all()
    np.testing.assert_allclose(found.mean, 2)
    with pytest.raises(FeatureError, match="of one emotion"):
        pair_sound.difference(spectra_of(level, is_first=[True, True], speakers=["a", "b"]))


def test_matched_clips_have_speaker_and_statement_in_common_and_come_by_distance():
    level = np.asarray([0, 1, 0, 5, 0, 9.0])[:, None, None] * np.ones((1, 3, 2))
    spectra = spectra_of(
        level,
        is_first=[True, False] * 3,
        speakers=["a", "a", "b", "b", "b", "c"],
        statements=["x", "x", "y", "y", "x", "x"],
    )
    found = pair_sound.matched(spectra)
    assert [(one.first, one.second, one.rms_db) for one in found] == [(2, 3, 5), (0, 1, 1)]
    assert pair_sound.differing_speakers(found, spectra, count=1) == found[:1]


def test_relative_time_keeps_the_mean():
    values = np.random.default_rng(0).standard_normal((4, 137)).astype(np.float32)
    for steps in (50, 137, 300):
        found = pair_sound.over_relative_time(values, steps=steps)
        assert found.shape == (4, steps)
        np.testing.assert_allclose(found.mean(axis=1), values.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(pair_sound.over_relative_time(values, steps=137), values, atol=1e-4)


def test_all_findings_of_a_pair(recorded):
    clips, table = recorded
    found = pair.findings(table, "happy", "sad", clips=clips, seed=0)
    names = ["happy-sad-features", "happy-sad-distributions", "happy-sad-spectrum", "happy-sad-clips"]
    assert [one.name for one in found] == names
    assert all(one.figure is not None for one in found)
    assert len(found[3].table) == 4 and (found[3].table["rms_db"].diff().dropna() <= 0).all()
    again = pair.findings(table, "happy", "sad", clips=clips, seed=0)
    for one, other in zip(found, again, strict=True):
        assert one.text == other.text
        pd.testing.assert_frame_equal(one.table, other.table)


def test_two_speakers_of_one_emotion_each_are_told_of(recorded):
    clips, table = recorded
    rows = [0, 1, 6, 7]  # x-1 is happy, x-2 sad
    part = FeatureTable(table.values[rows], table.names, table.emotions[rows], table.speakers[rows])
    found = pair.findings(part, "happy", "sad", clips=clips.iloc[rows], seed=0)
    assert "No speaker has both emotions" in found[0].text and "nan" not in found[0].text
    assert "for want of a speaker with both" in found[2].text
    assert found[3].figure is None and "no clips can be matched" in found[3].text


def test_a_clip_that_is_missing_is_named(recorded):
    clips, table = recorded
    broken = clips.assign(path=[*clips["path"][:-1], "nowhere.wav"])
    with pytest.raises(AudioError, match=r"nowhere\.wav"):
        pair.findings(table, "happy", "sad", clips=broken, seed=0)
