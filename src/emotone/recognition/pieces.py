"""The pieces of speech in a recording, each of a single speaker.

What the speakers are called is known when all pieces were read: a voice may return after an hour.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE
from emotone.recognition import diarization
from emotone.recognition.rttm import Turn
from emotone.recognition.voices import Projection, VoiceEncoder, encoder, projection
from emotone.recognition.windows import Envelope, RecentSamples, SpeechReader

Waveform = NDArray[np.float32]
Labels = NDArray[np.int64]

#: Sound that is held until its speakers are found apart.
_HELD_S = 600.0
#: Samples at which turns of RTTM are split, as speech that is detected.
_LONGEST = 30 * SAMPLE_RATE
#: A turn begins at the softest moment within this much of where the voice changes.
_AROUND_S, _FRAME_S = 0.3, 0.02


class Piece(NamedTuple):
    """Speech of a single speaker.

    Attributes
    ----------
    start
        Number of its first sample, from the start of the recording.
    samples
        (n,) float32 at 16 kHz.
    """

    start: int
    samples: Waveform


class Pieces(Protocol):
    """The pieces of a recording, which are read once."""

    def __iter__(self) -> Iterator[Piece]:
        """Yield the pieces; of a channel, in order of time."""

    def speakers(self) -> list[str | None]:
        """Return the speaker of each piece, after all were read; None if it is not known."""

    def overlaps(self) -> list[tuple[int, int]]:
        """Return first sample, and sample after the last, of sounds in which several people speak."""

    @property
    def n_samples(self) -> int:
        """Samples read so far."""

    @property
    def envelope(self) -> Envelope:
        """The peaks of what was read so far."""


class DetectedPieces:
    """Stretches of speech, all of the same speaker or of unknown ones; see `Pieces`.

    Parameters
    ----------
    reader
        Finds the speech.
    speaker
        Name of the only speaker.
    """

    def __init__(self, reader: SpeechReader, *, speaker: str | None = None) -> None:
        self._reader, self._speaker, self._n_pieces = reader, speaker, 0

    def __iter__(self) -> Iterator[Piece]:
        for start, samples in self._reader:
            self._n_pieces += 1
            yield Piece(start, samples)

    def speakers(self) -> list[str | None]:
        """Return the speaker of each piece."""
        return [self._speaker] * self._n_pieces

    def overlaps(self) -> list[tuple[int, int]]:
        """Return nothing: how many people speak is not known."""
        return []

    @property
    def n_samples(self) -> int:
        """Samples read so far."""
        return self._reader.n_samples

    @property
    def envelope(self) -> Envelope:
        """The peaks of what was read so far."""
        return self._reader.envelope


class FoundPieces(DetectedPieces):
    """Stretches of speech, cut where the voice changes; see `Pieces`.

    Parameters
    ----------
    reader
        Finds the speech.
    n_speakers
        Number of speakers; None: it is estimated.
    voices, directions
        Embed windows, and count speakers; by default, those of the package.
    check
        Called between the steps of the work on held sound, which can take a minute; an error that it raises ends it.
    """

    def __init__(
        self,
        reader: SpeechReader,
        *,
        n_speakers: int | None = None,
        voices: VoiceEncoder | None = None,
        directions: Projection | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(reader)
        self._n_speakers, self._check = n_speakers, check
        self._encoder = encoder() if voices is None else voices
        self._projection = projection() if directions is None else directions
        self._embeddings: list[NDArray[np.float32]] = []  # of each stretch, (w, e)
        self._times: list[Labels] = []  # of each stretch, the middle of each window in samples
        self._windows: list[tuple[int, int]] = []  # of each piece, its first window and the one after its last
        self._labels: list[Labels] = []  # of each part that was cut at once
        self._names: list[str | None] | None = None  # of each piece, once all are known

    def __iter__(self) -> Iterator[Piece]:
        held: list[Piece] = []
        for start, samples in self._reader:
            centre, embedding = self._encoder(samples)
            self._times.append(start + centre)
            self._embeddings.append(embedding.astype(np.float16))
            held.append(Piece(start, samples))
            if sum(len(piece.samples) for piece in held) >= _HELD_S * SAMPLE_RATE:
                yield from self._cut(held)
                held = []
        yield from self._cut(held)

    def speakers(self) -> list[str | None]:
        """Return the speaker of each piece, "speaker 1" being the first who speaks."""
        if self._names is not None or not self._windows:
            return self._names or []
        labels = self._labels[0] if len(self._labels) == 1 else self._labelled(0)
        main = [int(np.bincount(labels[first:last]).argmax()) for first, last in self._windows]
        order = {label: number for number, label in enumerate(dict.fromkeys(main), start=1)}
        self._names = [f"speaker {order[label]}" for label in main]
        return self._names

    def voices(self) -> dict[str, NDArray[np.float64]]:
        """Return the mean embedding (e,) of each speaker."""
        rows = np.concatenate(self._embeddings).astype(np.float64) if self._embeddings else np.zeros((0, 1))
        named: dict[str, list[NDArray[np.float64]]] = {}
        for (first, last), name in zip(self._windows, self.speakers(), strict=True):
            named.setdefault(str(name), []).append(rows[first:last])
        return {name: np.concatenate(parts).mean(axis=0) for name, parts in named.items()}

    def _labelled(self, first: int) -> Labels:
        """Return the label of each window of the stretches from this one on."""
        times, embeddings = self._times[first:], self._embeddings[first:]
        if not times:
            return np.zeros(0, np.int64)
        return diarization.labels_of(
            np.concatenate(embeddings),
            np.concatenate(times) / SAMPLE_RATE,
            np.repeat(np.arange(len(times)), [len(each) for each in times]),
            projection=self._projection,
            n_speakers=self._n_speakers,
            check=self._check,
        )

    def _cut(self, held: Sequence[Piece]) -> Iterator[Piece]:
        """Yield the pieces of the last stretches, and remember which windows each of them has."""
        first_stretch = len(self._times) - len(held)
        n_before = sum(len(each) for each in self._times[:first_stretch])
        labels = self._labelled(first_stretch)
        self._labels.append(labels)
        at = 0
        for stretch, centres in zip(held, self._times[first_stretch:], strict=True):
            own = _without_single(labels[at : at + len(centres)])
            changes = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), len(own)]
            edges = [0, *_cuts(stretch, centres, changes[1:-1]), len(stretch.samples)]
            for (first, last), (begin, end) in zip(pairwise(changes), pairwise(edges), strict=True):
                self._windows.append((n_before + at + first, n_before + at + last))
                self._n_pieces += 1
                self._check()
                yield Piece(stretch.start + begin, stretch.samples[begin:end])
            at += len(centres)


def _without_single(labels: Labels) -> Labels:
    """Return labels in which no window differs from two equal neighbours."""
    result = labels.copy()
    single = (labels[1:-1] != labels[:-2]) & (labels[:-2] == labels[2:])
    result[1:-1][single] = labels[:-2][single]
    return result


def _cuts(stretch: Piece, centres: NDArray[np.int64], changes: Sequence[int]) -> list[int]:
    """Return the softest sample of a stretch about each change of voice, in order, between its neighbours."""
    if not changes:
        return []
    around = round(_AROUND_S * SAMPLE_RATE)
    middles = [(int(centres[n - 1]) + int(centres[n])) // 2 - stretch.start for n in changes]
    halves = [0, *((middle + following) // 2 for middle, following in pairwise(middles)), len(stretch.samples)]
    return [
        _softest(stretch.samples, max(low, middle - around), min(high, middle + around), otherwise=middle)
        for middle, (low, high) in zip(middles, pairwise(halves), strict=True)
    ]


def _softest(samples: Waveform, begin: int, end: int, *, otherwise: int) -> int:
    frame = round(_FRAME_S * SAMPLE_RATE)
    begin = min(begin, max(0, len(samples) - frame))
    around = samples[begin:end]
    frames = around[: len(around) // frame * frame].reshape(-1, frame)
    return begin + frame * int((frames**2).sum(axis=1).argmin()) + frame // 2 if len(frames) else otherwise


class TurnPieces:
    """The turns that an RTTM file names, without what several people say at once; see `Pieces`."""

    def __init__(self, blocks: Iterable[Waveform], turns: Sequence[Turn]) -> None:
        self._blocks = blocks
        self._turns, self._overlaps = _apart(turns)
        self._kept, self.envelope = RecentSamples(), Envelope()
        self._names: list[str | None] = []

    def __iter__(self) -> Iterator[Piece]:
        waiting = self._turns[::-1]
        for block in self._blocks:
            self.envelope.push(block)
            self._kept.append(block)
            while waiting and min(waiting[-1][1], waiting[-1][0] + _LONGEST) <= self.n_samples:
                first, last, name = waiting.pop()
                if last - first > _LONGEST:
                    waiting.append((first + _LONGEST, last, name))
                yield self._piece(first, min(last, first + _LONGEST), name)
            self._kept.drop_before(min(waiting[-1][0], self.n_samples) if waiting else self.n_samples)
        for first, last, name in waiting[::-1]:
            if first < self.n_samples:
                yield self._piece(first, min(last, self.n_samples), name)

    def _piece(self, first: int, last: int, name: str) -> Piece:
        self._names.append(name)
        return Piece(first, self._kept.between(first, last))

    def speakers(self) -> list[str | None]:
        """Return the speaker of each piece."""
        return self._names

    def overlaps(self) -> list[tuple[int, int]]:
        """Return first sample, and sample after the last, of what several people say at once."""
        return [(first, min(last, self.n_samples)) for first, last in self._overlaps if first < self.n_samples]

    @property
    def n_samples(self) -> int:
        """Samples read so far."""
        return self._kept.end


def _apart(turns: Sequence[Turn]) -> tuple[list[tuple[int, int, str]], list[tuple[int, int]]]:
    """Return the parts of turns in which a single person speaks, and the others, in samples and in order of time."""
    edges: dict[int, list[tuple[str, int]]] = {}
    for turn in turns:
        edges.setdefault(round(turn.start_s * SAMPLE_RATE), []).append((turn.speaker, 1))
        edges.setdefault(round(turn.end_s * SAMPLE_RATE), []).append((turn.speaker, -1))
    alone: list[tuple[int, int, str]] = []
    together: list[tuple[int, int]] = []
    n_open: dict[str, int] = {}
    for first, last in pairwise(sorted(edges)):
        for name, change in edges[first]:
            n_open[name] = n_open.get(name, 0) + change
            if not n_open[name]:
                del n_open[name]
        if len(n_open) > 1:
            begin = together.pop()[0] if together and together[-1][1] == first else first
            together.append((begin, last))
        elif n_open:
            (name,) = n_open
            is_same = alone and alone[-1][1:] == (first, name)
            alone.append((alone.pop()[0] if is_same else first, last, name))
    return alone, together
