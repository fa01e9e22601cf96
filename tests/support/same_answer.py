"""Changes of a recording that should not change what is predicted, and how far scores may move all the same."""

import io

import numpy as np
import soundfile
import soxr

from support.media import media

RATE = 16_000


def gain(samples, decibels):
    """Louder or quieter; at most to full scale."""
    factor = min(10 ** (decibels / 20), 0.99 / np.abs(samples).max())
    return (samples * factor).astype(np.float32), RATE


def silence(samples, seconds):
    """Digital silence before and after the recording."""
    ends = np.zeros(round(seconds * RATE), np.float32)
    return np.concatenate([ends, samples, ends]), RATE


def resampled(samples, rate):
    """At a higher rate, which loses nothing."""
    return soxr.resample(samples, RATE, rate).astype(np.float32), rate


def contained(samples, kind):
    """Without loss in another container, in 16 bits or more."""
    if kind == "matroska":
        return media([soxr.resample(samples, RATE, 48_000).astype(np.float32)], "matroska", "flac", rate=48_000)
    held = io.BytesIO()
    soundfile.write(held, samples, RATE, format=kind, subtype="PCM_24" if kind == "FLAC" else "PCM_16")
    return held.getvalue()


#: Change -> the largest difference of a score that is tolerated, out of 1.
TOLERANCE = {"gain": 0.05, "silence": 0.05, "resampled": 0.05, "contained": 0.02}


def difference(first, second):
    """The largest difference of a score between two predictions."""
    assert first.scores.keys() == second.scores.keys()
    return max(abs(first.scores[name] - second.scores[name]) for name in first.scores)
