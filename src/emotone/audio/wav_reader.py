"""Read WAV files of 16-bit samples, the most common kind, without a decoder.

libsndfile asks for a file in blocks of a few kilobytes, each by a call of Python, and takes a millisecond for four
seconds at 48 kHz.  Here they are read at once, with the same result to the last bit.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from emotone.audio.layout import Samples16
from emotone.audio.reader import Waveform, check_format, reading

_SCALE = np.float32(1 / 32768)


class WavReader:
    """The 16-bit samples of a WAV file.

    Parameters
    ----------
    file
        The whole file.
    samples
        Where its samples are.
    name
        Its name in error messages.
    lfe
        Channels with low-frequency effects.

    Raises
    ------
    AudioError
        The rate or the number of channels is out of range.
    """

    container, codec = "wav", "pcm_16"

    def __init__(self, file: BinaryIO, samples: Samples16, *, name: str, lfe: tuple[int, ...] = ()) -> None:
        self._file, self._begin = file, samples.begin
        self.name, self.sample_rate, self.channels = name, samples.rate, samples.channels
        check_format(self.channels, self.sample_rate, name=name)
        self.lfe = lfe if max(lfe, default=0) < self.channels else ()
        self.n_frames: int | None = samples.n_frames

    def count(self) -> int:
        """Return the samples per channel."""
        return self.n_frames or 0

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (n, channels) of up to ``size`` samples from sample ``start`` to the end."""
        row = 2 * self.channels
        with reading(self.name):
            for at in range(start, self.count(), size):
                self._file.seek(self._begin + at * row)
                block = self._read(min(size, self.count() - at) * row)
                whole = len(block) // row * row  # the file may have become shorter
                if whole:
                    samples = np.frombuffer(block, "<i2", count=whole // 2).astype(np.float32)
                    samples *= _SCALE
                    yield samples.reshape(-1, self.channels)

    def _read(self, n_bytes: int) -> bytes:
        """Return this many bytes, fewer at the end of the file; a file that is not buffered may return some at once."""
        block = self._file.read(n_bytes)
        if not block or len(block) == n_bytes:
            return block
        parts, n = [block], len(block)
        while n < n_bytes and (block := self._file.read(n_bytes - n)):
            parts.append(block)
            n += len(block)
        return b"".join(parts)
