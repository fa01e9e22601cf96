"""A recording of unknown origin that is decoded while it is read, so that hours of it need little memory."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from emotone.audio import isolated
from emotone.audio.channels import Channel
from emotone.audio.decoding import open_reader
from emotone.audio.isolated_child import READER_PROPERTIES
from emotone.audio.reader import Waveform
from emotone.audio.reading import Recording
from emotone.audio.sources import DecodedElsewhere

#: Most seconds for a block, which is up to 30 s of sound.
BLOCK_TIMEOUT_S = 60.0

#: Called with the seconds that are decoded, and the seconds of the whole by the header, None if it does not say.
Watch = Callable[[float, float | None], None]


class IsolatedSource(DecodedElsewhere):
    """The bytes of a file, for a recogniser; a crash of the decoder is an `AudioError`.

    Plain WAV and FLAC are decoded here, everything else in a child process (see `emotone.audio.isolated`).  In memory
    are the bytes, here and in the child, and about 30 s of sound.

    Parameters
    ----------
    data
        The content of the file.
    watch
        Called when the recording is opened and before each block is handed on; an error that it raises ends the
        reading.
    left_s
        Returns how many seconds are left for the recording.
    """

    def __init__(
        self,
        data: bytes,
        *,
        watch: Watch = lambda *_: None,
        left_s: Callable[[], float] = lambda: BLOCK_TIMEOUT_S,
    ) -> None:
        self._data, self._watch, self._left_s = data, watch, left_s

    @contextmanager
    def open(self, *, channel: Channel = "mix", track: int | None = None) -> Iterator[Recording]:
        """Open the recording for reading once, as `emotone.audio.open_recording` does; it can be opened again."""
        if isolated.is_plain(self._data):
            with open_reader(self._data, track=track) as reader:
                properties = {name: getattr(reader, name) for name in READER_PROPERTIES}
                yield Recording(_WatchedReader(properties, reader.chunks, self._watch), 0, None, channel)
            return
        with isolated.lent_child() as child:
            properties = child.open_frames(self._data, track=track, timeout_s=self._timeout_s())
            chunks = functools.partial(self._frames, child, properties)
            yield Recording(_WatchedReader(properties, chunks, self._watch), 0, None, channel)

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
