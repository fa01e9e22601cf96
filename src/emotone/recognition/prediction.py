"""What a recognizer says about a segment of a recording."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: How an emotion of None is shown: the model is not certain enough, or hears no voice.
UNSURE, NO_SPEECH = "unsure", "no speech"
#: The probability of speech under which there is taken to be none.
SPEECH_THRESHOLD = 0.5


@dataclass(frozen=True)
class Prediction:
    """What a recognizer says about a segment of a recording.

    Attributes
    ----------
    emotion
        The most probable emotion; None where its probability is under the calibrated threshold, and where there is no
        speech.
    confidence
        The largest probability, in [0, 1].
    scores
        Emotion -> probability, in the order of the bundle; they sum to one.
    start_s, end_s
        The segment, in seconds of the recording.
    speech
        Probability that there is speech, in [0, 1]; None from a model that does not check.
    """

    emotion: str | None
    confidence: float
    scores: dict[str, float]
    start_s: float
    end_s: float
    speech: float | None = None

    @property
    def is_speech(self) -> bool:
        """Whether there is speech, as far as the model can tell."""
        return self.speech is None or self.speech >= SPEECH_THRESHOLD

    @property
    def label(self) -> str:
        """The emotion, "unsure", or "no speech"."""
        if not self.is_speech:
            return NO_SPEECH
        return self.emotion or UNSURE

    @property
    def ranking(self) -> tuple[str, ...]:
        """All emotions, the most probable first."""
        return tuple(sorted(self.scores, key=lambda emotion: -self.scores[emotion]))

    def top(self, n: int) -> list[tuple[str, float]]:
        """Return the ``n`` most probable emotions with their probabilities, the most probable first."""
        return [(emotion, self.scores[emotion]) for emotion in self.ranking[: max(n, 0)]]

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON, the same wherever a prediction is written.

        ``emotion`` is None where the answer is unsure or there is no speech; ``label`` says which.  ``speech`` is None
        from a model that does not check.  Times are rounded to milliseconds, shares to six digits.
        """
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "emotion": self.emotion,
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "scores": {emotion: round(score, 6) for emotion, score in self.scores.items()},
            "speech": None if self.speech is None else round(self.speech, 6),
        }


def shares(segments: Iterable[Prediction]) -> dict[str, float]:
    """Label -> its share of the seconds of all segments, in [0, 1], the largest first; empty without segments."""
    seconds: dict[str, float] = {}
    for one in segments:
        seconds[one.label] = seconds.get(one.label, 0.0) + one.end_s - one.start_s
    whole = sum(seconds.values())
    return {label: seconds[label] / whole for label in sorted(seconds, key=lambda name: -seconds[name])}
