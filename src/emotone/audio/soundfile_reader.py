"""Read WAV, FLAC, AIFF and their relatives through libsndfile."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from types import SimpleNamespace
from typing import BinaryIO

import soundfile

from emotone.audio.reader import Waveform, check_format, reading

#: What soundfile raises if libsndfile can't read a file.
UNREADABLE = (soundfile.LibsndfileError, RuntimeError, OSError)


#: Files whose header says which channel has low-frequency effects, as `emotone.audio.layout` reads it.
_WAV = ("wav", "wavex", "rf64")


class _UnseekableSoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile does not seek in after every read: that takes time in FLAC."""

    def seekable(self) -> bool:
        return False


def _seek(file: BinaryIO, offset: int, whence: int = 0) -> int:
    """Go to a place, and stay where the file is if there is no such place: headers that lie name some.

    libsndfile calls this, and an exception on the way would be printed.
    """
    with suppress(OSError, ValueError, OverflowError):
        file.seek(offset, whence)
    return file.tell()


class SoundFileReader:
    """A file that libsndfile has opened.

    Parameters
    ----------
    file
        Positioned at its beginning.
    name
        Its name in error messages.
    stack
        Closes what is opened here.
    lfe
        Channels with low-frequency effects.

    Raises
    ------
    soundfile.LibsndfileError
        libsndfile does not know the format.
    AudioError
        The rate or the number of channels is out of range.
    """

    def __init__(self, file: BinaryIO, *, name: str, stack: ExitStack, lfe: tuple[int, ...] = ()) -> None:
        # Only the methods are passed on: for a name that ends in .raw, soundfile would expect headerless sound.
        methods = {key: getattr(file, key) for key in ("read", "readinto", "tell") if hasattr(file, key)}
        methods["seek"] = partial(_seek, file)
        self._file = stack.enter_context(_UnseekableSoundFile(SimpleNamespace(**methods)))
        self.name, self.sample_rate, self.channels = name, int(self._file.samplerate), int(self._file.channels)
        check_format(self.channels, self.sample_rate, name=name)
        self.container, self.codec = self._file.format.lower(), self._file.subtype.lower()
        self.lfe = lfe if max(lfe, default=0) < self.channels else ()
        # A FLAC that came through a pipe has no length: libsndfile says 2**63 - 1.
        self.n_frames = int(self._file.frames) if self._file.frames < 2**60 else None

    def count(self) -> int:
        """Count the samples per channel by reading the recording."""
        return sum(len(block) for block in self.chunks(0, 30 * self.sample_rate))

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (n, channels) of up to ``size`` samples from sample ``start`` to the end."""
        with reading(self.name):
            if start:
                self._file.seek(start)
            left = float("inf") if self.n_frames is None else self.n_frames - start
            while left > 0:  # libsndfile would fill reads beyond the end with zeros
                block = self._file.read(int(min(size, left)), dtype="float32", always_2d=True)
                if not len(block):
                    return
                left -= len(block)
                yield block


def knows_channels(reader: SoundFileReader) -> bool:
    """Return whether it is known what each channel is for; libsndfile does not say which has low-frequency effects."""
    return reader.channels <= 2 or reader.container in _WAV
