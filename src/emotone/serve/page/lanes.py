"""The speakers of a timeline as lanes, and its files with places for the names that a person types on the page."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from emotone.recognition.prediction import Prediction, shares
from emotone.recognition.speaker_names import UNKNOWN, written_names
from emotone.recognition.speakers import Speaker
from emotone.recognition.timeline import Timeline

#: Name of the lane of voices that are not known.
UNKNOWN_VOICE = "Unknown voice"
#: Name of the times at which several speak, in formats with tiers.
_OVERLAP = "overlap"


@dataclass(frozen=True)
class Lane:
    """A speaker's lane.

    Attributes
    ----------
    number
        Number of the speaker, from 0 in order of their first words; None for unknown voices.
    name
        Name to show, in one line; no two lanes have the same.
    segments
        The speaker's segments, in order of time.
    talk_s
        Their total duration, seconds.
    summary
        What else is known of the speaker; None for unknown voices.
    """

    number: int | None
    name: str
    segments: Sequence[Prediction]
    summary: Speaker | None

    @property
    def talk_s(self) -> float:
        """Total duration of the segments, seconds."""
        return sum(segment.end_s - segment.start_s for segment in self.segments)

    @property
    def shares(self) -> dict[str, float]:
        """Label -> share of the segments, in [0, 1], the largest first."""
        return shares(self.segments)


def lanes_of(timeline: Timeline) -> list[Lane]:
    """Return the lanes of a timeline, that of unknown voices last; none if no speaker is known."""
    named = [segment for segment in timeline.segments if segment.speaker is not None]
    if not named:
        return []
    summaries = {speaker.name: speaker for speaker in timeline.speakers}
    lanes = [
        Lane(number, name, [segment for segment in named if segment.speaker == speaker], summaries.get(str(speaker)))
        for number, (speaker, name) in enumerate(_names(timeline).items())
    ]
    unknown = [segment for segment in timeline.segments if segment.speaker is None and segment.is_speech]
    return [*lanes, Lane(None, UNKNOWN_VOICE, unknown, None)] if unknown else lanes


def reserved_names(timeline: Timeline) -> list[str]:
    """Return the names that no speaker may have, since files of this timeline have them for something else."""
    has_unknown = any(segment.speaker is None for segment in timeline.segments)
    return [UNKNOWN] * has_unknown + [_OVERLAP] * bool(timeline.overlaps)


def numbers_of(timeline: Timeline) -> Mapping[str | None, int]:
    """Return speaker -> number of the lane; unknown voices have no entry."""
    return {speaker: number for number, speaker in enumerate(_names(timeline))}


def with_places(timeline: Timeline) -> tuple[Timeline, str]:
    """Return the timeline with a place in the stead of each name, and the text before the number in each place.

    A place is the text, the number of the lane, and "x".  It has letters and digits only, which every format writes as
    they are.  It can't occur by chance.
    """
    before = f"speaker{secrets.token_hex(8)}n"
    places = {speaker: f"{before}{number}x" for speaker, number in numbers_of(timeline).items()}
    segments = tuple(replace(segment, speaker=places.get(segment.speaker)) for segment in timeline.segments)
    speakers = tuple(replace(each, name=places[each.name]) for each in timeline.speakers if each.name in places)
    return replace(timeline, segments=segments, speakers=speakers), before


def _names(timeline: Timeline) -> dict[str | None, str]:
    """Return speaker -> name to show."""
    speakers = [segment.speaker for segment in timeline.segments]
    return written_names(speakers, reserved=[*reserved_names(timeline), UNKNOWN_VOICE])
