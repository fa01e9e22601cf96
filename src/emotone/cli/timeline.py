"""The work of ``emotone predict --timeline``: recordings as segments, in the formats of `emotone.recognition.timeline`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from emotone.cli import console as output
from emotone.cli.recordings import Answer, recordings
from emotone.errors import ConfigError, EmotoneError
from emotone.formatting import clock
from emotone.progress import Progress
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS


@dataclass(frozen=True)
class Told:
    """What came of one file: a timeline, or why there is none."""

    file: str
    timeline: Timeline | None = None
    error: str = ""


def timelines(
    recognizer: Recognizer,
    paths: Sequence[str],
    *,
    format: str,
    picture: Path | None = None,
    profile: SpeakerProfile | None = None,
    progress: Progress | None = None,
) -> list[Told]:
    """Listen to every recording; a folder stands for those in it and in its subfolders.

    Raises
    ------
    ConfigError
        The format, or a picture, holds a single recording, and there are several.
    """
    found = [one for path in paths for one in recordings(path)]
    if len(found) > 1 and (format in FORMATS and FORMATS[format].is_single or picture is not None):
        what = "a picture" if picture is not None else f"{format} output"
        raise ConfigError(f"{what} is of one recording, and {len(found)} are named; name one")
    return [
        Told(one.file, error=one.error) if isinstance(one, Answer) else _told(recognizer, one, profile, progress)
        for one in found
    ]


def _told(recognizer: Recognizer, path: str, profile: SpeakerProfile | None, progress: Progress | None) -> Told:
    try:
        return Told(path, recognizer.timeline(path, profile=profile, progress=progress))
    except EmotoneError as error:
        return Told(path, error=str(error))


def finish(told: Sequence[Told], *, format: str, picture: Path | None, threshold: float) -> None:
    """Print the timelines and draw the picture; the exit status is 1 if a recording could not be read."""
    _show(told, format=format, threshold=threshold)
    for one in told:
        if one.timeline is not None and picture is not None:
            from emotone.report.figures.style import save
            from emotone.report.figures.timeline import timeline_picture

            save(timeline_picture(one.timeline, name=output.one_line(Path(one.file).name)), picture)
    if any(one.timeline is None for one in told):
        raise typer.Exit(1)


def _show(told: Sequence[Told], *, format: str, threshold: float) -> None:
    done = [(one.file, one.timeline) for one in told if one.timeline is not None]
    if format == "json":
        both = [
            {"file": one.file, **(one.timeline.to_dict() if one.timeline else {"error": one.error})} for one in told
        ]
        print(json.dumps(both, indent=2))
    elif format == "csv":
        _print_csv(done)
    elif format == "table":
        _print_tables(done, threshold=threshold)
    else:
        for _, timeline in done:
            sys.stdout.write(FORMATS[format].write(timeline))
    for one in told:
        if one.timeline is None and format != "json":
            output.error(one.error)


def _print_csv(done: Sequence[tuple[str, Timeline]]) -> None:
    import csv
    import io

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape", newline="")  # file names that are no text come out as they are
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, (file, timeline) in enumerate(done):
        header, *rows = csv.reader(io.StringIO(FORMATS["csv"].write(timeline)))
        if number == 0:
            writer.writerow(["file", *header])
        writer.writerows([file, *row] for row in rows)


def _print_tables(done: Sequence[tuple[str, Timeline]], *, threshold: float) -> None:
    from rich.text import Text

    console = output.console(width=100)
    for number, (file, timeline) in enumerate(done):
        if number:
            console.print()
        console.print(Text(output.one_line(file)), style="bold")
        table = output.plain_table("from", "to", "emotion", "confidence", numbers=("from", "to"))
        for one in timeline.segments:
            share = f"{output.bar(one.confidence)} {100 * one.confidence:3.0f} %" if one.is_speech else ""
            table.add_row(
                clock(one.start_s, decimals=1),
                clock(one.end_s, decimals=1),
                output.coloured(one.label),
                output.coloured(one.label, share),
            )
        console.print(table if timeline.segments else "nobody speaks")
        shares = ", ".join(f"{label} {100 * share:.0f} %" for label, share in timeline.shares().items())
        spoken = f"{clock(timeline.spoken_s, decimals=1)} of {clock(timeline.duration_s, decimals=1)} is speech"
        console.print(f"{spoken}: {shares}" if shares else spoken, style="dim")
    if any(one.label == "unsure" for _, timeline in done for one in timeline.segments):
        console.print(f"unsure: no emotion reaches this model's threshold of {100 * threshold:.0f} %", style="dim")
