"""Emotion over time in a recording of any length.

Speech is detected by `emotone.audio.speech_detector`.  Each stretch of speech is predicted in overlapping windows; the
probabilities of the windows that cover a moment are averaged, and neighbouring moments with the same label form a
segment.  Memory does not grow with the recording, except for the segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import files
from emotone.audio import MIN_SAMPLES
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.speech_detector import Edge, Probability, SpeechDetector, VadSettings
from emotone.errors import ConfigError
from emotone.recognition.prediction import SPEECH_THRESHOLD, Prediction, shares
from emotone.recognition.timeline_formats import FORMATS, format_for

Waveform = NDArray[np.float32]
#: Samples (n,) at 16 kHz -> scores (k,) and probability of speech; None for what is too soft to be answered for.
Answer = Callable[[Waveform], tuple[NDArray[np.float32], float] | None]
#: Seconds that one value of the envelope is the peak of.
ENVELOPE_STEP_S = 0.05
_ENVELOPE_STEP = round(ENVELOPE_STEP_S * SAMPLE_RATE)


@dataclass(frozen=True)
class TimelineSettings:
    """How a recording is cut.

    Attributes
    ----------
    window_s
        Seconds that are answered for at once.
    step_s
        Seconds from one window to the next, and of the moments whose answers are told.
    vad
        When speech begins and ends.
    """

    window_s: float = 3.0
    step_s: float = 1.0
    vad: VadSettings = field(default_factory=VadSettings)

    def __post_init__(self) -> None:
        if not 0.5 <= self.window_s <= 30:
            raise ConfigError(f"window_s is {self.window_s}; expected seconds, 0.5 to 30")
        if not 0.1 <= self.step_s <= self.window_s:
            raise ConfigError(f"step_s is {self.step_s}; expected seconds, 0.1 to window_s, which is {self.window_s}")


@dataclass(frozen=True)
class Timeline:
    """A recording's segments.

    Attributes
    ----------
    segments
        In order of time; between them nobody speaks.
    duration_s
        Of the recording, in seconds.
    emotions
        k names, in the order of the bundle.
    envelope
        (m,) the largest amplitude in each `ENVELOPE_STEP_S` of the recording, for a picture of it.
    """

    segments: tuple[Prediction, ...]
    duration_s: float
    emotions: tuple[str, ...]
    envelope: Waveform = field(repr=False, compare=False)

    @property
    def spoken_s(self) -> float:
        """Seconds of all segments."""
        return sum(one.end_s - one.start_s for one in self.segments)

    def shares(self) -> dict[str, float]:
        """Label -> share of the spoken time, in [0, 1], the largest first; empty where nobody speaks."""
        return shares(self.segments)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; an emotion of null is unsure, or no speech."""
        return {
            "duration_s": round(self.duration_s, 3),
            "spoken_s": round(self.spoken_s, 3),
            "shares": {label: round(share, 6) for label, share in self.shares().items()},
            "segments": [segment.to_dict() for segment in self.segments],
        }

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write the timeline to a file; it appears whole or not at all.

        Parameters
        ----------
        path
            The file; one of the same name is replaced.
        format
            A name in `emotone.recognition.timeline_formats.FORMATS`; None: the format of the suffix (.json, .csv, .vtt,
            .txt).

        Raises
        ------
        ConfigError
            The format is unknown.
        """
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown timeline format {format!r}; expected one of {', '.join(FORMATS)}")
        form = format_for(os.fspath(path)) if format is None else FORMATS[format]
        files.write_text(Path(path), form.write(self))


def timeline(
    blocks: Iterable[Waveform],
    answer: Answer,
    *,
    emotions: Sequence[str],
    threshold: float,
    checks_speech: bool,
    settings: TimelineSettings | None = None,
    probability: Probability | None = None,
) -> Timeline:
    """Find a recording's segments.

    Parameters
    ----------
    blocks
        The recording, (n,) float32 at 16 kHz piece by piece.
    answer
        The model.
    emotions
        k names of its scores.
    threshold
        Under which it is unsure.
    checks_speech
        Whether its probability of speech means anything.
    settings
        How the recording is cut.
    probability
        See `SpeechDetector`.
    """
    settings = settings or TimelineSettings()
    segments: list[Prediction] = []
    reader = _Reader(blocks, SpeechDetector(settings.vad, probability=probability))
    for start, sound in reader:
        for begin, end, scores, speech in _moments(sound, answer, settings):
            first, last = (start + begin) / SAMPLE_RATE, (start + end) / SAMPLE_RATE
            found = _prediction(first, last, scores, speech if checks_speech else None, emotions, threshold)
            follows = segments and segments[-1].label == found.label and segments[-1].end_s == found.start_s
            segments[-1:] = [_joined(segments[-1], found, threshold)] if follows else [*segments[-1:], found]
    return Timeline(tuple(segments), reader.n_samples / SAMPLE_RATE, tuple(emotions), reader.envelope())


class _Reader:
    """Yields each stretch of speech, its first sample and its sound, as the blocks are read."""

    def __init__(self, blocks: Iterable[Waveform], detector: SpeechDetector) -> None:
        self.blocks, self.detector = blocks, detector
        self.n_samples = 0
        self._first, self._kept = 0, np.zeros(0, np.float32)
        self._start: int | None = None
        self._peaks: list[Waveform] = []
        self._rest = np.zeros(0, np.float32)

    def __iter__(self) -> Iterator[tuple[int, Waveform]]:
        for block in self.blocks:
            self.n_samples += len(block)
            self._see(block)
            self._kept = np.concatenate([self._kept, block])
            yield from self._spoken(self.detector.push(block))
            settings = self.detector.settings
            margin = round((settings.pad_s + settings.min_speech_s) * SAMPLE_RATE) + 1024
            self._forget(self._start if self._start is not None else self.n_samples - margin)
        yield from self._spoken(self.detector.finish())

    def _spoken(self, edges: Iterable[Edge]) -> Iterator[tuple[int, Waveform]]:
        for edge in edges:
            if edge.kind == "start":
                self._start = edge.sample
            elif self._start is not None:
                yield self._start, self._kept[self._start - self._first : edge.sample - self._first]
                self._start = None

    def _forget(self, before: int) -> None:
        if before > self._first:
            self._kept = self._kept[before - self._first :].copy()
            self._first = before

    def _see(self, block: Waveform) -> None:
        held = np.abs(np.concatenate([self._rest, block]))
        whole = len(held) - len(held) % _ENVELOPE_STEP
        self._peaks.append(held[:whole].reshape(-1, _ENVELOPE_STEP).max(axis=1))
        self._rest = held[whole:]

    def envelope(self) -> Waveform:
        last = [self._rest.max(keepdims=True)] if len(self._rest) else []
        return np.concatenate([*self._peaks, *last, np.zeros(0, np.float32)])


def _moments(
    sound: Waveform, answer: Answer, settings: TimelineSettings
) -> Iterator[tuple[int, int, NDArray[np.float64], float]]:
    """Begin, end, scores and probability of speech of each step of a stretch of speech."""
    window, step = round(settings.window_s * SAMPLE_RATE), round(settings.step_s * SAMPLE_RATE)
    if len(sound) < MIN_SAMPLES:
        return
    starts = list(range(0, max(1, len(sound) - window + 1), step))
    if starts[-1] + window < len(sound):
        starts.append(len(sound) - window)
    windows = []
    for start in starts:
        end = min(start + window, len(sound))
        found = answer(sound[start:end])
        if found is not None:
            windows.append((start, end, *found))
    edges = [*range(0, max(step, len(sound) - step // 2), step), len(sound)]  # no step shorter than half of one
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        overlaps = np.array([min(end, last) - max(begin, first) for first, last, _, _ in windows])
        heard = [(one, weight) for one, weight in zip(windows, overlaps, strict=True) if weight > 0]
        if heard:
            weights = [weight for _, weight in heard]
            scores = np.average([one[2] for one, _ in heard], axis=0, weights=weights)
            yield (
                begin,
                end,
                np.asarray(scores, np.float64),
                float(np.average([o[3] for o, _ in heard], weights=weights)),
            )


def _prediction(
    start_s: float,
    end_s: float,
    scores: NDArray[np.float64],
    speech: float | None,
    emotions: Sequence[str],
    threshold: float,
) -> Prediction:
    best = int(scores.argmax())
    known = scores[best] >= threshold and (speech is None or speech >= SPEECH_THRESHOLD)
    told = dict(zip(emotions, scores.tolist(), strict=True))
    return Prediction(emotions[best] if known else None, float(scores[best]), told, start_s, end_s, speech)


def _joined(one: Prediction, other: Prediction, threshold: float) -> Prediction:
    """Join two segments of the same label; the scores are the mean over their seconds."""
    seconds = np.array([one.end_s - one.start_s, other.end_s - other.start_s])
    names = tuple(one.scores)
    both = np.array([[part.scores[name] for name in names] for part in (one, other)])
    scores = np.average(both, axis=0, weights=seconds)
    speech = None
    if one.speech is not None and other.speech is not None:
        speech = float(np.average([one.speech, other.speech], weights=seconds))
    joined = _prediction(one.start_s, other.end_s, scores, speech, names, threshold)
    # the mean of two moments that are unsure of two emotions may be surer of a third; the segment stays what they are
    return Prediction(
        one.emotion, joined.scores[one.emotion or joined.ranking[0]], joined.scores, one.start_s, other.end_s, speech
    )
