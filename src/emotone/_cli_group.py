"""How the commands end: what a user can mend becomes one line and an exit status, never a traceback."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from emotone import _cli_output as output
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
