"""Spectra, pitch and energy of tones."""

import numpy as np
import pytest

from emotone.errors import FeatureError
from emotone.explore import sound
from support.exploring import sine


def test_a_full_scale_tone_reads_0_db_at_its_frequency():
    image = sound.spectrogram(sine(1000))
    assert image.values.shape == (513, 101) == (image.rows.size, image.times_s.size)
    assert image.rows[image.values[:, 50].argmax()] == 1000
    assert image.values[:, 50].max() == pytest.approx(0, abs=0.01)
    half = sound.spectrogram(sine(1000, amplitude=0.5))
    assert half.values[64, 50] == pytest.approx(20 * np.log10(0.5), abs=0.01)


def test_gain_moves_levels_and_leaves_the_shape():
    voice = sine(200) + sine(2000, amplitude=0.5)
    loud, soft = sound.mfcc(0.5 * voice).values[:, 20:-20], sound.mfcc(0.05 * voice).values[:, 20:-20]
    # the transform is orthonormal: 20 dB in each of 128 bands are 20 * sqrt(128) in coefficient 0, if no floor cuts
    assert (loud - soft)[0].max() <= 20 * np.sqrt(128) + 1e-3
    difference = sound.log_mel(0.5 * voice).values - sound.log_mel(0.05 * voice).values
    assert np.quantile(difference[:, 50], 0.9) == pytest.approx(20, abs=0.01)


def test_pitch_and_energy_of_a_known_tone():
    tone = np.concatenate([sine(250, amplitude=0.4), np.zeros(8000, np.float32)])  # 8 periods in a window
    times, hertz = sound.pitch(tone)
    assert times[1] == pytest.approx(0.01)
    assert np.nanmedian(hertz) == pytest.approx(250, rel=0.01)
    assert np.isnan(hertz[times > 1.1]).all()
    times, level = sound.energy(tone)
    assert level[50] == pytest.approx(20 * np.log10(0.4 / np.sqrt(2)), abs=0.02)
    assert level[-1] == sound.FLOOR_DB


@pytest.mark.parametrize("samples", [np.zeros((2, 4000), np.float32), np.zeros(100, np.float32), np.zeros(4000, int)])
def test_what_is_no_clip_is_refused(samples):
    with pytest.raises(FeatureError, match="expected"):
        sound.spectrogram(samples)
