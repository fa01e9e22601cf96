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
#: Measured on samples: gain 0.006, rate 0.027, container 0.022.  Silence moves the beginning of the sound between the
#: states of the model, of which it hears every third, one each 60 ms: by up to 0.15 with the 0.1 s that trimming
#: leaves (docs/guide.md, "Where the sound begins").  More of it, by steps of 10 ms, makes no difference.
TOLERANCE = {"gain": 0.03, "silence": 0.2, "more silence": 0.01, "resampled": 0.08, "contained": 0.05}


def difference(first, second):
    """The largest difference of a score between two predictions."""
    assert first.scores.keys() == second.scores.keys()
    return max(abs(first.scores[name] - second.scores[name]) for name in first.scores)
