"""The command ``annotate``: the emotions of an archive of any size, as a Parquet data set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.cli.recordings import passed_over_text
from emotone.errors import ConfigError
from emotone.formatting import duration_text, size_text

if TYPE_CHECKING:
    from emotone.bulk.annotate import AnnotatedArchive
    from emotone.bulk.engines import Engine
    from emotone.bulk.estimate import Estimate
    from emotone.bulk.settings import AnnotateSettings


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    if name == "ray":
        from emotone.bulk.engines.ray import RayEngine

        return RayEngine(workers, address=address)
    if address is not None:
        raise typer.BadParameter(f"--address is {address!r}, which is for a cluster; leave it out, or add --engine ray")
    from emotone.bulk.engines import LocalEngine

    return LocalEngine(workers)


def _speakers(value: str | None) -> str | int | None:
    return int(value) if value is not None and value.isdecimal() else value


def _settings(**values: object) -> AnnotateSettings:
    """Return the settings; a wrong one is an error in the arguments."""
    from emotone.bulk.settings import AnnotateSettings

    try:
        return AnnotateSettings(**values)  # type: ignore[arg-type]
    except ConfigError as error:
        raise typer.BadParameter(f"{_as_options(str(error))}") from error


def _as_options(text: str) -> str:
    """Write settings as their options: speaker_from is --speaker-from."""
    for name in ("speaker_from", "source_profile", "time_limit_s", "part_files", "speakers", "embedding", "timeline"):
        option = {"time_limit_s": "time-limit"}.get(name, name.replace("_", "-"))
        text = text.replace(f"{name} is", f"--{option} is").replace(f"set {name}", f"add --{option}")
    return text


def _print_estimate(estimate: Estimate, *, workers: int) -> None:
    with_workers = f", {duration_text(estimate.seconds(max(workers, 1)))} with {workers} worker{'s' * (workers > 1)}"
    lines = [
        f"Recordings: {estimate.n_files:,}, about {duration_text(estimate.sound_s)} of sound",
        f"Work: about {duration_text(estimate.core_s)} of one core{with_workers if workers else ''}",
        f"Output: about {size_text(estimate.out_bytes)}",
        f"From {estimate.n_sampled} recordings, {estimate.n_failed} of which can't be predicted"
        + (f"; the first: {estimate.first_failure}" if estimate.first_failure else ""),
    ]
    output.print_lines(*lines)


def _print_summary(done: AnnotatedArchive) -> None:
    console = output.console()
    if done.passed_over:
        output.note(passed_over_text(Counter(done.passed_over)))
    if done.was_done:
        output.note("this run is done already; nothing was repeated")
    n_good = done.n_files - done.n_failures
    console.print(
        f"Recordings: {done.n_files:,}, {n_good:,} with an answer in {done.n_rows:,} rows, {done.n_failures:,} failed",
        highlight=False,
    )
    console.print(
        f"Sound: {duration_text(done.sound_s)} in {duration_text(done.seconds)}, "
        f"{done.files_per_s:,.1f} recordings a second",
        highlight=False,
    )
    output.print_lines(f"Rows: {done.out}/segments")
    if done.n_failures:
        output.print_lines(f"Failures: {done.out}/failures.parquet")
        output.note(f"the first failure: {done.first_failure}")
    if not n_good:
        raise typer.Exit(1)


@command("annotate calls/ --out calls-emotions", "annotate s3://bucket/calls --out s3://bucket/emotions --engine ray")
def annotate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Folders, recordings, patterns ('calls/**/*.wav'), manifests (CSV or Parquet with a column file), or "
            "addresses such as s3://bucket/calls.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel="Output",
            help="A new folder for the rows (Parquet), or that of a run to continue; also an address.",
            show_default="required, but for --dry-run",
        ),
    ] = None,
    model: options.Bundle = "default",
    timeline: Annotated[
        bool,
        typer.Option(
            "--timeline", rich_help_panel="Output", help="A row for each segment over time, not for each recording."
        ),
    ] = False,
    embedding: Annotated[
        bool,
        typer.Option("--embedding", rich_help_panel="Output", help="Add the mean embedding of the speech to each row."),
    ] = False,
    channel: options.Channel = "mix",
    track: options.Track = None,
    emotions: options.Emotions = None,
    threshold: options.Threshold = None,
    speakers: Annotated[
        str | None,
        typer.Option(
            metavar="auto|N|channels|one",
            rich_help_panel="Speakers",
            help="Who speaks in each recording, as in 'emotone timeline'; with --timeline.",
            show_default="auto; one with --speaker-from",
        ),
    ] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(
            metavar="parent-folder|COLUMN|REGEX",
            rich_help_panel="Speakers",
            help="Who speaks: the name of the recording's folder, a column of the manifest, or what a regular "
            "expression finds in the path. All recordings of a speaker are adapted to this voice.",
            show_default="not known",
        ),
    ] = None,
    adapt: options.Adapt = "auto",
    source_profile: options.SourceProfile = None,
    engine: options.Engine = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", rich_help_panel="Job", help="Processes of one thread.", show_default="one for each core"
        ),
    ] = None,
    address: options.Address = None,
    time_limit: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=86_400,
            metavar="SECONDS",
            rich_help_panel="Job",
            help="Give a recording up after so long without progress.",
        ),
    ] = 120.0,
    part_files: Annotated[
        int,
        typer.Option(
            min=1,
            max=100_000,
            metavar="N",
            rich_help_panel="Job",
            help="Recordings of a part of the output; a run that is killed loses the parts in work.",
        ),
    ] = 256,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", rich_help_panel="Job", help="Only list the recordings and estimate time and size."),
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the emotions of an archive of any size.

    Writes a Parquet data set in parts, the failures, and a description of the run. A run that was stopped goes on where
    it stopped when the same command is run again. The exit status is 1 if no recording has an answer.
    """
    settings = _settings(
        model=model,
        emotions=options.names(emotions),
        threshold=threshold,
        channel=channel,
        track=track,
        timeline=timeline,
        speakers=_speakers(speakers),
        adapt=adapt,
        source_profile=None if source_profile is None else str(source_profile),
        speaker_from=speaker_from,
        embedding=embedding,
        time_limit_s=time_limit,
        part_files=part_files,
    )
    if out is None and not dry_run:
        raise typer.BadParameter("--out is missing; name a new folder for the rows, or add --dry-run")
    chosen = _engine(engine, workers, address)
    with output.ProgressBar(quiet=quiet) as progress:
        if dry_run:
            from emotone.bulk.estimate import estimate

            estimated = estimate(inputs, settings=settings, progress=progress)
        else:
            from emotone.bulk.annotate import annotate as annotate_archive

            assert out is not None
            done = annotate_archive(inputs, out, settings=settings, engine=chosen, progress=progress)
    if dry_run:
        _print_estimate(estimated, workers=chosen.workers)
    else:
        _print_summary(done)
