"""The table of timeline file formats, which the command line, the service and the page read."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotone.errors import ConfigError
from emotone.formatting import clock
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction

if TYPE_CHECKING:
    from emotone.recognition.timeline import Timeline

#: Columns of CSV before the scores: keys of `Prediction.to_dict`.
CSV_COLUMNS = ("start_s", "end_s", "emotion", "confidence", "label", "speech")


@dataclass(frozen=True)
class TimelineFormat:
    """A file format for timelines.

    Attributes
    ----------
    name
        Value of ``--format``.
    suffix
        Suffix of its files, with the dot.
    media_type
        Media type for HTTP.
    label
        Name to display.
    is_single
        Whether a file holds exactly one recording.
    write
        Function from a timeline to the content of the file.
    """

    name: str
    suffix: str
    media_type: str
    label: str
    is_single: bool
    write: "Callable[[Timeline], str]"


def to_json(timeline: "Timeline") -> str:
    """Return indented JSON of `Timeline.to_dict`."""
    return json.dumps(timeline.to_dict(), indent=2) + "\n"


def to_csv(timeline: "Timeline") -> str:
    """Return a row for each segment: `CSV_COLUMNS`, and a column for each emotion."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *timeline.emotions])
    for segment in timeline.segments:
        row = segment.to_dict()
        scores = [row["scores"][emotion] for emotion in timeline.emotions]
        writer.writerow([*(row[key] for key in CSV_COLUMNS), *scores])
    return lines.getvalue()


def to_vtt(timeline: "Timeline") -> str:
    """Return WebVTT subtitles (https://www.w3.org/TR/webvtt1/)."""
    return "\n".join(["WEBVTT\n", *(f"{begin} --> {end}\n{text}\n" for begin, end, text in _cues(timeline))])


def to_srt(timeline: "Timeline") -> str:
    """Return SubRip subtitles: numbered, with a comma before the milliseconds."""
    cues = [
        f"{number}\n{begin} --> {end}\n".replace(".", ",") + f"{text}\n"
        for number, (begin, end, text) in enumerate(_cues(timeline), start=1)
    ]
    return "\n".join(cues)


def _cues(timeline: "Timeline") -> Iterator[tuple[str, str, str]]:
    """Yield begin (hh:mm:ss.mmm), end and caption of each segment that lasts a millisecond or more."""
    for segment in timeline.segments:
        begin, end = (clock(seconds, decimals=3, hours=True) for seconds in (segment.start_s, segment.end_s))
        if begin != end:
            yield begin, end, _caption(segment)


def to_audacity(timeline: "Timeline") -> str:
    """Return labels for Audacity (File, Import, Labels): start, end and text, separated by tabs."""
    return "".join(
        f"{segment.start_s:.6f}\t{segment.end_s:.6f}\t{_caption(segment)}\n" for segment in timeline.segments
    )


def _caption(segment: Prediction) -> str:
    is_emotion = segment.label not in (UNSURE, NO_SPEECH)
    return f"{segment.label} {100 * segment.confidence:.0f} %" if is_emotion else segment.label


#: Name -> format.  Every command, route and page offers the formats in this table.
FORMATS: dict[str, TimelineFormat] = {
    form.name: form
    for form in (
        TimelineFormat("json", ".json", "application/json", "JSON", False, to_json),
        TimelineFormat("csv", ".csv", "text/csv", "CSV", False, to_csv),
        TimelineFormat("vtt", ".vtt", "text/vtt", "WebVTT subtitles", True, to_vtt),
        TimelineFormat("srt", ".srt", "application/x-subrip", "SubRip subtitles", True, to_srt),
        TimelineFormat("audacity", ".txt", "text/plain", "Audacity labels", True, to_audacity),
    )
}


def format_for(path: str) -> TimelineFormat:
    """Return the format for the suffix of a path; `ConfigError` if no format has this suffix."""
    for form in FORMATS.values():
        if path.lower().endswith(form.suffix):
            return form
    known = ", ".join(form.suffix for form in FORMATS.values())
    raise ConfigError(f"{path}: no timeline format has this suffix; expected {known}")
