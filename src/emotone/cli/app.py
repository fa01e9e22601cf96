"""How the commands end: what a user can mend becomes one line and an exit status, never a traceback."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emotone._version import __version__
from emotone.cli import console as output
from emotone.errors import EmotoneError

_RESUMABLE = ("train", "compare", "fetch")


class Group(TyperGroup):
    """Turns what a user can mend into one line and an exit status, never a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
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


app = typer.Typer(
    cls=Group,
    help="Which emotion a voice carries, and how far that answer can be trusted.",
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


def _names(value: str) -> tuple[str, ...]:
    """Split ``a,b,c``."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that belong to no command."""
