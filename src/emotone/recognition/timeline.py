"""Emotion over time in a recording of any length.

Speech is detected by `emotone.audio.speech_detector`.  Each stretch of speech is predicted in overlapping windows; the
probabilities of the windows that cover a moment are averaged, and neighbouring moments with the same label form a
segment.  Memory does not grow with the recording, except for the segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import files
from emotone.audio import MIN_SAMPLES
from emotone.audio.resampling import SAMPLE_RATE
from emotone.audio.speech_detector import Gate, Probability, SpeechDetector, VadSettings
from emotone.errors import ConfigError
from emotone.recognition.model import Outputs
from emotone.recognition.prediction import NOT_ADAPTED, Prediction, shares
from emotone.recognition.speakers import Speaker
from emotone.recognition.timeline_formats import FORMATS, format_for
from emotone.recognition.windows import SpeechReader
from emotone.validation import check_range

Waveform = NDArray[np.float32]
#: Samples (n,) at 16 kHz -> what the model says; None if they are too soft for a prediction.
Answer = Callable[[Waveform], Outputs | None]
#: What the model says of the windows of each stretch of speech -> the same of all windows, after adaptation to them.
Adapt = Callable[[Sequence[Sequence[Outputs]]], Sequence[Outputs]]
#: A stretch of speech: its first sample, its length, and first and last sample of each window with what the model says.
_Stretch = tuple[int, int, list[tuple[int, int, Outputs]]]


@dataclass(frozen=True)
class TimelineSettings:
    """Settings of a timeline.

    Attributes
    ----------
    window_s
        Length of the windows that the model predicts, seconds, 0.5 to 30.
    step_s
        Seconds from one window to the next, 0.1 to ``window_s``; also the time resolution of the segments.
    vad
        Settings of the speech detector.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """

    window_s: float = 3.0
    step_s: float = 1.0
    vad: VadSettings = field(default_factory=VadSettings)

    def __post_init__(self) -> None:
        check_range("window_s", self.window_s, 0.5, 30, unit="seconds")
        check_range("step_s", self.step_s, 0.1, self.window_s, unit="seconds, at most window_s")


@dataclass(frozen=True)
class Timeline:
    """Emotion over time in a recording.

    Attributes
    ----------
    segments
        Segments of speech with a single label each, in order of time.
    duration_s
        Duration of the recording, seconds.
    emotions
        k names, in the order of the bundle.
    envelope
        (m,) the largest amplitude in each `ENVELOPE_STEP_S` of the recording, for a picture of it.
    notes
        Sentences on what else there is to know about the recording.
    adapted
        "source" and "speaker" -> number of clips that the answers are adapted to.
    speakers
        What is known of each speaker, in order of their first words; empty if the speakers were not told apart.
    overlaps
        Begin and end, in seconds, of sound in which several people speak at once; no segment covers it.
    file
        Path or name of the recording, for formats that hold it; "" if it has none, as bytes.
    """

    segments: tuple[Prediction, ...]
    duration_s: float
    emotions: tuple[str, ...]
    envelope: Waveform = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    adapted: Mapping[str, int] = field(default_factory=NOT_ADAPTED.copy)
    speakers: tuple[Speaker, ...] = ()
    overlaps: tuple[tuple[float, float], ...] = ()
    file: str = field(default="", compare=False)

    @property
    def spoken_s(self) -> float:
        """Total duration of the segments, seconds."""
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    def shares(self) -> dict[str, float]:
        """Return label -> share of the speech, in [0, 1], the largest first; empty without speech."""
        return shares(self.segments)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; the emotion of a segment is null if it is unsure or no speech."""
        return {
            "duration_s": round(self.duration_s, 3),
            "spoken_s": round(self.spoken_s, 3),
            "shares": {label: round(share, 6) for label, share in self.shares().items()},
            "notes": list(self.notes),
            "adapted": dict(self.adapted),
            "speakers": [speaker.to_dict() for speaker in self.speakers],
            "overlaps": [[round(begin, 3), round(end, 3)] for begin, end in self.overlaps],
            "segments": [segment.to_dict() for segment in self.segments],
        }

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write the timeline to a file, atomically.

        Parameters
        ----------
        path
            The file; an existing file is replaced.
        format
            A name in `emotone.recognition.timeline_formats.FORMATS`; None: the suffix of the file decides (.json, .csv,
            .vtt, .srt, .txt for Audacity, .rttm, .TextGrid, .eaf, .audformat.csv).

        Raises
        ------
        ConfigError
            The format is unknown, or the file can't be written: its folder does not exist, for example.
        """
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown timeline format {format!r}; expected {', '.join(FORMATS)}")
        form = format_for(os.fspath(path)) if format is None else FORMATS[format]
        target = Path(path)
        try:
            target.parent.stat()  # a misspelt folder is an error, and is not created
            files.write_text(target, form.write(self))
        except OSError as error:
            raise ConfigError(
                f"the timeline can't be written to {str(target)!r} ({error}); check the folder and the free space"
            ) from error


def timeline(
    blocks: Iterable[Waveform],
    answer: Answer,
    *,
    emotions: Sequence[str],
    threshold: float,
    checks_speech: bool,
    adapt: Adapt | None = None,
    settings: TimelineSettings | None = None,
    probability: Probability | None = None,
    gate: Gate | None = None,
) -> Timeline:
    """Detect the speech of a recording and predict its segments.

    Parameters
    ----------
    blocks
        The recording in pieces, (n,) float32 at 16 kHz.
    answer
        The model.
    emotions
        k names of the model's scores.
    threshold
        Below this confidence, a segment is unsure.
    checks_speech
        Whether the model predicts the probability of speech.
    adapt
        Called once, at the end of the recording.  What the model said of every window is kept in memory until then.
    settings
        Windows and speech detection.
    probability, gate
        See `SpeechDetector`.
    """
    settings = settings or TimelineSettings()
    segments: list[Prediction] = []
    reader = SpeechReader(blocks, SpeechDetector(settings.vad, probability=probability, gate=gate))
    stretches: Iterable[_Stretch] = (
        (start, len(sound), list(_windows(sound, answer, settings))) for start, sound in reader
    )
    if adapt is not None:
        stretches = _adapted(list(stretches), adapt)
    for start, n_samples, windows in stretches:
        for begin, end, scores, speech in _moments(n_samples, windows, settings):
            moment = Prediction.from_scores(
                emotions,
                scores,
                start_s=(start + begin) / SAMPLE_RATE,
                end_s=(start + end) / SAMPLE_RATE,
                speech=speech if checks_speech else None,
                threshold=threshold,
            )
            if segments and segments[-1].label == moment.label and segments[-1].end_s == moment.start_s:
                segments[-1] = _joined(segments[-1], moment)
            else:
                segments.append(moment)
    return Timeline(tuple(segments), reader.n_samples / SAMPLE_RATE, tuple(emotions), reader.envelope())


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


def _adapted(stretches: Sequence[_Stretch], adapt: Adapt) -> Iterator[_Stretch]:
    """Yield the stretches with what the model says of their windows after adaptation."""
    outputs = iter(adapt([[outputs for _, _, outputs in windows] for _, _, windows in stretches]))
    for start, n_samples, windows in stretches:
        yield start, n_samples, [(first, last, next(outputs)) for first, last, _ in windows]


def _moments(
    n_samples: int, windows: Sequence[tuple[int, int, Outputs]], settings: TimelineSettings
) -> Iterator[tuple[int, int, NDArray[np.float64], float]]:
    """Yield begin, end, scores and probability of speech of each step of a stretch of speech."""
    step = round(settings.step_s * SAMPLE_RATE)
    edges = [*range(0, max(step, n_samples - step // 2), step), n_samples]  # no step is shorter than half a step
    for begin, end in pairwise(edges):
        overlaps = [(min(end, last) - max(begin, first), outputs) for first, last, outputs in windows]
        covering = [overlap for overlap in overlaps if overlap[0] > 0]
        if covering:
            weights, outputs = zip(*covering, strict=True)
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
    return Prediction(first.emotion, confidence, scores, first.start_s, second.end_s, speech)
