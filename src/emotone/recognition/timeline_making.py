"""Make a timeline: predict the pieces of speech in a recording, adapt the answers, and join them to segments.

Each piece is predicted in overlapping windows; the probabilities of the windows that cover a moment are averaged, and
neighbouring moments with the same label form a segment.  Memory does not grow with the recording, except for what the
model says of each window.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES, SAMPLE_RATE
from emotone.recognition.model import Outputs
from emotone.recognition.pieces import Piece, Pieces
from emotone.recognition.prediction import NOT_ADAPTED, Prediction
from emotone.recognition.recording_adaptation import AdaptedPieces, spoken
from emotone.recognition.speakers import summaries
from emotone.recognition.timeline import Timeline, TimelineSettings
from emotone.recognition.windows import pauses

Waveform = NDArray[np.float32]
#: Samples (n,) at 16 kHz -> what the model says; None if they are too soft for a prediction.
Answer = Callable[[Waveform], Outputs | None]
_NO_EMBEDDING = np.zeros(0, np.float32)


#: The outputs for the windows of each piece, and its speaker -> the same after adaptation.
Adapt = Callable[[Sequence[Sequence[Outputs]], Sequence[str | None]], AdaptedPieces]


@dataclass
class _Span:
    """A piece of speech: first sample, length, and first and last sample of each window with the model's outputs."""

    start: int
    n_samples: int
    windows: list[tuple[int, int, Outputs]]

    @property
    def outputs(self) -> list[Outputs]:
        return [outputs for _, _, outputs in self.windows]

    def with_outputs(self, outputs: Sequence[Outputs]) -> "_Span":
        windows = [(first, last, each) for (first, last, _), each in zip(self.windows, outputs, strict=True)]
        return replace(self, windows=windows)

    def counted_s(self, every: int) -> float:
        """Seconds of the windows that count in a profile; what two of them share counts once."""
        counted = [(first, last) for first, last, outputs in self.windows[::every] if spoken([outputs])]
        ends = [0, *(last for _, last in counted)]
        return sum(last - max(first, end) for (first, last), end in zip(counted, ends, strict=False)) / SAMPLE_RATE


