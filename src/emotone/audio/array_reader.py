"""Read arrays of samples."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.reader import MAX_CHANNELS, Waveform
from emotone.errors import AudioError


class ArrayReader:
    """Samples (n,) or (n, channels) as a `Reader`."""

    def __init__(self, samples: npt.NDArray[Any], rate: int, *, name: str) -> None:
        self.name, self.sample_rate, self.container = name, rate, "array"
        self._samples = samples[:, None] if samples.ndim == 1 else samples
        self.n_frames, self.channels = self._samples.shape
        self.codec = str(samples.dtype)
        self.lfe: tuple[int, ...] = ()

    def count(self) -> int:
        """Return the samples per channel."""
        return len(self._samples)

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (n, channels) of up to ``size`` samples from sample ``start`` to the end."""
        for begin in range(start, self.n_frames, size):
            yield _to_float32(self._samples[begin : begin + size])


def _to_float32(samples: npt.NDArray[Any]) -> Waveform:
    """Scale integers to [-1, 1) by the range of their type, as in a WAV file (unsigned: centred); keep floats."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is reported later
            return samples.astype(np.float32)
    half = float(2 ** (8 * samples.dtype.itemsize - 1))
    offset = half if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - offset) / half).astype(np.float32)


def array_reader(source: tuple[Any, ...]) -> ArrayReader:
    """Open ``(samples, rate)``, or raise `AudioError`."""
    name = "the array"
    if len(source) != 2:
        raise AudioError(f"a tuple of {len(source)} was given as a recording; give (samples, rate)")
    samples, rate = source
    if isinstance(rate, np.ndarray) and rate.ndim:
        raise AudioError(f"{name}: the rate comes first in this tuple; give (samples, rate)")
    if not isinstance(samples, np.ndarray):
        raise AudioError(
            f"{name}: samples are of type {type(samples).__name__}; give a numpy array of int16 or float32"
        )
    try:
        rate_hz = operator.index(int(rate) if isinstance(rate, float) and rate.is_integer() else rate)
    except TypeError:
        raise AudioError(f"{name}: the rate is {rate!r}; give a whole number of samples a second") from None
    if samples.dtype.kind not in "iuf" or samples.dtype.itemsize > 8 or samples.dtype in (np.int64, np.uint64):
        raise AudioError(f"{name}: samples are {samples.dtype}; give int16, int32, uint8 or floating point")
    if samples.ndim not in (1, 2):
        raise AudioError(f"{name}: its shape is {samples.shape}; give (n,) or (n, channels)")
    if samples.ndim == 2 and not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"{name}: shape {samples.shape} has {samples.shape[1]} channels, at most {MAX_CHANNELS} are read; "
            "give (n, channels), which is samples.T if yours is (channels, n)"
        )
    return ArrayReader(samples, rate_hz, name=name)
