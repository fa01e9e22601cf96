"""Speech in a recording, and windows of it, in bounded memory."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from emotone.audio import SAMPLE_RATE
from emotone.audio.speech_detector import Edge, SpeechDetector

Waveform = npt.NDArray[np.float32]

#: From this length on, in seconds, a recording is predicted in windows, each about as long as the clips that models are
#: trained on.
WINDOWED_FROM_S = 6.0
#: Length of a window, and seconds from one to the next; benchmarks/real_recordings.py compares others.
WINDOW_S, HOP_S = 3.0, 1.5
_WINDOW, _HOP = round(WINDOW_S * SAMPLE_RATE), round(HOP_S * SAMPLE_RATE)
#: Each value of the envelope is the peak of this many seconds.
ENVELOPE_STEP_S = 0.05
_ENVELOPE_STEP = round(ENVELOPE_STEP_S * SAMPLE_RATE)


def cut(samples: Waveform) -> Iterator[Waveform]:
    """Yield windows of a recording, all equally long, from its first sample to its last.

    Examples
    --------
    >>> [len(window) / 16_000 for window in cut(np.zeros(112_000, np.float32))]
    [3.0, 3.0, 3.0, 3.0]
    """
    n_hops = max(0, -(-(len(samples) - _WINDOW) // _HOP))
    for n in range(n_hops + 1):
        begin = round(n * (len(samples) - _WINDOW) / n_hops) if n_hops else 0
        yield samples[begin : begin + _WINDOW]


def cut_stream(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Yield windows of a recording that is read in blocks; the last one ends with the recording."""
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        n_windows = max(0, (len(held) - _WINDOW) // _HOP)
        for n in range(n_windows):
            yield held[n * _HOP : n * _HOP + _WINDOW]
        held = held[n_windows * _HOP :].copy()
    yield from cut(held)


class SpeechReader:
    """Yield each stretch of speech, its first sample and its samples, as the blocks are read.

    Parameters
    ----------
    blocks
        The recording in pieces, (n,) float32 at 16 kHz.
    detector
        A new speech detector.

    Attributes
    ----------
    n_samples
        Samples read so far.
    """

    def __init__(self, blocks: Iterable[Waveform], detector: SpeechDetector) -> None:
        self.blocks, self.detector = blocks, detector
        self.n_samples = 0
        self._kept = RecentSamples()
        self._start: int | None = None
        self._peaks: list[Waveform] = []
        self._rest = np.zeros(0, np.float32)  # magnitudes, less than a step of the envelope

    def __iter__(self) -> Iterator[tuple[int, Waveform]]:
        margin = round(self.detector.lookback_s * SAMPLE_RATE)
        for block in self.blocks:
            self.n_samples += len(block)
            self._add_peaks(block)
            self._kept.append(block)
            yield from self._speech(self.detector.push(block))
            self._kept.drop_before(self._start if self._start is not None else self.n_samples - margin)
        yield from self._speech(self.detector.finish())

    def _speech(self, edges: Iterable[Edge]) -> Iterator[tuple[int, Waveform]]:
        for edge in edges:
            if edge.kind == "start":
                self._start = edge.sample
            elif self._start is not None:
                yield self._start, self._kept.between(self._start, edge.sample)
                self._start = None

    def _add_peaks(self, block: Waveform) -> None:
        magnitudes = np.abs(np.concatenate([self._rest, block]))
        whole = len(magnitudes) - len(magnitudes) % _ENVELOPE_STEP
        self._peaks.append(magnitudes[:whole].reshape(-1, _ENVELOPE_STEP).max(axis=1))
        self._rest = magnitudes[whole:]

    def envelope(self) -> Waveform:
        """Return the peak of each `ENVELOPE_STEP_S` read so far."""
        last = [self._rest.max(keepdims=True)] if len(self._rest) else []
        return np.concatenate([*self._peaks, *last, np.zeros(0, np.float32)])


class RecentSamples:
    """The last samples of a stream, addressed by their number from the start of the stream."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._first = 0

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def end(self) -> int:
        """The number of the next sample."""
        return self._first + len(self._samples)

    def append(self, samples: Waveform) -> None:
        """Add samples (n,) at the end."""
        self._samples = np.concatenate([self._samples, samples])

    def between(self, start: int, stop: int) -> Waveform:
        """Return the samples from ``start`` to before ``stop``."""
        return self._samples[start - self._first : stop - self._first]

    def drop_before(self, start: int) -> None:
        """Free the memory of all samples before ``start``."""
        if start > self._first:
            self._samples = self._samples[start - self._first :].copy()
            self._first = start
