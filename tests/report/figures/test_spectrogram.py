"""Spectrograms of clips."""

import numpy as np
import pytest

from emotone import audio
from emotone.report.figures.spectrogram import spectrogram, spectrogram_picture


def test_the_spectrogram_has_a_tone_where_it_is():
    t = np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE
    samples = np.where(t < 0.5, 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
    level = spectrogram(samples)
    assert level.shape == (96, 200)
    hz = np.geomspace(60, 8000, 96)
    assert hz[level[:, 50].argmax()] == pytest.approx(1000, rel=0.04)
    assert level.max() == 0 and level[:, 150].max() == -70
    axes = spectrogram_picture(samples, width_s=3.0).axes[0]
    assert (axes.get_xlim(), axes.images[0].get_extent()[1]) == ((0.0, 3.0), 1.0)
    assert axes.get_xlabel() == "time, s"
