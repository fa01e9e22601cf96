"""Findings on two emotions."""

import numpy as np
import pandas as pd
import pytest

from emotone.errors import AudioError, ConfigError, FeatureError
from emotone.explore import contrast
from emotone.explore.feature_analysis import FeatureTable
from emotone.explore.feature_analysis.statistics import anova


def test_the_known_best_feature_leads_and_copies_are_shown_once(known):
    ranked = contrast.ranking(known, "happy", "sad").set_index("feature")
    assert ranked.index[0] == "hidden"
    assert ranked["g"].abs().idxmax() in ("open", "copy")  # what speakers hide
    assert (
        ranked.loc["hidden", "g_within_low"] < ranked.loc["hidden", "g_within"] < ranked.loc["hidden", "g_within_high"]
    )
    assert ranked.loc["open", "balanced_accuracy"] > 0.8 > ranked.loc["hidden", "balanced_accuracy"]
    assert ranked.loc["open", "auc"] == pytest.approx(1 - ranked.loc["copy", "auc"], abs=1e-6)
    told = contrast.separating(known, "happy", "sad", top=5).table.set_index("feature")
    assert told.loc[["open", "copy"], "shown"].sum() == 1 and told["shown"].sum() == 5
    noise = [name for name in known.names if name.startswith("noise")]
    assert (told.loc[noise, "q_within"] > 0.05).all()


def test_the_other_way_round_all_signs_change(known):
    one = contrast.ranking(known, "happy", "sad").set_index("feature").sort_index()
    other = contrast.ranking(known, "sad", "happy").set_index("feature").sort_index()
    np.testing.assert_allclose(one["g_within"], -other["g_within"], atol=1e-9)
    np.testing.assert_allclose(one["g_within_low"], -other["g_within_high"], atol=0.2)
    np.testing.assert_allclose(one["auc"], 1 - other["auc"])
    np.testing.assert_allclose(one["p_within"], other["p_within"], rtol=1e-9)


def test_p_values_are_of_the_two_emotions_alone(known):
    ranked = contrast.ranking(known, "happy", "sad").sort_values("column")
    two = known.emotions != "angry"
    expected = anova(known.values[two], known.emotions[two], blocks=known.speakers[two]).p
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
        contrast.all_findings(known, first, second, clips=clips, seed=0)


def test_clips_of_another_corpus_are_refused(known):
    with pytest.raises(FeatureError, match="there are 3 clips"):
        contrast.all_findings(known, "happy", "sad", clips=pd.DataFrame(index=range(3)), seed=0)


@pytest.mark.slow
def test_all_findings_of_a_pair(recorded):
    clips, table = recorded
    found = contrast.all_findings(table, "happy", "sad", clips=clips, seed=0)
    names = ["happy-sad-features", "happy-sad-distributions", "happy-sad-spectrum", "happy-sad-clips"]
    assert [one.name for one in found] == names
    assert all(one.figure is not None for one in found)
    assert len(found[3].table) == 4 and (found[3].table["rms_db"].diff().dropna() <= 0).all()
    again = contrast.all_findings(table, "happy", "sad", clips=clips, seed=0)
    for one, other in zip(found, again, strict=True):
        assert one.text == other.text
        pd.testing.assert_frame_equal(one.table, other.table)


def test_two_speakers_of_one_emotion_each_are_told_of(recorded):
    clips, table = recorded
    rows = [0, 1, 6, 7]  # x-1 is happy, x-2 sad
    part = FeatureTable(table.values[rows], table.names, table.emotions[rows], table.speakers[rows])
    found = contrast.all_findings(part, "happy", "sad", clips=clips.iloc[rows], seed=0)
    assert "No speaker has both emotions" in found[0].text and "nan" not in found[0].text
    assert "because no speaker has both" in found[2].text
    assert found[3].figure is None and "no clips can be matched" in found[3].text


def test_a_clip_that_is_missing_is_named(recorded):
    clips, table = recorded
    broken = clips.assign(path=[*clips["path"][:-1], "nowhere.wav"])
    with pytest.raises(AudioError, match=r"nowhere\.wav"):
        contrast.all_findings(table, "happy", "sad", clips=broken, seed=0)
