"""Decode raw sound, which has no header: PCM, floating point, and the mu-law and A-law of telephony (ITU-T G.711)."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from emotone.audio.reader import MAX_CHANNELS, RATES_HZ, Waveform
from emotone.errors import AudioError

#: Samples -> amplitudes in [-1, 1), from an array of the encoding's type.
_ToFloat = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


class _Encoding(NamedTuple):
    """How a sample is stored: its bytes, the type of an array of them, and the conversion to amplitudes."""

    n_bytes: int
    dtype: str
    to_float: _ToFloat


def _mulaw_table() -> Waveform:
    """Return the amplitudes of the 256 mu-law codes (G.711, table 2a, scaled to 16 bits)."""
    code = ~np.arange(256) & 0xFF
    size = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 128, -size, size).astype(np.float32) / np.float32(32768)


def _alaw_table() -> Waveform:
    """Return the amplitudes of the 256 A-law codes (G.711, table 1a, scaled to 16 bits)."""
    code = np.arange(256) ^ 0x55
    exponent, step = code >> 4 & 7, ((code & 15) << 4) + 8
    size = np.where(exponent == 0, step, step + 256 << np.maximum(exponent - 1, 0))
    return np.where(code & 128, size, -size).astype(np.float32) / np.float32(32768)


def _scaled(bits: int, *, offset: float = 0.0) -> _ToFloat:
    scale = 2.0 ** (bits - 1)
    return lambda samples: (samples.astype(np.float64) - offset) / scale


def _of_24_bits(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    padded = np.zeros((len(samples) // 3, 4), np.uint8)
    padded[:, 1:] = samples.reshape(-1, 3)
    return padded.view("<i4")[:, 0] / 2.0**31


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
_ENCODINGS = {
    "s8": _Encoding(1, "i1", _scaled(8)),
    "u8": _Encoding(1, "u1", _scaled(8, offset=128.0)),
    "s16le": _Encoding(2, "<i2", _scaled(16)),
    "s16be": _Encoding(2, ">i2", _scaled(16)),
    "s24le": _Encoding(3, "u1", _of_24_bits),
    "s32le": _Encoding(4, "<i4", _scaled(32)),
    "f32le": _Encoding(4, "<f4", np.asarray),
    "f64le": _Encoding(8, "<f8", np.asarray),
    "mulaw": _Encoding(1, "u1", _MULAW.__getitem__),
    "alaw": _Encoding(1, "u1", _ALAW.__getitem__),
}
#: Names of the encodings.
ENCODINGS = tuple(_ENCODINGS)
#: Position and bytes that begin the header of a recording, and the name of its format.
_HEADERS = (
    *((0, start, "RIFF (WAV)") for start in (b"RIFF", b"RIFX", b"RF64")),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "ID3 (MP3)"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (4, b"ftyp", "MP4"),
)


def header_of(data: bytes) -> str:
    """Return the format whose header begins the content of a file, or "" for sound without a header.

    Examples
    --------
    >>> header_of(b"fLaC...")
    'FLAC'
    """
    return next((name for at, start, name in _HEADERS if data.startswith(start, at)), "")


@dataclass(frozen=True)
class RawFormat:
    """The format of raw sound.

    Attributes
    ----------
    encoding
        A name in `ENCODINGS`: sign, bits and byte order, as FFmpeg names them, or a law of G.711.
    rate
        Sample rate, Hz, 1,000 to 384,000.
    channels
        Number of interleaved channels, 1 to 64.

    Raises
    ------
    AudioError
        The encoding is unknown, or the rate or the number of channels is out of range.

    Examples
    --------
    >>> RawFormat("s16le", 8000).decode(bytes([0, 64, 0, 192]))
    array([[ 0.5],
           [-0.5]], dtype=float32)
    """

    encoding: str
    rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _ENCODINGS:
            nearest = difflib.get_close_matches(str(self.encoding).lower(), ENCODINGS, n=1)
            hint = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise AudioError(f"the encoding of raw sound is {self.encoding!r}; {hint}expected {', '.join(ENCODINGS)}")
        low, high = RATES_HZ
        if type(self.rate) is not int or not low <= self.rate <= high:
            raise AudioError(f"the rate of raw sound is {self.rate!r}; expected a whole number of Hz, {low} to {high}")
        if type(self.channels) is not int or not 1 <= self.channels <= MAX_CHANNELS:
            raise AudioError(
                f"raw sound has {self.channels!r} channels; expected a whole number from 1 to {MAX_CHANNELS}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the format that a text ``ENCODING:RATE[:CHANNELS]`` describes; the encoding can be in any case.

        Raises
        ------
        AudioError
            The text has another form, or a value is unknown or out of range.

        Examples
        --------
        >>> RawFormat.parse("mulaw:8000")
        RawFormat(encoding='mulaw', rate=8000, channels=1)
        """
        encoding, *numbers = text.strip().split(":")
        if not 1 <= len(numbers) <= 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
            raise AudioError(
                f"the raw format is {text!r}; expected ENCODING:RATE or ENCODING:RATE:CHANNELS, such as s16le:8000:1, "
                f"with an encoding of {', '.join(ENCODINGS)}"
            )
        return cls(encoding.lower(), *(int(number[:9]) for number in numbers))

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of all channels."""
        return _ENCODINGS[self.encoding].n_bytes * self.channels

    def decode(self, data: bytes | bytearray | memoryview) -> Waveform:
        """Decode whole frames, and ignore an incomplete one at the end.

        Returns
        -------
        (n, channels) float32, with ``n = len(data) // frame_bytes``; integers are scaled to [-1, 1), floating point is
        kept, also NaN.
        """
        encoding = _ENCODINGS[self.encoding]
        stored = np.frombuffer(data, np.uint8)[: len(data) - len(data) % self.frame_bytes].view(encoding.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # a float64 beyond float32 becomes infinite
            return np.asarray(encoding.to_float(stored), np.float32).reshape(-1, self.channels)
