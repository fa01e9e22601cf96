"""What a timeline says of each speaker: how long and how often they speak, and with which emotions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from emotone.recognition.prediction import Prediction, shares

#: The course of a speaker's emotions is given for so many parts of the recording, all equally long.
N_PARTS = 3


@dataclass(frozen=True)
class Speaker:
    """A speaker of a recording.

    Attributes
    ----------
    name
        The ``speaker`` of their segments.
    talk_s
        Total duration of their segments, seconds.
    talk_share
        Share of all segments' duration, in [0, 1].
    n_turns
        Number of times that they begin to speak after another speaker, or first of all.
    shares
        Label -> share of the speaker's segments, in [0, 1], the largest first.
    course
        The same for each third of the recording; empty for a third in which they do not speak.
    adapted_s
        Seconds of their speech that the answers are adapted to; 0 without adaptation.
    """

    name: str
    talk_s: float
    talk_share: float
    n_turns: int
    shares: Mapping[str, float]
    course: tuple[Mapping[str, float], ...] = field(default=())
    adapted_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "speaker": self.name,
            "talk_s": round(self.talk_s, 3),
            "talk_share": round(self.talk_share, 6),
            "turns": self.n_turns,
            "shares": _rounded(self.shares),
            "course": [_rounded(part) for part in self.course],
            "adapted_s": round(self.adapted_s, 3),
        }


def summaries(
    segments: Sequence[Prediction], *, duration_s: float, adapted_s: Mapping[str, float]
) -> tuple[Speaker, ...]:
    """Return each speaker of these segments, in order of their first words.

    Parameters
    ----------
    segments
        In order of time; those without a speaker and those that are no speech are left out.
    duration_s
        Duration of the recording.
    adapted_s
        Name -> seconds of speech that the answers are adapted to.
    """
    named = [segment for segment in segments if segment.speaker is not None and segment.is_speech]
    total_s = sum(segment.end_s - segment.start_s for segment in named)
    edges = [part * duration_s / N_PARTS for part in range(N_PARTS)] + [float("inf")]
    speakers = []
    for name in dict.fromkeys(segment.speaker for segment in named):
        own = [segment for segment in named if segment.speaker == name]
        talk_s = sum(segment.end_s - segment.start_s for segment in own)
        begins = [second.speaker == name and first.speaker != name for first, second in pairwise(named)]
        speakers.append(
            Speaker(
                name=str(name),
                talk_s=talk_s,
                talk_share=talk_s / total_s if total_s else 0.0,
                n_turns=sum(begins) + (named[0].speaker == name),
                shares=shares(own),
                course=tuple(
                    shares(segment for segment in own if begin <= (segment.start_s + segment.end_s) / 2 < end)
                    for begin, end in pairwise(edges)
                ),
                adapted_s=adapted_s.get(str(name), 0.0),
            )
        )
    return tuple(speakers)


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    return {label: round(share, 6) for label, share in shares.items()}
