"""The command ``timeline``: emotion over time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import Command, app, examples
from emotone.cli.recordings import Answer, profile_of, recordings
from emotone.errors import ConfigError, EmotoneError
from emotone.formatting import clock
from emotone.progress import Progress
from emotone.recognition.timeline_formats import FORMATS, format_for

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile
    from emotone.recognition.recognizer import Recognizer
    from emotone.recognition.timeline import Timeline


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
    single: bool = False,
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
    if len(found) > 1 and (format in FORMATS and FORMATS[format].is_single or single):
        what = "a file or picture" if single else f"{format} output"
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


def _format(name: str) -> str:
    if name != "table" and name not in FORMATS:
        raise typer.BadParameter(f"{name!r} is not a format; expected one of {_FORMAT_NAMES}")
    return name


def _check_outputs(files: Sequence[str], *, out: Path | None, picture: Path | None, profile: Path | None) -> None:
    """Refuse, before the work begins, an output that can't be written or that replaces a file of this command."""
    if out is not None:
        format_for(str(out))
    if picture is not None and picture.suffix.lower() != ".png":
        raise typer.BadParameter(f"{picture}: the picture is a PNG file; expected a name that ends in .png")
    taken = {os.path.realpath(file): "a recording" for file in files}
    for name, target in (("--out", out), ("--picture", picture), ("--save-profile", profile)):
        if target is None:
            continue
        place = os.path.realpath(target)
        if place in taken:
            raise typer.BadParameter(f"{name} would replace {target}, which is {taken[place]}; give another name")
        if os.path.isdir(place) or not os.path.isdir(os.path.dirname(place)):
            raise typer.BadParameter(f"{name} {target} can't be written: expected a file in a folder that exists")
        taken[place] = f"the file of {name}"


_FORMAT_NAMES = "|".join(("table", *FORMATS))


@app.command(cls=Command, epilog=examples("timeline meeting.wav", "timeline meeting.wav --out meeting.vtt"))
def timeline(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings, or folders of them.")],
    model: options.Bundle = "default",
    format: Annotated[
        str, typer.Option(metavar=_FORMAT_NAMES, help="Output format; vtt is WebVTT subtitles.", callback=_format)
    ] = "table",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file; the format follows its suffix.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the timeline into this PNG file.")] = None,
    adapt_to: options.AdaptTo = None,
    save_profile: options.SaveProfile = None,
    quiet: options.Quiet = False,
) -> None:
    """Predict emotion over time in recordings of any length.

    If a file can't be read, the others are still predicted, and the exit status is 1.
    """
    from emotone.recognition.recognizer import Recognizer

    _check_outputs(files, out=out, picture=picture, profile=save_profile)
    recognizer = Recognizer(model)
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        profile = profile_of(recognizer, adapt_to, save_to=save_profile, progress=progress)
        done = timelines(
            recognizer,
            files,
            format=format,
            single=out is not None or picture is not None,
            profile=profile,
            progress=progress,
        )
    for result in done:
        if result.timeline is not None and out is not None:
            result.timeline.save(out)
        if result.timeline is not None and picture is not None:
            from emotone.report.figures.style import save
            from emotone.report.figures.timeline import timeline_picture

            save(timeline_picture(result.timeline, name=output.one_line(Path(result.file).name)), picture)
    if out is None:
        _show(done, format=format, threshold=recognizer.threshold)
    else:
        for result in done:
            if result.timeline is None:
                output.error(result.error)
        if any(result.timeline is not None for result in done):
            output.console().print(f"Timeline: {out}", markup=False, soft_wrap=True)
    if any(result.timeline is None for result in done):
        raise typer.Exit(1)
