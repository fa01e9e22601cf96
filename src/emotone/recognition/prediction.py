"""What a recognizer predicts for a segment of a recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Labels without an emotion: the model is not confident enough, or detects no speech.
UNSURE, NO_SPEECH = "unsure", "no speech"
#: Below this probability of speech, the label is "no speech".
SPEECH_THRESHOLD = 0.5

#: Number of clips that an answer without a profile is adapted to.
NOT_ADAPTED = {"source": 0, "speaker": 0}

#: Notes of predictions.
TIMELINE_NOTE = (
    "the recording is longer than {:g} s: this is the mean over its speech; a timeline shows how the emotion changes"
)
CHANNELS_NOTE = 'the two channels seem to hold different people: predict each with channel="left" and "right"'
CROSSTALK_NOTE = (
    "the channels hold much of the same sound: they are not one for each speaker, or pick up each other loudly; try "
    'speakers="auto"'
)
SPEAKERS_NOTE = 'the two channels seem to hold different people: speakers="channels" keeps them apart'


@dataclass(frozen=True)
class Prediction:
    """What a recognizer predicts for a segment of a recording.

    Attributes
    ----------
    emotion
        The most probable emotion; None if its probability is below the threshold or there is no speech.
    confidence
        The largest probability, in [0, 1].
    scores
        Emotion -> probability, in the order of the bundle; they sum to one.
    start_s, end_s
        The segment, in seconds from the start of the recording.
    speech
        Probability of speech, in [0, 1]; None from a model that does not check for speech.
    notes
        Sentences on what else there is to know about the recording.
    adapted
        "source" and "speaker" -> number of clips that the answer is adapted to.
    speaker
        Name of the speaker; None if it is not known.
    """

    emotion: str | None
    confidence: float
    scores: dict[str, float]
    start_s: float
    end_s: float
    speech: float | None = None
    notes: tuple[str, ...] = ()
    adapted: Mapping[str, int] = field(default_factory=NOT_ADAPTED.copy)
    speaker: str | None = None

    @classmethod
    def from_scores(
        cls,
        emotions: Sequence[str],
        scores: NDArray[np.floating[Any]],
        *,
        start_s: float,
        end_s: float,
        speech: float | None,
        threshold: float,
    ) -> "Prediction":
        """Return the prediction for probabilities (k,) of k emotions; below ``threshold`` it is unsure."""
        named = dict(zip(emotions, scores.tolist(), strict=True))
        best = max(named, key=lambda emotion: named[emotion])
        is_known = named[best] >= threshold and (speech is None or speech >= SPEECH_THRESHOLD)
        return cls(best if is_known else None, named[best], named, start_s, end_s, speech)

    @property
    def is_speech(self) -> bool:
        """Whether there is speech; True from a model that does not check."""
        return self.speech is None or self.speech >= SPEECH_THRESHOLD

    @property
    def label(self) -> str:
        """The emotion, "unsure", or "no speech"."""
        return (self.emotion or UNSURE) if self.is_speech else NO_SPEECH

    @property
    def ranking(self) -> tuple[str, ...]:
        """All emotions, the most probable first."""
        return tuple(sorted(self.scores, key=lambda emotion: -self.scores[emotion]))

    def top(self, n: int) -> list[tuple[str, float]]:
        """Return the ``n`` most probable emotions with their probabilities, the most probable first."""
        return [(emotion, self.scores[emotion]) for emotion in self.ranking[: max(n, 0)]]

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; every output of Emotone uses this schema.

        ``emotion`` is `None` if the label is "unsure" or "no speech".  ``speech`` is `None` from a model that does not
        check for speech.  Times are rounded to milliseconds, probabilities to six digits.
        """
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "emotion": self.emotion,
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "scores": {emotion: round(score, 6) for emotion, score in self.scores.items()},
            "speech": None if self.speech is None else round(self.speech, 6),
            "notes": list(self.notes),
            "adapted": dict(self.adapted),
            "speaker": self.speaker,
        }


def shares(segments: Iterable[Prediction]) -> dict[str, float]:
    """Return label -> share of the total duration, in [0, 1], the largest first; empty without segments."""
    seconds: dict[str, float] = {}
    for segment in segments:
        seconds[segment.label] = seconds.get(segment.label, 0.0) + segment.end_s - segment.start_s
    total = sum(seconds.values())
    if not total:
        return {}
    return {label: seconds[label] / total for label in sorted(seconds, key=lambda name: -seconds[name])}
