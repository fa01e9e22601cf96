"""The table of features, and its ranking."""

import numpy as np
import pytest

from emotone.errors import FeatureError
from emotone.explore import feature_analysis
from emotone.explore.feature_analysis import FeatureTable
from support.exploring import table_of


def test_within_speakers_the_right_feature_comes_out_on_top(known):
    ranked = feature_analysis.ranking(known).set_index("feature")
    assert ranked.index[:2].tolist() in (["hidden", "copy"], ["copy", "hidden"])
    assert ranked["f"].idxmax() == "visible"  # what speakers hide
    assert ranked.loc["hidden", "speaker_share"] > 0.99 and ranked.loc["visible", "speaker_share"] < 0.1
    assert ranked.loc["hidden", "q_within"] < 1e-9 < 0.05 < ranked.loc["hidden", "q"]
    assert ranked.index[-1] == "constant" or ranked.loc["constant", "omega2_within"] == 0
    assert ranked.loc["hidden", "mutual_information_bits_within"] > ranked["mutual_information_bits_within"]["visible"]


def test_labels_that_were_shuffled_give_no_discovery(known):
    shuffled = np.random.default_rng(11).permutation(known.emotions)
    noise = np.random.default_rng(12).standard_normal((len(shuffled), 500))
    ranked = feature_analysis.ranking(table_of(noise, emotions=shuffled, speakers=known.speakers))
    assert (ranked["q_within"] > 0.05).all() and (ranked["q"] > 0.05).all()
    assert 0.02 < (ranked["p_within"] < 0.05).mean() < 0.08  # as many as chance gives


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


def test_units_of_features_are_in_the_tables():
    table = FeatureTable(np.eye(6), tuple("abcdef"), ["sad", "happy"] * 3, ["x"] * 6, units=("dB", *[""] * 5))
    assert feature_analysis.ranking(table).set_index("feature")["unit"].to_dict() == {
        "a": "dB",
        **dict.fromkeys("bcdef", ""),
    }
    assert (feature_analysis.quantiles(table, [0])["unit"] == "dB").all()
