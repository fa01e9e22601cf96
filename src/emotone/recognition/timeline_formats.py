"""The table of timeline file formats, which the command line, the service and the page read."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from emotone.errors import ConfigError
from emotone.formatting import clock, csv_cell, percent
from emotone.recognition.annotation_tiers import to_elan, to_textgrid
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction
from emotone.recognition.rttm import to_rttm
from emotone.recognition.speaker_names import plain_text, written_names

if TYPE_CHECKING:
    from emotone.recognition.timeline import Timeline

#: Columns of CSV before the scores: keys of `Prediction.to_dict`.
CSV_COLUMNS = ("start_s", "end_s", "emotion", "confidence", "label", "speech")
#: Players take angle brackets in SubRip for tags.
_NO_TAGS = str.maketrans("<>", "‹›")


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
        Whether a file holds exactly one recording.  Text of other formats can be joined, CSV under a single header.
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
    """Return a row for each segment: `CSV_COLUMNS`, a column for each emotion, and the speaker."""
    names = _names(timeline)
    rows = []
    for segment in timeline.segments:
        row = segment.to_dict()
        scores = [row["scores"][emotion] for emotion in timeline.emotions]
        rows.append([*(row[key] for key in CSV_COLUMNS), *scores, names.get(segment.speaker)])
    return _table([*CSV_COLUMNS, *timeline.emotions, "speaker"], rows)


def to_audformat(timeline: "Timeline") -> str:
    """Return a segmented table of audformat, as its ``utils.read_csv`` reads it.

    Format: https://audeering.github.io/audformat/data-tables.html
    """
    names = _names(timeline)
    file = plain_text(timeline.file) or "recording"
    rows = [
        [
            file,
            *(_timedelta(seconds) for seconds in (segment.start_s, segment.end_s)),
            names.get(segment.speaker),
            segment.emotion,
            segment.label,
            round(segment.confidence, 6),
        ]
        for segment in timeline.segments
    ]
    return _table(["file", "start", "end", "speaker", "emotion", "label", "confidence"], rows)


def to_vtt(timeline: "Timeline") -> str:
    """Return WebVTT subtitles (https://www.w3.org/TR/webvtt1/), with the speakers as voices."""
    cues = []
    for begin, end, speaker, caption in _cues(timeline):
        voice = "" if speaker is None else f"<v {escape(speaker, quote=False)}>"
        cues.append(f"{begin} --> {end}\n{voice}{escape(caption, quote=False)}\n")
    return "\n".join(["WEBVTT\n", *cues])


def to_srt(timeline: "Timeline") -> str:
    """Return SubRip subtitles: numbered, with a comma before the milliseconds."""
    cues = []
    for number, (begin, end, speaker, caption) in enumerate(_cues(timeline), start=1):
        times = f"{begin} --> {end}".replace(".", ",")
        cues.append(f"{number}\n{times}\n{_line(speaker, caption).translate(_NO_TAGS)}\n")
    return "\n".join(cues)


def to_audacity(timeline: "Timeline") -> str:
    """Return labels for Audacity (File, Import, Labels): start, end and text, separated by tabs."""
    names = _names(timeline)
    return "".join(
        f"{segment.start_s:.6f}\t{segment.end_s:.6f}\t{_line(names.get(segment.speaker), _caption(segment))}\n"
        for segment in timeline.segments
    )


def _names(timeline: "Timeline") -> dict[str | None, str]:
    """Return speaker -> name to write; unknown voices have no entry."""
    return written_names(segment.speaker for segment in timeline.segments)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerows([*map(csv_cell, row)] for row in (header, *rows))
    return lines.getvalue()


def _cues(timeline: "Timeline") -> Iterator[tuple[str, str, str | None, str]]:
    """Yield begin (hh:mm:ss.mmm), end, speaker and caption of each segment that lasts a millisecond or more."""
    names = _names(timeline)
    for segment in timeline.segments:
        begin, end = (clock(seconds, decimals=3, hours=True) for seconds in (segment.start_s, segment.end_s))
        if begin != end:
            yield begin, end, names.get(segment.speaker), _caption(segment)


def _caption(segment: Prediction) -> str:
    is_emotion = segment.label not in (UNSURE, NO_SPEECH)
    label = plain_text(segment.label)
    return f"{label} {percent(segment.confidence, digits=0)}" if is_emotion else label


def _line(speaker: str | None, caption: str) -> str:
    return caption if speaker is None else f"{speaker}: {caption}"


def _timedelta(seconds: float) -> str:
    """Write a time as pandas does.

    Examples
    --------
    >>> _timedelta(1.5), _timedelta(90_000)
    ('0 days 00:00:01.500000', '1 days 01:00:00.000000')
    """
    days, rest = divmod(round(seconds * 1_000_000), 86_400_000_000)
    return f"{days} days {clock(rest / 1_000_000, decimals=6, hours=True)}"


#: Name -> format.  Every command, route and page offers the formats in this table.
FORMATS: dict[str, TimelineFormat] = {
    form.name: form
    for form in (
        TimelineFormat("json", ".json", "application/json", "JSON", False, to_json),
        TimelineFormat("csv", ".csv", "text/csv", "CSV", False, to_csv),
        TimelineFormat("vtt", ".vtt", "text/vtt", "WebVTT subtitles", True, to_vtt),
        TimelineFormat("srt", ".srt", "application/x-subrip", "SubRip subtitles", True, to_srt),
        TimelineFormat("audacity", ".txt", "text/plain", "Audacity labels", True, to_audacity),
        TimelineFormat("rttm", ".rttm", "text/plain", "RTTM", False, to_rttm),
        TimelineFormat("textgrid", ".TextGrid", "text/plain", "Praat TextGrid", True, to_textgrid),
        TimelineFormat("elan", ".eaf", "application/xml", "ELAN", True, to_elan),
        TimelineFormat("audformat", ".audformat.csv", "text/csv", "audformat table", False, to_audformat),
    )
}


def format_for(path: str) -> TimelineFormat:
    """Return the format for the suffix of a path, the longest that fits; `ConfigError` if no format has it."""
    fitting = [form for form in FORMATS.values() if path.lower().endswith(form.suffix.lower())]
    if not fitting:
        known = ", ".join(form.suffix for form in FORMATS.values())
        raise ConfigError(f"{path}: no timeline format has this suffix; expected {known}")
    return max(fitting, key=lambda form: len(form.suffix))
