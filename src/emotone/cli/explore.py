"""The command ``explore``."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import command
from emotone.cli.settings import takes
from emotone.experiment.config import SETTINGS


@command(
    "explore ravdess --data data --out pages/ravdess",
    "explore ravdess --data data --out pages/pair --compare happy sad",
)
@takes(
    *("corpora", "data", "emotions", "labels", "channel", "seed", "out", "cache"),
    seed=replace(SETTINGS["seed"], group="Output"),
    out=replace(SETTINGS["out"], text="Folder to write.", metavar="DIR"),
)
def explore(
    settings: dict[str, Any],
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Also show which features separate these two emotions."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Describe a corpus in pictures and tables."""
    from emotone import explore as exploring

    with output.ProgressBar(quiet=quiet) as progress:
        page = exploring.explore(settings["corpora"], **_arguments(settings), pair=compare, progress=progress)
    output.print_next(f"Page: {page}", _train(settings))


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "corpora"}


def _train(settings: Mapping[str, Any]) -> list[str]:
    """Return the command that trains a model on the same clips."""
    words = ["train", *settings["corpora"], "--data", str(settings["data"])]
    if settings.get("channel"):
        words += ["--channel", str(settings["channel"])]
    if settings.get("emotions"):
        words += ["--emotions", ",".join(settings["emotions"])]
    for word, emotion in (settings.get("labels") or {}).items():
        words += ["--labels", f"{emotion}={word}"] if "," not in word else []  # a comma separates words there
    return [*words, "--out", "runs/svm"]
