"""Open any source of sound as a `Reader`, which yields blocks of (n, channels) float32 at the source's sample rate.

WAV of 16 bits needs no decoder; libsndfile (through soundfile) reads other WAV, FLAC and AIFF; FFmpeg (through PyAV)
reads other formats, by their time stamps.  The content decides, never the suffix.  Both libraries therefore get file
objects: libsndfile would read text named ``.au`` as sound, and FFmpeg would follow a name such as ``http://...``.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import numpy as np
import soxr

from emotone.audio.array_reader import array_reader
from emotone.audio.av_reader import AvReader
from emotone.audio.layout import KNOWN_FORMATS, layout_of
from emotone.audio.reader import MAX_CHANNELS, RATES_HZ, Reader, Waveform, check_format, reading
from emotone.audio.sources import AudioSource, open_file
from emotone.audio.wav_reader import WavReader
from emotone.errors import AudioError

__all__ = ["KNOWN_FORMATS", "MAX_CHANNELS", "RATES_HZ", "AudioSource", "Reader", "Waveform", "open_reader"]


@contextmanager
def open_reader(source: AudioSource, *, track: int | None = None) -> Iterator[Reader]:
    """Open a source: path, bytes, binary file (read from its beginning, left open), or (samples, rate).

    Parameters
    ----------
    source
        The recording.  Recordings that were joined in one file (chained Ogg, for example) are read one after the other.
    track
        Number of the sound track, from 1; None: the default track.

    Raises
    ------
    AudioError
        The source can't be read as a recording; the message gives the source, the finding and the remedy.
    """
    with ExitStack() as stack:
        if isinstance(source, tuple):
            reader: Reader = array_reader(source)
            if track not in (None, 1):
                raise AudioError(f"{reader.name}: track is {track!r}, and an array has 1; leave track out")
            check_format(reader.channels, reader.sample_rate, name=reader.name)
        else:
            file, name = open_file(source, stack)
            reader = _file_reader(file, name, stack, track)
        if reader.n_frames == 0:
            raise AudioError(f"{reader.name}: the recording holds no samples; record it again")
        yield reader


def _file_reader(file: BinaryIO, name: str, stack: ExitStack, track: int | None) -> Reader:
    with reading(name):
        layout = layout_of(file, name)
        if layout.samples is not None and track in (None, 1):
            return WavReader(file, layout.samples, name=name, lfe=layout.lfe)
        whole = len(layout.links) == 1 and layout.links[0][0] == 0
        readers: list[Reader] = []
        for begin, end in layout.links:
            link = file if whole else _part(file, begin, end)
            link.seek(0)
            readers.append(_link_reader(link, name, stack, track, layout.by_libsndfile, layout.lfe))
        return readers[0] if len(readers) == 1 else _JoinedReader(readers)


def _link_reader(
    file: BinaryIO, name: str, stack: ExitStack, track: int | None, by_libsndfile: bool, lfe: tuple[int, ...]
) -> Reader:
    if by_libsndfile and track in (None, 1):
        # here: the most common files need none
        from emotone.audio.soundfile_reader import UNREADABLE, SoundFileReader, knows_channels

        try:
            reader = SoundFileReader(file, name=name, stack=stack, lfe=lfe)
            if knows_channels(reader):
                return reader
        except UNREADABLE:
            pass  # FFmpeg may know the codec
        file.seek(0)
    return AvReader(file, name=name, stack=stack, track=track)


def _part(file: BinaryIO, begin: int, end: int) -> BinaryIO:
    file.seek(begin)
    return io.BytesIO(file.read(end - begin))


class _JoinedReader:
    """Recordings one after the other, with the rate and the channels of the first."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        first = readers[0]
        self._readers = readers
        self.name, self.sample_rate, self.channels = first.name, first.sample_rate, first.channels
        self.container, self.codec, self.lfe = first.container, first.codec, first.lfe
        self.n_frames: int | None = None

    def count(self) -> int:
        """Count the samples per channel by adding up the recordings."""
        return sum(round(reader.count() * self.sample_rate / reader.sample_rate) for reader in self._readers)

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (n, channels) from sample ``start`` to the end."""
        skip = start
        for reader in self._readers:
            for block in self._alike(reader, size):
                if skip < len(block):
                    yield block[skip:]
                skip = max(0, skip - len(block))

    def _alike(self, reader: Reader, size: int) -> Iterator[Waveform]:
        """Yield the blocks of a recording at the common rate, with the common number of channels."""
        same_rate = reader.sample_rate == self.sample_rate
        stream = None if same_rate else soxr.ResampleStream(reader.sample_rate, self.sample_rate, self.channels)
        for block in reader.chunks(0, size):
            if reader.channels != self.channels:
                block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
            yield block if stream is None else stream.resample_chunk(block)
        if stream is not None:
            yield stream.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)
