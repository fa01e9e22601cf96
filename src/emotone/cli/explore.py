"""What ``emotone explore`` does: call, and give the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import _names, app
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


@app.command()
def explore(
    corpora: options.Corpora,
    data: options.Data,
    out: options.OutFolder,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Also tell what sets these two emotions apart.")
    ] = None,
    emotions: options.Emotions = "",
    channel: options.Channel = "speech",
    seed: options.Seed = 0,
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Show what a corpus holds and how its emotions sound: a page, with pictures and tables beside it."""
    pass

    with output.ProgressBar(quiet=quiet) as progress:
        page = run(
            corpora,
            data=data,
            out=out,
            pair=compare,
            emotions=_names(emotions) or None,
            channel=channel,
            seed=seed,
            cache=cache,
            progress=progress,
        )
    output.console().print(f"Page: {page}", markup=False, soft_wrap=True)
