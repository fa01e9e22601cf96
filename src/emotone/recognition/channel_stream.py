"""Predict emotion in live sound with a speaker on each channel, as telephone systems send calls."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.audio.resampling import ChunkReader
from emotone.errors import AudioError, EmotoneError
from emotone.recognition.channel_pieces import Crosstalk
from emotone.recognition.speaker_names import names_of_channels
from emotone.recognition.stream import Event, Stream

#: Sound is processed in blocks of this length, in which channels can be compared, seconds.
_BLOCK_S = 0.15


class ChannelStream:
    """Turn chunks of sound into events of a speaker on each channel.

    What a channel picks up of another one is silenced.  Each speaker is adapted to separately.

    Parameters
    ----------
    new_stream
        Returns the stream of a channel.
    rate
        Sample rate of the chunks, Hz.
    channels
        Number of channels, 2 to 20.

    Raises
    ------
    ConfigError
        The number of channels is out of range.
    """

    def __init__(self, new_stream: Callable[[], Stream], *, rate: int, channels: int) -> None:
        self._names = names_of_channels(channels)
        self._streams = [new_stream() for _ in self._names]
        self._crosstalk = Crosstalk(channels, rate=rate)
        self._chunks = ChunkReader(channels)
        self._size = max(1, round(_BLOCK_S * rate))
        self._finished = False
        self._waiting = np.zeros((0, channels), np.float32)

    @property
    def streams(self) -> dict[str, Stream]:
        """Name of the speaker -> the stream of their channel, with their profile."""
        return dict(zip(self._names, self._streams, strict=True))

    @property
    def time_s(self) -> float:
        """Seconds of the stream that were processed."""
        return min(stream.time_s for stream in self._streams)

    def push(self, chunk: bytes | bytearray | memoryview | NDArray[Any]) -> list[Event]:
        """Process the next chunk, see `Stream.push`, and return the events of all speakers in order of time.

        Raises
        ------
        AudioError
            The chunk has the wrong type, shape or number of channels, or the stream is finished.
        BundleError
            The model fails.  The stream is then finished.
        """
        if self._finished:
            raise AudioError("the stream is finished and accepts no more sound; start a new stream")
        self._waiting = np.concatenate([self._waiting, self._chunks.read(chunk)])
        whole = len(self._waiting) - len(self._waiting) % self._size
        block, self._waiting = self._waiting[:whole], self._waiting[whole:].copy()
        try:
            return self._pushed(block) if whole else []
        except EmotoneError:
            self._finished = True  # the channels after the one that failed lack this block
            raise

    def finish(self) -> list[Event]:
        """End the stream and any current utterances.  A second call returns no events."""
        self._finished = True
        events = self._pushed(self._waiting) if len(self._waiting) else []
        self._waiting = self._waiting[:0]
        ends = [self._named(name, event) for name, stream in self.streams.items() for event in stream.finish()]
        return [*events, *sorted(ends, key=lambda event: event.time_s)]

    def _pushed(self, block: NDArray[np.float32]) -> list[Event]:
        cleaned = self._crosstalk.removed(np.ascontiguousarray(block.T))
        events = [
            self._named(name, event)
            for (name, stream), samples in zip(self.streams.items(), cleaned, strict=True)
            for event in stream.push(samples)
        ]
        return sorted(events, key=lambda event: event.time_s)

    def _named(self, name: str, event: Event) -> Event:
        prediction = None if event.prediction is None else replace(event.prediction, speaker=name)
        return replace(event, prediction=prediction, speaker=name)
