"""Speech in a recording, and windows of it, in bounded memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from emotone.audio import MIN_SAMPLES, SAMPLE_RATE, SILENT_PEAK, Recording, check_sound
from emotone.audio.resampling import peak_of
from emotone.audio.speech_bounds import islands
from emotone.audio.speech_detector import Edge, SpeechDetector
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition.prediction import SPEECH_THRESHOLD

Waveform = npt.NDArray[np.float32]

#: From this length on, in seconds, a recording is predicted in parts, each about as long as the clips that models are
#: trained on.
WINDOWED_FROM_S = 4.0
#: Longer utterances are cut into windows of this length, and seconds from one window to the next.
#: benchmarks/real_recordings.py compares others; chosen on SAVEE by models that never met it.
LONGEST_S, WINDOW_S, HOP_S = 4.0, 3.0, 1.5
#: Utterances are separated by this much silence.  Shorter ones than a second are joined up to five seconds; what is
#: then still shorter than 0.7 s may be left out.
PAUSE_S, SHORTEST_S, _JOINED_S, _JOINED_PAUSE_S, _LEFT_OUT_S = 0.3, 1.0, 5.0, 1.0, 0.7
#: Pauses at which a timeline may change, seconds; chosen on conversations of ASED by models that never met it.
_SHORT_PAUSE_S = 0.2
_WINDOW, _HOP = round(WINDOW_S * SAMPLE_RATE), round(HOP_S * SAMPLE_RATE)
#: Samples of a stream that are split at once, and the least.
_MOST, _LEAST = 30 * SAMPLE_RATE, 15 * SAMPLE_RATE
_HEAD_S = 30.0
#: Samples of a block: after each, progress is reported, and a service lets other requests go first.  A recording of one
#: block is a single utterance, if no more than `WINDOWED_FROM_S` of it are sound.
_BLOCK = 5 * SAMPLE_RATE
#: Least probability of speech in a part of a recording that as a whole has none: a sneeze reaches 0.81, words 0.98.
_HIDDEN_SPEECH = 0.9
#: Each value of the envelope is the peak of this many seconds.
ENVELOPE_STEP_S = 0.05
_ENVELOPE_STEP = round(ENVELOPE_STEP_S * SAMPLE_RATE)


def cut(samples: Waveform) -> Iterator[Waveform]:
    """Yield windows of an utterance, all equally long, from its first sample to its last.

    Examples
    --------
    >>> [len(window) / 16_000 for window in cut(np.zeros(112_000, np.float32))]
    [3.0, 3.0, 3.0, 3.0]
    """
    n_hops = max(0, -(-(len(samples) - _WINDOW) // _HOP))
    for n in range(n_hops + 1):
        begin = round(n * (len(samples) - _WINDOW) / n_hops) if n_hops else 0
        yield samples[begin : begin + _WINDOW]


def parts(samples: Waveform) -> Iterator[Waveform]:
    """Yield the utterances of a recording: sound between pauses, as whole ones of up to `LONGEST_S`, or as windows.

    Sounds of under 0.7 s are left out if most of the recording is in longer ones: a model knows little from them.
    """
    utterances = _utterances(samples)
    long = [(begin, end) for begin, end in utterances if end - begin >= _LEFT_OUT_S * SAMPLE_RATE]
    if 2 * _total(long) > _total(utterances):
        utterances = long
    for begin, end in utterances:
        is_whole = end - begin <= LONGEST_S * SAMPLE_RATE
        yield from [samples[begin:end]] if is_whole else cut(samples[begin:end])


def pauses(samples: Waveform) -> list[int]:
    """Return the sample in the middle of each pause between utterances.

    Examples
    --------
    >>> word = np.sin(np.arange(24_000) / 8).astype(np.float32)
    >>> pauses(np.concatenate([word, np.zeros(8_000, np.float32), word]))
    [28000]
    """
    utterances = _utterances(samples, pause_s=_SHORT_PAUSE_S)
    return [(last + begin) // 2 for (_, last), (begin, _) in itertools.pairwise(utterances)]


def _utterances(samples: Waveform, *, pause_s: float = PAUSE_S) -> list[tuple[int, int]]:
    """Return first sample and sample after the last of sounds between pauses; short sounds are joined if near."""
    utterances: list[tuple[int, int]] = []
    for begin, end in islands(samples, gap_s=pause_s):
        first, last = utterances[-1] if utterances else (begin, begin)
        is_short = min(last - first, end - begin) < SHORTEST_S * SAMPLE_RATE
        is_near = begin - last < _JOINED_PAUSE_S * SAMPLE_RATE and end - first <= _JOINED_S * SAMPLE_RATE
        if utterances and is_short and is_near:
            utterances[-1] = first, end
        else:
            utterances.append((begin, end))
    return utterances


def _total(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(end - begin for begin, end in ranges)


def parts_of_stream(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Yield the utterances of a recording that is read in blocks, in bounded memory."""
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= _MOST:
            sounds = islands(held[:_MOST], gap_s=PAUSE_S)
            # The last sound may go on: it is kept, unless there is no pause before it.
            at = sounds[-1][0] if len(sounds) > 1 and sounds[-1][0] >= _LEAST else _MOST
            yield from parts(held[:at])
            held = held[at:].copy()
    if len(held):
        yield from parts(held)


