"""Generated sounds, and the bytes of WAV files."""

import io
from collections.abc import Callable

import numpy as np
import soundfile

#: The fixture ``make_voice``.
Voice = Callable[..., np.ndarray]


def tone(hz: float, *, rate: int, seconds: float = 1.0, gain: float = 0.5) -> np.ndarray:
    """A sine of (n,) float32."""
    return (gain * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav_bytes(samples: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> bytes:
    """The content of a WAV file of (n,) or (n, channels)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()
