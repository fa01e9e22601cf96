"""What the decoders have in common: the interface `Reader`, and how their errors are reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emotone.errors import AudioError, EmotoneError

Waveform: TypeAlias = npt.NDArray[np.float32]

RATES_HZ = (1_000, 384_000)
MAX_CHANNELS = 64


class Reader(Protocol):
    """An open recording: the properties in its header, and its samples in blocks."""

    name: str
    sample_rate: int
    channels: int
    container: str
    codec: str
    lfe: tuple[int, ...]

    @property
    def n_frames(self) -> int | None:
        """Samples per channel; None if the header does not say."""

    def count(self) -> int:
        """Count the samples per channel by reading the recording."""

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (about ``size``, channels) from sample ``start`` to the end."""


def check_format(channels: int, rate: int, *, name: str) -> None:
    """Raise `AudioError` unless the number of channels and the sample rate, in Hz, can be those of a voice."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(
            f"{name}: the recording has {channels} channels, expected 1 to {MAX_CHANNELS}; convert it to mono or stereo"
        )
    low, high = RATES_HZ
    if not low <= rate <= high:
        raise AudioError(
            f"{name}: the sample rate is {rate} Hz, expected {low} to {high}; record or resample it at 16000 Hz or more"
        )


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn every exception of a decoder into `AudioError`.

    Decoders are given bytes that anybody may have made, and their errors have no common base class.
    """
    try:
        yield
    except (EmotoneError, MemoryError):
        raise
    except Exception as error:
        raise AudioError(f"{name}: the recording is damaged ({reason(error)}); copy or download it again") from error


def reason(error: Exception) -> str:
    """Return the decoder's message without the repr of the file object that libsndfile puts before it."""
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(words).removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
