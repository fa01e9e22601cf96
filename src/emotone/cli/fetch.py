"""The command ``fetch``: download a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.corpora.registry import CORPORA

_NAMES = ", ".join(name for name, info in CORPORA.items() if info.source)


@command("fetch ravdess", "fetch ravdess --to corpora")
def fetch(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help=f"Corpus: {_NAMES}.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Data folder; the corpus gets a folder in it.")] = Path(
        "data"
    ),
    quiet: options.Quiet = False,
) -> None:
    """Download a corpus and verify it.

    An interrupted download continues where it stopped.
    """
    from emotone.corpora.fetch import fetch as fetching

    for line in fetching.notice(corpus).splitlines():
        output.note(line)
    with output.ProgressBar(quiet=quiet) as progress:
        folder = fetching.fetch(corpus, to=to, progress=progress)
    typer.echo(output.one_line(folder))
