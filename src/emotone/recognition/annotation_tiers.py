"""Timelines for programs with tiers: Praat's TextGrid and ELAN's annotation files."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from mimetypes import guess_type
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

from emotone.recognition.speaker_names import UNKNOWN, plain_text, written_names

if TYPE_CHECKING:
    from emotone.recognition.timeline import Timeline

#: Tier of a timeline without speakers, and the tier of times at which several people speak.
_ONLY, _OVERLAP = "emotion", "overlap"
#: Begin and end in whole steps of time, and the label.
_Interval = tuple[int, int, str]
_MS, _US = 1_000, 1_000_000
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
#: The same timeline always gives the same file; ELAN replaces the date when it saves.
_DATE = "1970-01-01T00:00:00+00:00"


def to_textgrid(timeline: "Timeline") -> str:
    """Return a TextGrid in Praat's long text format, for UTF-8: a tier for each speaker, in which gaps have no text.

    Format: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
    """
    tiers = _tiers(timeline, per_second=_US)
    ends = [end for intervals in tiers.values() for _, end, _ in intervals]
    end = max([round(_US * timeline.duration_s), *ends, _MS])  # Praat needs some duration
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *_span(0, end),
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        filled = list(_filled(intervals, end))
        tier = ['class = "IntervalTier"', f"name = {_quoted(name)}", *_span(0, end), f"intervals: size = {len(filled)}"]
        for position, (start, stop, label) in enumerate(filled, start=1):
            inside = [*_span(start, stop), f"text = {_quoted(label)}"]
            tier += [f"intervals [{position}]:", *_indented(inside)]
        lines += _indented([f"item [{number}]:", *_indented(tier)])
    return "\n".join(lines) + "\n"


def to_elan(timeline: "Timeline") -> str:
    """Return an ELAN annotation file (EAF 3.0) with a tier for each speaker.

    Format: https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
    """
    root = ElementTree.Element("ANNOTATION_DOCUMENT", AUTHOR="", DATE=_DATE, FORMAT="3.0", VERSION="3.0")
    root.set(_SCHEMA, "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    media = PurePath(timeline.file)
    if media.suffix:
        kind = "audio/x-wav" if media.suffix.lower() == ".wav" else guess_type(media.name)[0] or "audio/*"
        place = f"./{quote(plain_text(media.name))}"
        ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=place, MIME_TYPE=kind, RELATIVE_MEDIA_URL=place)
    order = ElementTree.SubElement(root, "TIME_ORDER")
    tiers = _tiers(timeline, per_second=_MS)
    edges = sorted(
        (time, name, position, kind)
        for name, intervals in tiers.items()
        for position, (*times, _) in enumerate(intervals)
        for kind, time in enumerate(times)
    )
    slots = {(name, position, kind): f"ts{n}" for n, (_, name, position, kind) in enumerate(edges, start=1)}
    for slot, (time, *_) in zip(slots.values(), edges, strict=True):
        ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    numbers = count(1)
    for name, intervals in tiers.items():
        tier = ElementTree.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID=name)
        for position, (_, _, label) in enumerate(intervals):
            annotation = ElementTree.SubElement(
                ElementTree.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{next(numbers)}",
                TIME_SLOT_REF1=slots[name, position, 0],
                TIME_SLOT_REF2=slots[name, position, 1],
            )
            ElementTree.SubElement(annotation, "ANNOTATION_VALUE").text = label
    ElementTree.SubElement(
        root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="default-lt", TIME_ALIGNABLE="true"
    )
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _tiers(timeline: "Timeline", *, per_second: int) -> dict[str, list[_Interval]]:
    """Return name -> intervals in order of time, none of which overlap, in steps of time.

    There is a tier for each speaker, one for unknown voices and one for overlaps, if there are any.
    """
    segments = sorted(timeline.segments, key=lambda segment: segment.start_s)
    names: dict[str | None, str] = {None: _ONLY}
    if any(segment.speaker is not None for segment in segments):
        reserved = (_OVERLAP,) if timeline.overlaps else ()
        names = written_names((segment.speaker for segment in segments), unknown=UNKNOWN, reserved=reserved)
    tiers = {
        name: _steps(
            ((each.start_s, each.end_s, plain_text(each.label)) for each in segments if each.speaker == speaker),
            per_second,
        )
        for speaker, name in names.items()
    }
    if timeline.overlaps:
        tiers[_OVERLAP] = _steps(((begin, end, _OVERLAP) for begin, end in sorted(timeline.overlaps)), per_second)
    return tiers


def _steps(intervals: Iterable[tuple[float, float, str]], per_second: int) -> list[_Interval]:
    """Round times to whole steps; leave out what has no duration, or is covered by an earlier interval."""
    rounded: list[_Interval] = []
    for start_s, end_s, label in intervals:
        begin, end = round(per_second * start_s), round(per_second * end_s)
        begin = max(begin, rounded[-1][1]) if rounded else begin
        if begin < end:
            rounded.append((begin, end, label))
    return rounded


def _filled(intervals: Sequence[_Interval], end: int) -> Iterator[_Interval]:
    """Yield the intervals and, with an empty label, the gaps before, between and after them."""
    time = 0
    for begin, stop, label in intervals:
        if time < begin:
            yield time, begin, ""
        yield begin, stop, label
        time = stop
    if time < end:
        yield time, end, ""


def _span(begin: int, end: int) -> list[str]:
    return [f"xmin = {_seconds(begin)}", f"xmax = {_seconds(end)}"]


def _seconds(microseconds: int) -> str:
    return f"{microseconds / _US:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
