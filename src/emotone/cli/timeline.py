"""The command ``timeline``: emotion over time."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.answers import Answer, Answers
from emotone.cli.app import command
from emotone.cli.profiles import Reading, check_adapt, profile_of
from emotone.cli.recordings import recordings
from emotone.cli.timeline_table import print_tables
from emotone.cli.voices import check_rttm, check_speakers, known_voices
from emotone.errors import ConfigError
from emotone.formatting import plain_cell
from emotone.progress import Progress
from emotone.recognition.rttm import recording_ids, to_rttm
from emotone.recognition.timeline_formats import FORMATS, TimelineFormat, format_for
from emotone.report.figures.required import check_matplotlib

if TYPE_CHECKING:
    from emotone.recognition.timeline import Timeline

_FORMAT_NAMES = "|".join(("table", *FORMATS))
_SUFFIXES = ", ".join(form.suffix for form in FORMATS.values())
_FOR_ONE = ", ".join(name for name, form in FORMATS.items() if form.is_single)
_FOR_SEVERAL = " or ".join(("table", *(name for name, form in FORMATS.items() if not form.is_single)))


def _check_format(name: str) -> str:
    if name != "table" and name not in FORMATS:
        raise typer.BadParameter(f"--format is {name!r}; expected {_FORMAT_NAMES}")
    return name


def _check_outputs(
    files: Sequence[str],
    *,
    out: Path | None,
    picture: Path | None,
    profile: Path | None,
    inputs: Iterable[str | Path | None] = (),
) -> None:
    """Refuse, before the work begins, an output that can't be written or that replaces a file of this command."""
    if out is not None:
        format_for(str(out))
    if picture is not None and picture.suffix.lower() != ".png":
        raise typer.BadParameter(f"{picture}: the picture is a PNG file; expected a name that ends in .png")
    if picture is not None:
        check_matplotlib("a picture")
    taken = {os.path.realpath(name): "a file that this command reads" for name in inputs if name is not None}
    taken |= {os.path.realpath(file): "a recording" for file in files}
    for name, target in (("--out", out), ("--picture", picture), ("--save-profile", profile)):
        if target is None:
            continue
        path = os.path.realpath(target)
        if path in taken:
            raise typer.BadParameter(f"{name} would replace {target}, which is {taken[path]}; give another name")
        if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path)):
            raise typer.BadParameter(f"{name} {target} can't be written: expected a file in a folder that exists")
        taken[path] = f"the file of {name}"


def _check_number(files: Sequence[object], *, format: str, has_output: bool) -> None:
    """Refuse several recordings if the format, or a file or picture, holds only one."""
    if len(files) > 1 and (has_output or format in FORMATS and FORMATS[format].is_single):
        what = "--out and --picture are" if has_output else f"--format {format} is"
        raise ConfigError(
            f"{what} for one recording, and there are {len(files)}; name one file, or print several with --format "
            f"{_FOR_SEVERAL}"
        )


def _show(
    answers: Iterable[Answer[Timeline]], files: Sequence[str], *, format: str, threshold: float, is_automatic: bool
) -> None:
    """Print each timeline when it is done, and the errors on stderr; in JSON they are part of the list."""
    if format == "json":
        output.print_json(answer.to_dict() for answer in answers)
        return
    done = _done(answers)
    if FORMATS.get(format) and FORMATS[format].media_type == "text/csv":
        output.print_csv(_csv_rows(done, FORMATS[format]))
    elif format == "table":
        print_tables(done, threshold=threshold, is_automatic=is_automatic)
    elif format == "rttm":
        ids = recording_ids(files)
        for file, timeline in done:
            sys.stdout.write(to_rttm(timeline, recording=ids[file]))
    else:
        for _, timeline in done:
            sys.stdout.write(FORMATS[format].write(timeline))


def _done(answers: Iterable[Answer[Timeline]]) -> Iterator[tuple[str, Timeline]]:
    """Yield the files that have a timeline; print the errors of the others on stderr."""
    for answer in answers:
        if answer.result is None:
            output.error(answer.error)
        else:
            yield answer.file, answer.result


