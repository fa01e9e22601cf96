"""The command ``fetch``: download a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.corpora.registry import CORPORA
from emotone.errors import ByHandError

_NAMES = ", ".join(name for name, info in CORPORA.items() if info.source)


@command("fetch ravdess", "fetch ravdess --to corpora")
def fetch(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS", help=f"Name of a corpus. {_NAMES} can be downloaded; for others, the steps are printed."
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Data folder; the corpus gets a folder in it.")] = Path(
        "data"
    ),
    quiet: options.Quiet = False,
) -> None:
    """Download a corpus and verify it.

    An interrupted download continues where it stopped. For a corpus that can't be downloaded, the steps to get it are
    printed, and the exit status is 1.
    """
    from emotone.corpora.fetch import fetch as fetching

    for line in fetching.notice(corpus).splitlines():
        output.note(line)
    try:
        with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
            folder = fetching.fetch(corpus, to=to, progress=progress)
    except ByHandError as error:  # nothing went wrong, but a script must not go on without the corpus
        for line in error.steps:
            output.print_on_stderr(output.one_line(line))
        raise typer.Exit(1) from error
    typer.echo(output.one_line(folder))
