"""Remove what is below the voice: offset, hum of the mains, rumble."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emotone.audio.reader import Waveform
from emotone.audio.resampling import SAMPLE_RATE

_ORDER = 4
# Lengths whose Fourier transform is fast are products of 2, 3 and 5.
_SMALL_FACTORS = (2, 3, 5)


def high_pass(samples: Waveform, hz: float) -> Waveform:
    """Remove frequencies below ``hz``, without a change of phase.

    The magnitude is that of a Butterworth filter of order 4 run forward and backward: -6 dB at ``hz``, -54 dB an octave
    below.  It is applied to the Fourier transform, in one step for the whole recording.

    Parameters
    ----------
    samples
        (n,) at 16 kHz.
    hz
        Cut-off frequency, above 0 and below 8000.

    Returns
    -------
    (n,) float32.

    Examples
    --------
    >>> offset = np.full(16_000, 0.5, np.float32)
    >>> float(np.abs(high_pass(offset, 70.0)).max()) < 1e-6
    True
    """
    n = len(samples)
    size = _fast_length(n)
    padded = np.zeros(size, np.float32)
    padded[:n] = samples - samples.mean(dtype=np.float64).astype(np.float32)
    spectrum = np.fft.rfft(padded)
    spectrum *= _gain(size, hz)
    return np.fft.irfft(spectrum, size)[:n].astype(np.float32, copy=False)


@lru_cache(maxsize=16)
def _gain(size: int, hz: float) -> npt.NDArray[np.float32]:
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    with np.errstate(divide="ignore"):
        return (1 / (1 + (hz / frequencies) ** (2 * _ORDER))).astype(np.float32)


@lru_cache(maxsize=1024)
def _fast_length(n: int) -> int:
    """Return the smallest product of 2, 3 and 5 that is at least ``n``; see scipy.fft.next_fast_len."""
    best = 1 << max(0, n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            size = three << max(0, -(-n // three) - 1).bit_length()
            best = min(best, size)
            three *= 3
        five *= 5
    return best
