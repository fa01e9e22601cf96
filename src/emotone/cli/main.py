"""The command line: parse, call, print."""

import gc
from importlib import import_module
from typing import Annotated, Any

import typer

from emotone._version import TAGLINE, __version__
from emotone.cli.app import Group
from emotone.cli.interrupts import handle_signals

#: Command -> the first line of its help, in the order of the help; those that predict come first.
#: A command's module, which has its name, is imported when the command runs: `emotone --help` stays fast.
COMMANDS = {
    "predict": "Predict the emotion of recordings.",
    "timeline": "Predict emotion over time in recordings of any length.",
    "annotate": "Predict the emotions of an archive of any size.",
    "listen": "Predict emotion from the microphone.",
    "serve": "Serve the web page, the HTTP API and live streams.",
    "web": "Write a page that needs no server.",
    "train": "Train a model, evaluate it, and save it.",
    "compare": "Compare models on the same folds.",
    "evaluate": "Evaluate a trained model on another corpus.",
    "report": "Write the HTML report of a run again, or compare runs.",
    "push": "Push a model to the Hugging Face hub.",
    "explore": "Describe a corpus in pictures and tables.",
    "fetch": "Download a corpus and verify it.",
    "benchmark": "Measure Emotone's speed beside other programs.",
}


#: Command -> the extra that it needs.
EXTRAS = {
    **{"annotate": "annotate", "listen": "live", "serve": "serve"},
    **dict.fromkeys(("train", "compare", "evaluate", "report", "explore"), "train"),
}


class _Commands(Group):
    """The commands, each imported when it is first used."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        return getattr(import_module(f"emotone.cli.{cmd_name}"), cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        with formatter.section("Commands"):
            rows = [(name, f"{text} [{EXTRAS[name]}]" if name in EXTRAS else text) for name, text in COMMANDS.items()]
            formatter.write_dl(rows)
        with formatter.section("Extras"):
            formatter.write_text("A command needs the extra in brackets; without it, its error says how to install it.")


app = typer.Typer(
    name="emotone",
    cls=_Commands,
    help=TAGLINE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # without boxes the help of train is half as long
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emotone {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that belong to no command."""


def main() -> None:
    """Run the command line of this process."""
    # Imports make many objects and no garbage: a twentieth of the time to a first answer would be spent in looking.
    gc.set_threshold(50_000)
    handle_signals()
    app(prog_name="emotone")