def _csv_rows(done: Iterable[tuple[str, Timeline]], form: TimelineFormat) -> Iterator[Sequence[object]]:
    """Yield the rows of all recordings under one header; the first column is the file."""
    for number, (file, timeline) in enumerate(done):
        header, *rows = ([*map(plain_cell, row)] for row in csv.reader(io.StringIO(form.write(timeline))))
        has_file = header[0] == "file"
        if number == 0:
            yield header if has_file else ["file", *header]
        yield from rows if has_file else ([file, *row] for row in rows)


def _save(file: str, timeline: Timeline, *, out: Path | None, picture: Path | None) -> None:
    if out is not None:
        timeline.save(out)
    if picture is not None:
        from emotone.report.figures.style import save
        from emotone.report.figures.timeline import timeline_picture

        save(timeline_picture(timeline, name=output.one_line(Path(file).name)), picture)


@command("timeline meeting.wav --out meeting.vtt", "timeline call.wav --speakers channels")
def timeline(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Recordings, or folders of them; - is standard input.")
    ],
    model: options.Bundle = "default",
    format: Annotated[
        str,
        typer.Option(
            metavar=_FORMAT_NAMES,
            help=f"Format of what is printed; the guide describes them. {_FOR_ONE} are for one recording.",
            callback=_check_format,
        ),
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Write the timeline of one recording to this file; its suffix sets the format: {_SUFFIXES}.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the timeline of one recording into this PNG file (extra plot)."),
    ] = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    raw: options.Raw = None,
    emotions: options.Emotions = None,
    threshold: options.Threshold = None,
    speakers: options.Speakers = None,
    voices: options.Voices = None,
    adapt: options.Adapt = "auto",
    adapt_to: options.AdaptTo = None,
    source_profile: options.SourceProfile = None,
    save_profile: options.SaveProfile = None,
    quiet: options.Quiet = False,
) -> None:
    """Predict emotion over time in recordings of any length.

    If a file can't be read, the others are still predicted, and the exit status is 1.
    """
    from emotone.recognition.recognizer import Recognizer

    check_adapt(adapt, source_file=source_profile)
    who = check_speakers(speakers, adapt_to=adapt_to, voices=voices)
    inputs = (speakers, adapt_to, source_profile)
    _check_outputs(files, out=out, picture=picture, profile=save_profile, inputs=inputs)
    raw_format = options.raw_format(raw, track=track)
    recognizer = Recognizer(model, emotions=options.names(emotions), threshold=threshold)
    adapts = adapt == "auto" and recognizer.adapts
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        reading = Reading(channel, track, raw_format)
        profile = profile_of(
            recognizer,
            adapt_to,
            reading=reading,
            source_file=source_profile,
            save_to=save_profile,
            progress=progress,
        )
        known = known_voices(recognizer, voices, progress=progress)
        is_automatic = adapts and (profile is None or not profile.adapted["source"])
        paths = recordings(files, raw=raw_format)
        reading = replace(reading, has_several=len(paths) > 1)
        _check_number(paths, format=format, has_output=out is not None or picture is not None)
        check_rttm(who, n_recordings=len(paths))

        def predict_file(path: str, progress: Progress) -> Timeline:
            made = recognizer.timeline(
                reading.source(path),
                channel=channel,
                track=track,
                profile=profile,
                adapt=adapts,
                speakers=who,
                voices=known,
                progress=progress,
            )
            made = replace(made, file=path)  # the recognizer does not know the name of standard input and of raw sound
            _save(path, made, out=out, picture=picture)
            return made

        answers = Answers(paths, predict_file, progress=progress)
        if out is None:
            names = [path if isinstance(path, str) else path.file for path in paths]
            _show(answers, names, format=format, threshold=recognizer.threshold, is_automatic=is_automatic)
        else:
            for _ in _done(answers):
                if sys.stdout.writable():  # not if it was closed
                    output.print_lines(f"Timeline: {out}")
    answers.finish()
