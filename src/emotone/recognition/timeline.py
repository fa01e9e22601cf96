"""Emotion over time in a recording of any length.

Speech is detected by `emotone.audio.speech_detector`.  Each stretch of speech is predicted in overlapping windows; the
probabilities of the windows that cover a moment are averaged, and neighbouring moments with the same label form a
segment.  Memory does not grow with the recording, except for the segments.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from emotone.recognition.prediction import Prediction, counts, shares
from emotone.recognition.timeline_formats import FORMATS, format_for
from emotone.recognition.windows import SpeechReader
from emotone.validation import check_range

Waveform = NDArray[np.float32]
#: Samples (n,) at 16 kHz -> scores (k,) and probability of speech; None if they are too soft for a prediction.
Answer = Callable[[Waveform], tuple[NDArray[np.float32], float] | None]


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
        "source" and "speaker" -> number of clips of the profile that was used; a profile without clips is left out.
    """

    segments: tuple[Prediction, ...]
    duration_s: float
    emotions: tuple[str, ...]
    envelope: Waveform = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    adapted: Mapping[str, int] = field(default_factory=dict)

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
            "adapted": counts(self.adapted),
            "segments": [replace(segment, adapted=self.adapted).to_dict() for segment in self.segments],
        }

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write the timeline to a file, atomically.

        Parameters
        ----------
        path
            The file; an existing file is replaced.
        format
            A name in `emotone.recognition.timeline_formats.FORMATS`; None: the suffix of the file decides (.json, .csv,
            .vtt, .srt, .txt).

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
    settings
        Windows and speech detection.
    probability, gate
        See `SpeechDetector`.
    """
    settings = settings or TimelineSettings()
    segments: list[Prediction] = []
    reader = SpeechReader(blocks, SpeechDetector(settings.vad, probability=probability, gate=gate))
    for start, sound in reader:
        for begin, end, scores, speech in _moments(sound, answer, settings):
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


def _moments(
    sound: Waveform, answer: Answer, settings: TimelineSettings
) -> Iterator[tuple[int, int, NDArray[np.float64], float]]:
    """Yield begin, end, scores and probability of speech of each step of a stretch of speech."""
    window, step = round(settings.window_s * SAMPLE_RATE), round(settings.step_s * SAMPLE_RATE)
    if len(sound) < MIN_SAMPLES:
        return
    starts = list(range(0, max(1, len(sound) - window + 1), step))
    if starts[-1] + window < len(sound):
        starts.append(len(sound) - window)
    windows = []
    for first in starts:
        last = min(first + window, len(sound))
        output = answer(sound[first:last])
        if output is not None:
            windows.append((first, last, *output))
    edges = [*range(0, max(step, len(sound) - step // 2), step), len(sound)]  # no step is shorter than half a step
    for begin, end in pairwise(edges):
        overlaps = [(min(end, last) - max(begin, first), scores, speech) for first, last, scores, speech in windows]
        covering = [overlap for overlap in overlaps if overlap[0] > 0]
        if covering:
            weights, scores, speech = zip(*covering, strict=True)
            mean = np.average(scores, axis=0, weights=weights)
            yield begin, end, np.asarray(mean, np.float64), float(np.average(speech, weights=weights))


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
