"""A recording of unknown origin that is decoded while it is read, so that hours of it need little memory."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from emotone.audio import isolated
from emotone.audio.channels import Channel
from emotone.audio.decoding import open_reader
from emotone.audio.isolated_child import READER_PROPERTIES
from emotone.audio.reader import Reader, Waveform
from emotone.audio.reading import Recording, segment_of
from emotone.audio.sources import DecodedElsewhere

#: Most seconds for a block, which is up to 30 s of sound.
BLOCK_TIMEOUT_S = 60.0

#: Called with the seconds that are decoded, and the seconds of the whole by the header, None if it does not say.
Watch = Callable[[float, float | None], None]


class IsolatedSource(DecodedElsewhere):
    """A file, for a recogniser; a crash of the decoder is an `AudioError`.

    Plain WAV and FLAC are decoded here, everything else in a child process (see `emotone.audio.isolated`).  In memory
    are its bytes if they are given, here and in the child, and about 30 s of sound.

    Parameters
    ----------
    file
        The content of a file, or the path of a regular file.
    watch
        Called when the recording is opened and before each block is handed on; an error that it raises ends the
        reading.
    left_s
        Returns how many seconds are left for the recording.
    """

    def __init__(
        self,
        file: bytes | str,
        *,
        watch: Watch = lambda *_: None,
        left_s: Callable[[], float] = lambda: BLOCK_TIMEOUT_S,
    ) -> None:
        self._file, self._watch, self._left_s = file, watch, left_s

    @contextmanager
    def open(
        self, *, start_s: float = 0.0, end_s: float | None = None, channel: Channel = "mix", track: int | None = None
    ) -> Iterator[Recording]:
        """Open the recording for reading once, as `emotone.audio.open_recording` does; it can be opened again."""
        begin, end = segment_of(start_s, end_s)
        with self.reader(track=track) as reader:
            yield Recording(reader, begin, end, channel)

    @contextmanager
    def reader(self, *, track: int | None = None) -> Iterator[Reader]:
        """Open the recording as it is, to read its frames once, as `emotone.audio.decoding.open_reader` does."""
        if isolated.is_plain(self._file):
            with open_reader(self._file, track=track) as reader:
                properties = {name: getattr(reader, name) for name in READER_PROPERTIES}
                yield _WatchedReader(properties, reader.chunks, self._watch)
            return
        with isolated.lent_child() as child:
            properties = child.open_frames(self._file, track=track, timeout_s=self._timeout_s())
            yield _WatchedReader(properties, functools.partial(self._frames, child, properties), self._watch)

    def _frames(self, child: isolated.Child, properties: dict[str, Any], start: int, size: int) -> Iterator[Waveform]:
        name, channels = properties["name"], properties["channels"]
        child.ask_for_frames(start, size, name=name)
        while (frames := child.next_frames(name=name, timeout_s=self._timeout_s())) is not None:
            yield frames.reshape(-1, channels)

    def _timeout_s(self) -> float:
        return min(BLOCK_TIMEOUT_S, self._left_s())


class _WatchedReader:
    """A `Reader` that calls ``watch`` before it hands on a block.

    Parameters
    ----------
    properties
        Those of a `Reader`.
    chunks
        Its method.
    """

    name: str
    sample_rate: int
    channels: int
    container: str
    codec: str
    lfe: tuple[int, ...]
    n_frames: int | None

    def __init__(
        self, properties: dict[str, Any], chunks: Callable[[int, int], Iterator[Waveform]], watch: Watch
    ) -> None:
        vars(self).update(properties)
        self._chunks, self._watch = chunks, watch
        self._total_s = None if self.n_frames is None else self.n_frames / self.sample_rate
        watch(0.0, self._total_s)

    def count(self) -> int:
        """Count the samples per channel by reading the recording."""
        return sum(len(block) for block in self.chunks(0, 30 * self.sample_rate))

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (about ``size``, channels) from sample ``start`` to the end."""
        n_frames = start
        for block in self._chunks(start, size):
            n_frames += len(block)
            self._watch(n_frames / self.sample_rate, self._total_s)
            yield block
