"""Signal processing for the transforms: pure functions of a waveform at 16 kHz.

Pitch and time are changed with WSOLA and a resampler rather than with pedalboard or audiomentations: 40 lines of numpy
replace a compiled audio host or a tree of dependencies.  WSOLA overlaps whole pitch periods of the waveform, so it
keeps the transients of a voice, which a phase vocoder smears.

References
----------
W. Verhelst and M. Roelands, An overlap-add technique based on waveform similarity (WSOLA), ICASSP 1993.
"""

from collections.abc import Iterable

import numpy as np
import soxr

from emotone.audio import SAMPLE_RATE

_FRAME = 512  # samples, 32 ms: two periods or more of nearly every voice
_HOP = _FRAME // 2  # a Hann window overlapped by half sums to one
_SEARCH = 160  # samples, 10 ms either way: 20 ms contain a whole period of 50 Hz
_MASKED_GAIN = 0.01  # -40 dB; zeros would have no level in dB, and would lower every average of levels
_SPAN_EDGE = 80  # samples, 5 ms: shorter ones click
_BAND_EDGE_MEL = 25.0  # 20 Hz at a voice's fundamental, so that it rings for 50 ms; steeper edges ring longer


def impulse_response(*, decay_s: float, direct_db: float, rng: np.random.Generator) -> np.ndarray:
    """Synthesise the impulse response of a room: 1, then Gaussian noise with an exponential decay.

    Parameters
    ----------
    decay_s
        Time in which the tail decays by 60 dB (T60), seconds, above 0.
    direct_db
        Direct-to-reverberant ratio, energy of the direct path to that of the tail, dB.
    rng
        Random generator of the tail.

    Returns
    -------
    (1 + decay_s in samples,) float64; the first sample is 1.
    """
    steps = np.arange(1, round(decay_s * SAMPLE_RATE) + 1)
    tail = rng.standard_normal(steps.size) * 10 ** (-3 * steps / (decay_s * SAMPLE_RATE))
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.sum(tail**2))
    return np.concatenate([[1.0], tail])


def resampled(waveform: np.ndarray, *, factor: float) -> np.ndarray:
    """Play ``waveform`` (n,) ``factor`` times as fast: (round(n / factor),)."""
    faster = soxr.resample(waveform, SAMPLE_RATE * factor, SAMPLE_RATE, quality="HQ")
    return fitted(faster, length=round(waveform.size / factor))


def fitted(waveform: np.ndarray, *, length: int) -> np.ndarray:
    """Cut ``waveform``, or add zeros, to ``length`` samples: resamplers differ in rounding."""
    return np.pad(waveform[:length], (0, max(0, length - waveform.size)))


def stretched(waveform: np.ndarray, *, rate: float) -> np.ndarray:
    """Speak ``waveform`` (n,) ``rate`` times as fast at the same pitch, by WSOLA: (round(n / rate),).

    Output frames overlap by half.  Each comes from about the place that the rate gives, shifted by up to 10 ms to where
    the waveform is most similar to the continuation of the previous frame (largest normalised cross-correlation).
    """
    length = round(waveform.size / rate)
    margin = _FRAME + _SEARCH
    padded = np.pad(waveform, (margin, margin + _FRAME))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    out = np.zeros(length + 2 * _FRAME)
    energy = np.concatenate([[0.0], np.cumsum(padded**2)])
    position = margin - _HOP  # start in `padded` of the frame at output time -_HOP, which covers the first sample fully
    for start in range(0, length + _HOP, _HOP):
        out[start : start + _FRAME] += window * padded[position : position + _FRAME]
        follows = padded[position + _HOP : position + _HOP + _FRAME]
        wanted = margin + round(start * rate)  # start of the next frame, whose output time is `start`
        first = int(np.clip(wanted - _SEARCH, 0, padded.size - 2 * margin))
        likeness = np.correlate(padded[first : first + _FRAME + 2 * _SEARCH], follows, mode="valid")
        starts = first + np.arange(likeness.size)
        strength = np.sqrt(np.maximum(energy[starts + _FRAME] - energy[starts], 1e-12))
        position = int(starts[np.argmax(likeness / strength)])
    return out[_HOP : _HOP + length]


def span_gain(size: int, *, spans: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the gain that attenuates spans of a waveform by 40 dB.

    Parameters
    ----------
    size
        Samples of the waveform.
    spans
        First sample and length of each, samples.  Raised-cosine edges of 5 ms lie inside a span, so nothing else
        changes; a span shorter than two edges is attenuated less.  Overlapping spans count once.

    Returns
    -------
    (size,) in [0.01, 1].
    """
    depth = np.zeros(size)
    for first, length in spans:
        inside = np.arange(length) + 0.5
        within = depth[first : first + length]
        np.maximum(within, _rise(np.minimum(inside, length - inside) / _SPAN_EDGE), out=within)
    return 1 - (1 - _MASKED_GAIN) * depth


def band_gain(hz: np.ndarray, *, low_mel: float, high_mel: float) -> np.ndarray:
    """Return the gain that attenuates a band by 40 dB, with raised-cosine edges of 25 mel inside it.

    Parameters
    ----------
    hz
        (n,) frequencies.
    low_mel, high_mel
        Ends of the band, mel.

    Returns
    -------
    (n,) in [0.01, 1].
    """
    at = mel(hz)
    return np.asarray(1 - (1 - _MASKED_GAIN) * _rise(np.minimum(at - low_mel, high_mel - at) / _BAND_EDGE_MEL))


def _rise(position: np.ndarray) -> np.ndarray:
    """Half a cosine, from 0 at ``position`` 0 and below to 1 at 1 and above."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(position, 0, 1)))


def mel(hz: np.ndarray) -> np.ndarray:
    """Frequencies in mel, 2595 log10(1 + f / 700 Hz) (D. O'Shaughnessy, Speech Communication, 1987)."""
    return np.asarray(2595 * np.log10(1 + hz / 700))