def make_timeline(
    pieces: Pieces,
    answer: Answer,
    *,
    emotions: Sequence[str],
    threshold: float,
    checks_speech: bool,
    adapt: Adapt | None = None,
    choose: Callable[[Outputs], Outputs] = lambda outputs: outputs,
    settings: TimelineSettings,
) -> Timeline:
    """Read the pieces of a recording and predict its segments.

    Parameters
    ----------
    pieces
        The speech of the recording.
    answer
        The model.
    emotions
        k names of the scores.
    threshold
        Below this confidence, a segment is unsure.
    checks_speech
        Whether the model predicts the probability of speech.
    adapt
        Called once, at the end of the recording.
    choose
        Restricts the scores to ``emotions``, after adaptation.
    settings
        The windows.
    """
    spans, n_spans = [], []
    for piece in pieces:
        own = list(_spans(piece, answer, settings, keeps_embedding=adapt is not None))
        spans += own
        n_spans.append(len(own))
    speakers = [name for name, n in zip(pieces.speakers(), n_spans, strict=True) for _ in range(n)]
    counts: list[Mapping[str, int]] = [NOT_ADAPTED] * len(spans)
    learnt: frozenset[str] = frozenset()
    if adapt is not None:
        outputs, counts, learnt = adapt([span.outputs for span in spans], speakers)
        spans = [span.with_outputs(own) for span, own in zip(spans, outputs, strict=True)]
    segments: list[Prediction] = []
    for number in sorted(range(len(spans)), key=lambda number: spans[number].start):
        span = spans[number]
        for begin, end, scores, speech in _moments(span.n_samples, span.windows, settings, choose):
            moment = Prediction.from_scores(
                emotions,
                scores,
                start_s=(span.start + begin) / SAMPLE_RATE,
                end_s=(span.start + end) / SAMPLE_RATE,
                speech=speech if checks_speech else None,
                threshold=threshold,
            )
            moment = replace(moment, speaker=speakers[number], adapted=counts[number])
            if segments and _continues(segments[-1], moment):
                segments[-1] = _joined(segments[-1], moment)
            else:
                segments.append(moment)
    duration_s = pieces.n_samples / SAMPLE_RATE
    return Timeline(
        tuple(sorted(segments, key=lambda segment: (segment.start_s, segment.end_s))),
        duration_s,
        tuple(emotions),
        pieces.envelope.values(),
        adapted={kind: max((count[kind] for count in counts), default=0) for kind in NOT_ADAPTED},
        speakers=summaries(
            segments, duration_s=duration_s, adapted_s=_adapted_s(spans, speakers, learnt, every=settings.every)
        ),
        overlaps=tuple((first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in pieces.overlaps()),
    )


def _spans(piece: Piece, answer: Answer, settings: TimelineSettings, *, keeps_embedding: bool) -> Iterator[_Span]:
    """Yield the utterances of a piece: an emotion changes between them rather than within.

    A pause belongs to both of its neighbours, half and half.
    """
    edges = [0, *pauses(piece.samples), len(piece.samples)]
    for begin, end in pairwise(edges):
        windows = list(_windows(piece.samples[begin:end], answer, settings))
        if not keeps_embedding:
            windows = [(first, last, each._replace(embedding=_NO_EMBEDDING)) for first, last, each in windows]
        yield _Span(piece.start + begin, end - begin, windows)


def _adapted_s(
    spans: Sequence[_Span], speakers: Sequence[str | None], learnt: frozenset[str], *, every: int
) -> dict[str, float]:
    """Return speaker -> seconds of the recording that their answers are adapted to."""
    seconds: dict[str, float] = {}
    for span, speaker in zip(spans, speakers, strict=True):
        if speaker is not None and speaker in learnt:
            seconds[speaker] = seconds.get(speaker, 0.0) + span.counted_s(every)
    return seconds


def _continues(first: Prediction, second: Prediction) -> bool:
    return first.label == second.label and first.speaker == second.speaker and first.end_s == second.start_s


def _windows(sound: Waveform, answer: Answer, settings: TimelineSettings) -> Iterator[tuple[int, int, Outputs]]:
    """Yield first and last sample of each window of a stretch of speech, and what the model says of it."""
    window, step = round(settings.window_s * SAMPLE_RATE), round(settings.step_s * SAMPLE_RATE)
    if len(sound) < MIN_SAMPLES:
        return
    starts = list(range(0, max(1, len(sound) - window + 1), step))
    if starts[-1] + window < len(sound):
        starts.append(len(sound) - window)
    for first in starts:
        last = min(first + window, len(sound))
        outputs = answer(sound[first:last])
        if outputs is not None:
            yield first, last, outputs


def _moments(
    n_samples: int,
    windows: Sequence[tuple[int, int, Outputs]],
    settings: TimelineSettings,
    choose: Callable[[Outputs], Outputs],
) -> Iterator[tuple[int, int, NDArray[np.float64], float]]:
    """Yield begin, end, scores and probability of speech of each step of a stretch of speech."""
    step = round(settings.step_s * SAMPLE_RATE)
    edges = [*range(0, max(step, n_samples - step // 2), step), n_samples]  # no step is shorter than half a step
    for begin, end in pairwise(edges):
        overlaps = [(min(end, last) - max(begin, first), outputs) for first, last, outputs in windows]
        covering = [overlap for overlap in overlaps if overlap[0] > 0]
        if covering:
            weights, outputs = zip(*((overlap, choose(each)) for overlap, each in covering), strict=True)
            mean = np.average([each.scores for each in outputs], axis=0, weights=weights)
            speech = float(np.average([each.speech for each in outputs], weights=weights))
            yield begin, end, np.asarray(mean, np.float64), speech


def _joined(first: Prediction, second: Prediction) -> Prediction:
    """Join two segments of the same label; the scores are the means, weighted by duration."""
    seconds = [first.end_s - first.start_s, second.end_s - second.start_s]
    pairs = [[first.scores[emotion], second.scores[emotion]] for emotion in first.scores]
    scores = dict(zip(first.scores, np.average(pairs, axis=1, weights=seconds).tolist(), strict=True))
    speech = None
    if first.speech is not None and second.speech is not None:
        speech = float(np.average([first.speech, second.speech], weights=seconds))
    # Two unsure moments with different best emotions can have a mean above the threshold.  The label stays the same.
    confidence = scores[first.emotion] if first.emotion else max(scores.values())
    return replace(first, confidence=confidence, scores=scores, end_s=second.end_s, speech=speech)
