"""The pieces of speech in a recording with a speaker on each channel, as call centres keep calls."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE
from emotone.recognition.pieces import Piece
from emotone.recognition.windows import Envelope, SpeechReader

Waveform = NDArray[np.float32]

#: Frames a second in which channels are compared, and over how many their levels are smoothed.
_FRAMES_PER_S, _SMOOTH_FRAMES = 100, 15
#: A channel is silenced where it is this much further below its own speech than another channel, in dB.
_BELOW_DB = 10.0
#: The level of a channel's speech is taken to be at most this much below that of the loudest, in dB: until its speaker
#: speaks, a channel holds crosstalk only.
_RANGE_DB = 6.0
#: Share of the frames so far that are softer than speech.
_SPEECH_SHARE = 0.9
_FLOOR_DB, _LOUDEST_DB = -120, 60
#: Shorter overlaps of two speakers are not reported.
_SHORTEST_OVERLAP_S = 0.1


class ChannelPieces:
    """Stretches of speech on several channels; see `emotone.recognition.pieces.Pieces`.

    What a channel picks up of another one is silenced, so that every channel has its speaker only.  Several may
    speak at once; each is predicted from their own channel.

    Parameters
    ----------
    channels
        The blocks of each channel, (n,) float32 at 16 kHz, equally long.
    readers
        A reader without blocks for each channel.
    names
        The name of each channel's speaker.
    """

    def __init__(
        self, channels: Sequence[Iterable[Waveform]], readers: Sequence[SpeechReader], names: Sequence[str]
    ) -> None:
        self._channels, self._readers, self._names = channels, readers, names
        self._crosstalk = Crosstalk(len(channels))
        self._found: list[tuple[int, int, int]] = []  # first sample, the one after the last, and channel of each piece
        self.envelope = Envelope()

    def __iter__(self) -> Iterator[Piece]:
        nothing = np.zeros(0, np.float32)
        for blocks in zip_longest(*self._channels, fillvalue=nothing):
            length = max(len(block) for block in blocks)
            together = np.array([np.pad(block, (0, length - len(block))) for block in blocks])
            self.envelope.push(together[np.abs(together).max(axis=1).argmax()])
            for number, samples in enumerate(self._crosstalk.removed(together)):
                yield from self._pieces(number, self._readers[number].push(samples))
        for number, reader in enumerate(self._readers):
            yield from self._pieces(number, reader.finish())

    def _pieces(self, number: int, stretches: Iterable[tuple[int, Waveform]]) -> Iterator[Piece]:
        for start, samples in stretches:
            self._found.append((start, start + len(samples), number))
            yield Piece(start, samples)

    def speakers(self) -> list[str | None]:
        """Return the speaker of each piece."""
        return [self._names[number] for _, _, number in self._found]

    def overlaps(self) -> list[tuple[int, int]]:
        """Return first sample, and sample after the last, of what several people say at once."""
        changes = sorted(
            edge for first, last, _ in self._found for edge in ((first, 1), (last, -1))
        )  # the pieces of a channel do not overlap
        shared: list[tuple[int, int]] = []
        n_open = 0
        for (at, change), (following, _) in pairwise(changes):
            n_open += change
            if n_open > 1 and following > at:
                begin = shared.pop()[0] if shared and shared[-1][1] == at else at
                shared.append((begin, following))
        return [pair for pair in shared if pair[1] - pair[0] >= _SHORTEST_OVERLAP_S * SAMPLE_RATE]

    @property
    def n_samples(self) -> int:
        """Samples read so far."""
        return self._readers[0].n_samples


class Crosstalk:
    """Silence what a channel picks up of another.

    A channel is silenced where another channel is much closer to the level of its speech.

    Parameters
    ----------
    n_channels
        Number of channels.
    rate
        Sample rate of the blocks, Hz.
    """

    def __init__(self, n_channels: int, *, rate: int = SAMPLE_RATE) -> None:
        self._frame = max(1, rate // _FRAMES_PER_S)
        self._counts = np.zeros((n_channels, _LOUDEST_DB - _FLOOR_DB + 1))  # frames of each level, a decibel each

    def removed(self, blocks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the next blocks (channels, n) with silence for crosstalk."""
        n = blocks.shape[1]
        n_frames = -(-n // self._frame)
        padded = np.pad(blocks, ((0, 0), (0, n_frames * self._frame - n + 1)), mode="edge")
        steps = np.diff(padded, axis=1).reshape(len(blocks), n_frames, self._frame)  # without offset and hum
        energy = np.einsum("cfs,cfs->cf", steps, steps, dtype=np.float64)
        kernel = np.ones(min(_SMOOTH_FRAMES, n_frames)) / min(_SMOOTH_FRAMES, n_frames)
        energy = np.array([np.convolve(row, kernel, mode="same") for row in energy])
        level = np.maximum(10 * np.log10(np.maximum(energy, 1e-12)), _FLOOR_DB)
        relative = level - self._speech_levels(level)[:, None]
        is_crosstalk = relative < relative.max(axis=0) - _BELOW_DB
        gain = np.repeat(~is_crosstalk, self._frame, axis=1)[:, :n]
        return np.asarray(blocks * gain, np.float32)

    def _speech_levels(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the level of speech on each channel so far, (channels,) in dB."""
        for counts, row in zip(self._counts, level, strict=True):
            bins = np.clip(row.round().astype(np.int64), _FLOOR_DB, _LOUDEST_DB) - _FLOOR_DB
            counts += np.bincount(bins, minlength=len(counts))
        total = self._counts.sum(axis=1, keepdims=True)
        own = _FLOOR_DB + (self._counts.cumsum(axis=1) >= _SPEECH_SHARE * total).argmax(axis=1)
        return np.asarray(np.maximum(own, own.max() - _RANGE_DB), np.float64)