def utterances(
    recording: Recording, preprocessing: Preprocessing, progress: Progress | None = None
) -> Iterator[tuple[Waveform, float]]:
    """Yield what a model predicts of a recording: all of a short one, or the utterances of a longer one.

    Yields
    ------
    Preprocessed samples (n,), and the seconds of sound in them, which are their weight.

    Raises
    ------
    AudioError
        The recording is too short; `SilenceError` if all of it is silent.
    """
    whole = None
    blocks = blocks_with_progress(recording, progress)
    head = next(blocks)
    following = next(blocks, None)
    if following is None:
        whole = preprocessing.apply(check_sound(head, recording.name))
        is_short = len(whole) <= WINDOWED_FROM_S * SAMPLE_RATE
        pieces: Iterable[Waveform] = [whole] if is_short else parts(head)
    else:
        pieces = parts_of_stream(itertools.chain([head, following], blocks))
    is_silent = True
    for part in pieces:
        if len(part) >= MIN_SAMPLES and peak_of(part) >= SILENT_PEAK:
            is_silent = False
            sound = part if part is whole else preprocessing.apply(part)
            yield sound, len(sound) / SAMPLE_RATE
            if following is not None:
                _report(recording, progress)
    if is_silent:
        check_sound(np.zeros(MIN_SAMPLES, np.float32), recording.name)


def mean_answer(
    recording: Recording,
    preprocessing: Preprocessing,
    answer: Callable[[Waveform], tuple[Waveform, float]],
    *,
    progress: Progress | None = None,
) -> tuple[Waveform, float, int]:
    """Return the mean scores (k,) and probability of speech of a recording, and the number of its utterances.

    If any utterances are speech, only those count.  A tone or signal right before speech can hide it from a model: what
    the speech detector finds in a short recording without speech is answered once more.

    Parameters
    ----------
    recording, preprocessing, progress
        As in `utterances`.
    answer
        Function from preprocessed samples (n,) to scores (k,) and probability of speech.
    """
    answers = []
    for sound, seconds in utterances(recording, preprocessing, progress):
        answers.append((*answer(sound), seconds))
    counted = [part for part in answers if part[1] >= SPEECH_THRESHOLD]
    if not counted and len(answers) == 1:
        spoken = [preprocessing.apply(part) for _, part in SpeechReader([sound], SpeechDetector())]
        again = [(*answer(part), len(part) / SAMPLE_RATE) for part in spoken if len(part) >= MIN_SAMPLES]
        counted = [part for part in again if part[1] >= _HIDDEN_SPEECH]
    scores, speech, weights = zip(*(counted or answers), strict=True)
    if len(scores) == 1:
        return scores[0], speech[0], len(answers)
    mean = np.asarray(np.average(scores, axis=0, weights=weights), np.float32)
    return mean, float(np.average(speech, weights=weights)), len(answers)


def blocks_with_progress(recording: Recording, progress: Progress | None) -> Iterator[Waveform]:
    """Yield blocks of a recording, and report the seconds that are done, if the header says how many there are."""
    for block in recording.blocks(_HEAD_S):
        for begin in range(0, len(block), _BLOCK):
            part = block[begin : begin + _BLOCK]
            yield part
            _report(recording, progress, n_left=len(block) - begin - len(part))


def _report(recording: Recording, progress: Progress | None, *, n_left: int = 0) -> None:
    if progress is not None:
        done_s, total_s = round((recording.n_samples - n_left) / SAMPLE_RATE), recording.duration_s
        total = done_s if total_s is None else max(1, round(total_s))
        progress(min(done_s, total), total, "listening")


class SpeechReader:
    """Yield each stretch of speech, its first sample and its samples, as the blocks are read.

    Parameters
    ----------
    blocks
        The recording in pieces, (n,) float32 at 16 kHz.  Without blocks, `push` takes them one by one.
    detector
        A new speech detector.

    Attributes
    ----------
    envelope
        The peaks of what was read so far.
    """

    def __init__(self, blocks: Iterable[Waveform], detector: SpeechDetector) -> None:
        self.blocks, self.detector = blocks, detector
        self.envelope = Envelope()
        self._kept = RecentSamples()
        self._start: int | None = None

    @property
    def n_samples(self) -> int:
        """Samples read so far."""
        return self._kept.end

    def __iter__(self) -> Iterator[tuple[int, Waveform]]:
        for block in self.blocks:
            yield from self.push(block)
        yield from self.finish()

    def push(self, block: Waveform) -> Iterator[tuple[int, Waveform]]:
        """Yield the stretches that end in the next block, (n,)."""
        self.envelope.push(block)
        self._kept.append(block)
        yield from self._speech(self.detector.push(block))
        margin = round(self.detector.lookback_s * SAMPLE_RATE)
        self._kept.drop_before(self._start if self._start is not None else self.n_samples - margin)

    def finish(self) -> Iterator[tuple[int, Waveform]]:
        """Yield the stretch that ends with the recording, if there is one."""
        yield from self._speech(self.detector.finish())

    def _speech(self, edges: Iterable[Edge]) -> Iterator[tuple[int, Waveform]]:
        for edge in edges:
            if edge.kind == "start":
                self._start = edge.sample
            elif self._start is not None:
                yield self._start, self._kept.between(self._start, edge.sample)
                self._start = None


class Envelope:
    """The peak of each `ENVELOPE_STEP_S` of a recording."""

    def __init__(self) -> None:
        self._peaks: list[Waveform] = []
        self._rest = np.zeros(0, np.float32)  # magnitudes, less than a step

    def push(self, block: Waveform) -> None:
        """Add the next block (n,)."""
        magnitudes = np.abs(np.concatenate([self._rest, block]))
        whole = len(magnitudes) - len(magnitudes) % _ENVELOPE_STEP
        self._peaks.append(magnitudes[:whole].reshape(-1, _ENVELOPE_STEP).max(axis=1))
        self._rest = magnitudes[whole:]

    def values(self) -> Waveform:
        """Return the peaks (m,) so far."""
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
