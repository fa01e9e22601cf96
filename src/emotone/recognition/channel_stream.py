"""Predict emotion in live sound with a speaker on each channel, as telephone systems send calls."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import AudioError
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
    AudioError
        The number of channels is out of range.
    """

    def __init__(self, new_stream: Callable[[], Stream], *, rate: int, channels: int) -> None:
        self._names = names_of_channels(channels)
        self._streams = [new_stream() for _ in self._names]
        self._crosstalk = Crosstalk(channels)
        self._size = max(1, round(_BLOCK_S * rate))
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
        """
        self._waiting = np.concatenate([self._waiting, self._as_array(chunk)])
        whole = len(self._waiting) - len(self._waiting) % self._size
        block, self._waiting = self._waiting[:whole], self._waiting[whole:].copy()
        return self._pushed(block) if whole else []

    def finish(self) -> list[Event]:
        """End the stream and any current utterances.  A second call returns no events."""
        events = self._pushed(self._waiting) if len(self._waiting) else []
        self._waiting = self._waiting[:0]
        ends = [self._named(name, event) for name, stream in self.streams.items() for event in stream.finish()]
        return [*events, *sorted(ends, key=lambda event: event.time_s)]

    def _as_array(self, chunk: bytes | bytearray | memoryview | NDArray[Any]) -> NDArray[np.float32]:
        """Return samples (n, channels) in [-1, 1]."""
        n_channels = len(self._names)
        if isinstance(chunk, np.ndarray):
            samples = chunk
        else:
            content = bytes(chunk)
            if len(content) % (2 * n_channels):
                raise AudioError(
                    f"a chunk has {len(content)} bytes; expected whole samples of 16 bits on {n_channels} channels"
                )
            samples = np.frombuffer(content, "<i2").astype(np.int16).reshape(-1, n_channels)
        if samples.ndim != 2 or samples.shape[1] != n_channels:
            raise AudioError(f"a chunk has the shape {samples.shape}; expected (n, {n_channels}), a column a channel")
        if samples.dtype == np.int16:
            return (samples / np.float32(32768)).astype(np.float32)
        if samples.dtype.kind != "f":
            raise AudioError(f"a chunk is {samples.dtype}; expected floating point in [-1, 1] or int16")
        return samples.astype(np.float32)

    def _pushed(self, block: NDArray[np.float32]) -> list[Event]:
        if not np.isfinite(block).all():
            raise AudioError("a chunk has a value that is not finite; expected numbers in [-1, 1]")
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
