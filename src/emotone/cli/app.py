"""How the commands end: what a user can mend becomes one line and an exit status, never a traceback."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from emotone._version import TAGLINE, __version__
from emotone.cli import console as output
from emotone.errors import EmotoneError

_RESUMABLE = ("train", "compare", "fetch")
#: Stands for a hyphen while help is wrapped: names such as random-forest are not broken.
_HYPHEN = "\0"
#: Commands in the order of the help; those that predict come first.
_ORDER = (
    *("predict", "timeline", "listen", "serve"),
    *("train", "compare", "evaluate", "report", "explore", "fetch"),
)


class Group(TyperGroup):
    """Turns what a user can mend into one line and an exit status, never a traceback."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names of the commands, in the order of the help."""
        return sorted(self.commands, key=_ORDER.index)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a command; exit with 1, or 130 after Ctrl-C."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except EmotoneError as error:
            output.error(error)
        except BrokenPipeError:
            # The reader of a pipe (head) has what it wanted; Python must not complain when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            output.error(f"{error}; check the path, its permissions and the space on the disk")
        except MemoryError:
            output.error("out of memory; close other programs, or take fewer or shorter recordings")
        except ImportError as error:
            output.error(output.missing(error))
        except KeyboardInterrupt as error:
            resumes = ctx.invoked_subcommand in _RESUMABLE
            output.note("interrupted" + ("; run the same command again, and it goes on from here" if resumes else ""))
            raise typer.Exit(130) from error
        raise typer.Exit(1)


class Command(TyperCommand):
    """A command whose help shows options in groups: each under the ``rich_help_panel`` of its option."""

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write arguments, then each group of options, then the rest."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        others = []
        for parameter in self.get_params(ctx):
            name, text = parameter.get_help_record(ctx) or ("", "")
            record = (name, text.replace("-", _HYPHEN))
            group = getattr(parameter, "rich_help_panel", None)
            if not name:
                continue
            if parameter.param_type_name == "argument":
                groups["Arguments"].append(record)
            elif group:
                groups.setdefault(f"{group} options", []).append(record)
            else:
                others.append(record)
        for title, records in (groups | {"Options": others}).items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        formatter.buffer = [text.replace(_HYPHEN, "-") for text in formatter.buffer]


def examples(*commands: str) -> str:
    """Return the end of a command's help: examples, one a line, that are not wrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  emotone {command}" for command in commands)


app = typer.Typer(
    cls=Group,
    help=TAGLINE,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # without boxes the help of train is half as long
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emotone {__version__}")
        raise typer.Exit()


def parse_names(value: str) -> tuple[str, ...]:
    """Split ``a,b,c``."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that belong to no command."""
