"""The command ``benchmark``: Emotone's speed beside other programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emotone import files
from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.answers import Answer
from emotone.cli.app import command
from emotone.cli.recordings import recordings
from emotone.errors import AudioError
from emotone.report.figures.required import check_matplotlib


@command("benchmark", "benchmark recordings/ --json speed.json --picture speed.png")
def benchmark(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|DIR]...", help="Recordings; without any, clips of 4 s at 48 kHz are made."),
    ] = None,
    pairs: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Pairs of each row; what takes milliseconds is timed several times as often."
        ),
    ] = 9,
    rows: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these rows, with commas; JSON has their keys.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the report as JSON.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Also draw the report (extra plot).")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure Emotone's speed beside other programs.

    On one core with one thread, in pairs, which take turns to be first.  Programs that are not installed are skipped.
    """
    from emotone.benchmark import benchmark as measure

    if picture is not None:
        check_matplotlib("a picture")
    listed = recordings(paths or [])
    for entry in listed:
        if isinstance(entry, Answer):
            raise AudioError(entry.error)
    with output.ProgressBar(quiet=quiet) as progress:
        report = measure(
            [str(entry) for entry in listed],
            pairs=pairs,
            rows=options.parse_names(rows) if rows is not None else (),
            progress=progress,
        )
    _print(report)
    if json_file is not None:
        files.write_json(json_file, report)
    if picture is not None:
        _draw(report, picture)


def _print(report: dict[str, Any]) -> None:
    from emotone.benchmark import cells, headers

    table = output.plain_table(*headers, numbers=("Emotone", "time", "required", "hoped for"))
    for row in report["rows"]:
        table.add_row(*cells(row))
    console = output.console(width=200)
    console.print(table)
    inputs, machine = report["inputs"], report["machine"]
    kind = "synthesised clips" if inputs["synthesised"] else "recordings"
    console.print(
        f"{inputs['files']} {kind}, mean length {inputs['mean_s']:.1f} s ({inputs['mean_trimmed_s']:.1f} s without the "
        f"silence around the voice); {machine['cpu']}, one core, one thread",
        markup=False,
        soft_wrap=True,
    )
    for reason in dict.fromkeys(row["skipped"] for row in report["rows"] if "skipped" in row):
        output.note(f"skipped: {reason}")


def _draw(report: dict[str, Any], picture: Path) -> None:
    from emotone.report.figures import speed, style

    style.save(speed.speed_picture(report), picture)
