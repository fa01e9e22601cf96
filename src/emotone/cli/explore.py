"""What ``emotone explore`` does: call, and give the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import Command, app, examples, parse_names
from emotone.progress import Progress


def run(
    corpora: Sequence[str],
    *,
    data: Path,
    out: Path,
    pair: tuple[str, str] | None,
    emotions: Sequence[str] | None,
    channel: str,
    seed: int,
    cache: Path | None,
    progress: Progress | None,
) -> Path:
    """Write the page of corpora; gives its path (see `emotone.explore.explore`)."""
    from emotone import explore

    return explore.explore(
        corpora,
        data,
        out=out,
        pair=pair,
        emotions=emotions,
        channel=channel,
        seed=seed,
        cache=cache,
        progress=progress,
    )


@app.command(
    cls=Command,
    epilog=examples(
        "explore ravdess --data data --out pages/ravdess",
        "explore ravdess --data data --out pages/pair --compare happy sad",
    ),
)
def explore(
    corpora: options.Corpora,
    data: options.Data,
    out: options.OutFolder,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Also show which features separate these two emotions."),
    ] = None,
    emotions: options.Emotions = "",
    channel: options.Channel = "speech",
    seed: options.Seed = 0,
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Describe a corpus in pictures and tables."""
    with output.ProgressBar(quiet=quiet) as progress:
        page = run(
            corpora,
            data=data,
            out=out,
            pair=compare,
            emotions=parse_names(emotions) or None,
            channel=channel,
            seed=seed,
            cache=cache,
            progress=progress,
        )
    output.console().print(f"Page: {page}", markup=False, soft_wrap=True)
