"""Pictures of the signal, and the numbers in their tables."""

import numpy as np
import pytest

from emotone.explore import signal
from support.exploring import PITCH_HZ


def test_images_have_common_scales_and_tables_the_numbers_of_the_pictures(load, voices):
    measured = load(voices)
    found = {finding.name: finding for finding in signal.all_findings(measured)}
    for name in ("spectrograms", "mel-spectrograms", "mfcc"):
        shown = [image for axes in found[name].figure.axes for image in axes.get_images()]
        assert len({image.get_clim() for image in shown}) == 1 and len(shown) == 3
        drawn = np.concatenate([np.asarray(image.get_array()).T for image in shown])
        numbers = found[name].table.drop(columns=["emotion", "time_s"]).to_numpy()
        np.testing.assert_allclose(numbers, drawn, atol=0.051)
    panels = found["waveforms"].figure.axes
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels if axes.get_visible()}) == 1
    medians = found["pitch-contours"].table.groupby("emotion")["pitch_hz"].median()
    assert medians.to_dict() == pytest.approx(PITCH_HZ, rel=0.1)


def test_means_of_emotions_are_means_of_their_clips(load, voices):
    measured = load(voices)
    mean = measured.log_mel[(measured.clips["emotion"] == "sad").to_numpy()].mean(axis=0)
    table = signal.mean_log_mel(measured).table
    np.testing.assert_allclose(table.loc[table["emotion"] == "sad", "mean_db"], mean, atol=1e-3)
    mfcc = signal.mean_mfcc(measured).table
    first = mfcc[(mfcc["emotion"] == "sad") & (mfcc["coefficient"] == 0)]["mean_db"].item()
    assert first == pytest.approx(mean.sum() / np.sqrt(128), abs=1e-2)
    assert (table["p10_db"] <= table["p90_db"]).all()
