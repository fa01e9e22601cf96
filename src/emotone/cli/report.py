"""The command ``report``: the page of a run, or a page that compares runs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.errors import ConfigError
from emotone.progress import Progress

#: The page of a run, in its directory; and the page that compares runs, in the current folder.
PAGE, PAGES = "report.html", "runs.html"


def run(runs: Sequence[Path], *, out: Path | None, progress: Progress) -> Path:
    """Write the page.

    Parameters
    ----------
    runs
        Run directories; duplicates are ignored.
    out
        The file to write; None: ``report.html`` in the run's directory, or ``runs.html`` here for several runs.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        A folder holds no finished run, or ``out`` is a folder.
    MissingExtraError
        jinja2 or matplotlib is not installed.
    """
    from emotone import files

    folders = list(dict.fromkeys(Path(folder).resolve() for folder in runs))
    if not folders:
        raise ConfigError("no run is named; expected at least one run directory")
    target = out or (Path(runs[0]) / PAGE if len(folders) == 1 else Path(PAGES))
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; expected the name of the page, such as {target / PAGE}")
    if len(folders) == 1:
        from emotone.report.pages import run as run_html

        progress(0, 1, f"the page of {folders[0].name}")
        page = run_html.page(folders[0])
        progress(1, 1, "done")
    else:
        from emotone.report.pages import comparison as comparison_page
        from emotone.runs.comparison import compare_runs, names_of

        links = _links(dict(zip(names_of(folders), folders, strict=True)), target)
        page = comparison_page.page(compare_runs(folders, progress=progress), links=links)
    files.write_text(target, page)
    return target


def _links(folders: Mapping[str, Path], target: Path) -> dict[str, str]:
    """Return name of a run -> relative address of its page from ``target``, for runs that have a page."""
    return {
        name: quote(Path(os.path.relpath(folder / PAGE, target.resolve().parent)).as_posix())
        for name, folder in folders.items()
        if (folder / PAGE).is_file()
    }


@command("report runs/svm", "report runs/svm runs/mlp --out runs.html")
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories; several are compared.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML file to write.", show_default="RUN/report.html; runs.html"),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Write the HTML report of a run again, or compare runs."""
    with output.ProgressBar(quiet=quiet) as progress:
        page = run(runs, out=out, progress=progress)
    output.print_next(f"Page: {page}", _next(runs[0]))


def _next(folder: Path) -> list[str]:
    """Return the command that tests the model of a run on a corpus that it was not trained on."""
    from emotone.corpora.registry import CORPORA, find
    from emotone.runs import folder as run_folder
    from emotone.runs.layout import MODEL

    config = run_folder.read(folder).config
    trained = {info.name for info in map(find, config["corpora"]) if info is not None}
    other = next((name for name in CORPORA if name not in trained), "other.csv")
    return ["evaluate", str(folder / MODEL), other, "--data", str(config["data"])]
