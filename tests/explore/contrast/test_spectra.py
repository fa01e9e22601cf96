"""Spectra of two emotions over relative time."""

import numpy as np
import pandas as pd
import pytest

from emotone.corpora.table import COLUMNS
from emotone.errors import FeatureError
from emotone.explore.contrast import spectra as spectra_of_pairs


def spectra_of(values, *, is_first, speakers, statements=None):
    values = np.asarray(values, dtype=np.float32)
    table = pd.DataFrame({name: [""] * len(values) for name in COLUMNS})
    table["speaker"], table["statement"] = speakers, statements or [""] * len(values)
    return spectra_of_pairs.Spectra(table, np.asarray(is_first), values, np.arange(values.shape[1]) * 100.0)


def test_the_mean_spectra_differ_by_the_gain(recorded):
    clips, _ = recorded
    is_first = (clips["emotion"] == "happy").to_numpy()
    steps = []
    spectra = spectra_of_pairs.read(clips, is_first, seed=0, progress=lambda *step: steps.append(step[:2]))
    assert steps == [(done, 8) for done in range(8)]
    found = spectra_of_pairs.difference(spectra)
    assert found.n_speakers == 2 and found.mean.shape == (128, spectra_of_pairs.STEPS)
    assert np.median(found.mean) == pytest.approx(20 * np.log10(4), abs=0.3)
    np.testing.assert_allclose(found.bands, found.mean.mean(axis=1), atol=1e-5)
    assert ((found.bands_low <= found.bands) & (found.bands <= found.bands_high)).all()


def test_each_speaker_counts_the_same_and_their_levels_do_not_tell():
    # speaker a: 10 against 4 (three clips); speaker b: 100 against 98 -> differences 6 and 2
    level = np.asarray([10, 4, 4, 4, 100, 98.0])[:, None, None] * np.ones((1, 3, 2))
    is_first = [True, False, False, False, True, False]
    found = spectra_of_pairs.difference(spectra_of(level, is_first=is_first, speakers=["a"] * 4 + ["b"] * 2))
    np.testing.assert_allclose(found.mean, 4)
    np.testing.assert_allclose(found.error, 2)  # standard deviation of 6 and 2 over the root of 2
    np.testing.assert_allclose(found.bands_high - found.bands, 12.7062 * 2, rtol=1e-4)  # Student's t, one degree


def test_without_a_speaker_of_both_all_clips_are_compared():
    level = np.asarray([3.0, 1.0])[:, None, None] * np.ones((1, 3, 2))
    found = spectra_of_pairs.difference(spectra_of(level, is_first=[True, False], speakers=["a", "b"]))
    assert found.n_speakers == 0 and np.isnan(found.error).all()
    np.testing.assert_allclose(found.mean, 2)
    with pytest.raises(FeatureError, match="of one emotion"):
        spectra_of_pairs.difference(spectra_of(level, is_first=[True, True], speakers=["a", "b"]))


def test_matched_clips_have_speaker_and_statement_in_common_and_come_by_distance():
    level = np.asarray([0, 1, 0, 5, 0, 9.0])[:, None, None] * np.ones((1, 3, 2))
    spectra = spectra_of(
        level,
        is_first=[True, False] * 3,
        speakers=["a", "a", "b", "b", "b", "c"],
        statements=["x", "x", "y", "y", "x", "x"],
    )
    found = spectra_of_pairs.matched(spectra)
    assert [(one.first, one.second, one.rms_db) for one in found] == [(2, 3, 5), (0, 1, 1)]
    assert spectra_of_pairs.differing_speakers(found, spectra, count=1) == found[:1]


def test_relative_time_keeps_the_mean():
    values = np.random.default_rng(0).standard_normal((4, 137)).astype(np.float32)
    for steps in (50, 137, 300):
        found = spectra_of_pairs.over_relative_time(values, steps=steps)
        assert found.shape == (4, steps)
        np.testing.assert_allclose(found.mean(axis=1), values.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(spectra_of_pairs.over_relative_time(values, steps=137), values, atol=1e-4)
