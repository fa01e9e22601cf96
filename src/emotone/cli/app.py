"""What all commands share: help in groups, short errors, exit codes."""

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from emotone.cli import console as output
from emotone.cli import warned
from emotone.cli.interrupts import Terminated, check_interrupts, raised
from emotone.errors import EmotoneError

_RESUMABLE = ("train", "compare", "fetch", "annotate")
#: Replaces hyphens while help is wrapped, so that names such as random-forest are not broken.
_HYPHEN = "\0"
#: Groups of options in the order of the help.
_GROUPS = ("Data", "Recording", "Model", "Training", "Evaluation", "Speakers", "Adaptation", "Request", "Job", "Output")
_TITLES = ("Arguments", *(f"{group} options" for group in _GROUPS), "Options")
_DISK = "check the path, its permissions and the space on the disk"
#: Base class of errors in the arguments; from here, since some versions of Typer contain a copy of click.
_UsageError: Any = typer.BadParameter.__base__


class Group(TyperGroup):
    """Turn errors that a user can fix into one line and an exit code."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments before the command; exit with 2 if they are wrong."""
        output.prepare_streams()
        has_arguments = bool(args)
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            raise (_exit_usage(error) if has_arguments else error) from error  # without arguments it shows the help
        except EmotoneError as error:  # --help on a closed stdout
            output.error(error)
            raise typer.Exit(1) from error
        except BrokenPipeError:
            raise  # typer itself ends the process in silence
        except OSError as error:  # --help into a file on a full disk
            output.error(f"{error}; {_DISK}")
            raise typer.Exit(1) from error

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Return the parameters, with that of the help."""
        return _take_plain_values(super().get_params(ctx))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a command; exit with 1 after an error, 2 after wrong arguments, 130 after Ctrl-C, 143 after SIGTERM."""
        try:
            return self._run(ctx)
        except EmotoneError as error:
            output.error(error)
        except _UsageError as error:
            raise _exit_usage(error, command=ctx.invoked_subcommand) from error
        except BrokenPipeError:
            # The reader of a pipe (head) has closed it; Python must not complain when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            output.error(f"{error}; {_DISK}")
        except MemoryError:
            output.error("out of memory; close other programs, or pass fewer or shorter recordings")
        except ImportError as error:
            output.error(output.missing(error))
        except KeyboardInterrupt as error:
            remedy = "run the same command again to continue" if ctx.invoked_subcommand in _RESUMABLE else ""
            output.note("; ".join(filter(None, ("interrupted", str(error), remedy))))
            raise typer.Exit(143 if isinstance(error, Terminated) else 130) from error
        raise typer.Exit(1)

    def _run(self, ctx: typer.Context) -> Any:
        try:
            with raised(), warned.gathered():
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
        except (EmotoneError, ImportError):
            check_interrupts()  # a signal can be the cause: an import or a callback from C code was cut
            raise


class Command(TyperCommand):
    """A command whose help shows options in groups: each under the ``rich_help_panel`` of its option."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Return the parameters, with that of the help."""
        return _take_plain_values(super().get_params(ctx))

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the arguments, then each group of options."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in _TITLES}
        for parameter in self.get_params(ctx):
            name, text = parameter.get_help_record(ctx) or ("", "")
            panel = getattr(parameter, "rich_help_panel", None)
            title = f"{panel} options" if panel else "Options"
            if parameter.param_type_name == "argument":
                title = "Arguments"
            if name:
                groups[title].append((name, text.replace("-", _HYPHEN)))
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        formatter.buffer = [text.replace(_HYPHEN, "-") for text in formatter.buffer]


def command(*examples: str) -> Callable[[Callable[..., None]], TyperCommand]:
    """Make a command of a function; its help ends with the examples, one a line.

    Parameters
    ----------
    examples
        Command lines without ``emotone``.
    """
    epilog = "\b\nExamples:\n" + "\n".join(f"  emotone {example}" for example in examples)

    def build(function: Callable[..., None]) -> TyperCommand:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(cls=Command, epilog=epilog)(function)
        built: Any = typer.main.get_command(alone)
        return built  # type: ignore[no-any-return]

    return build


def _take_plain_values(parameters: list[Any]) -> list[Any]:
    """Let parameters take values that have their type already, without Typer's check."""
    for parameter in parameters:
        checked = getattr(parameter, "get_runtime_param", None)  # since Typer 0.29
        if checked is not None and not isinstance(checked, partial):
            parameter.get_runtime_param = partial(_PlainValues, checked)
    return parameters


class _PlainValues:
    """Take values that have their type already, and leave others to Typer.

    Newer versions of Typer check every value with pydantic, whose import takes a fifth of the time to a first answer.

    Parameters
    ----------
    checked
        Returns what Typer checks the values of a parameter with.
    """

    def __init__(self, checked: Callable[[], Any]) -> None:
        self._checked = checked

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of a parameter, as Typer's own method of this name."""
        descriptor = param.type_descriptor
        is_several = param.multiple or param.nargs == -1
        if value is None:
            return () if is_several else None
        if descriptor.parameter_info.parser is None and descriptor.file_annotation is None:
            texts = value if is_several and isinstance(value, list | tuple) else [value]
            if descriptor.annotation == (list[str] if is_several else str) and all(type(text) is str for text in texts):
                return list(texts) if is_several else value
            if get_origin(descriptor.annotation) is Literal and type(value) is str and value in descriptor.choices:
                return value
        return self._checked().coerce(value, param=param, ctx=ctx)


def _exit_usage(error: Any, *, command: str | None = None) -> typer.Exit:
    """Print what is wrong with the arguments; return the exit code 2."""
    path = error.ctx.command_path if error.ctx else f"emotone {command or ''}".strip()
    text = _usage_text(error).rstrip(".")
    output.error(f"{text}{'' if text.endswith('?') else '.'} See '{path} --help'")
    return typer.Exit(2)


def _usage_text(error: Any) -> str:
    """Give finding and expectation of an error in the arguments, without the words of Typer and pydantic."""
    kind, parameter = type(error).__name__, getattr(error, "param", None)
    if kind == "NoSuchOption":
        near = f"; did you mean {' or '.join(sorted(error.possibilities))}?" if error.possibilities else ""
        return f"unknown option {error.option_name}{near}"
    if parameter is not None:
        name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        if kind == "MissingParameter":
            return f"{name} is missing ({(parameter.help or '').rstrip('.')})"
        # Typer checks values with pydantic, whose error holds the value.
        for item in error.__cause__.errors() if hasattr(error.__cause__, "errors") else ():
            return f"{name} is {item['input']!r}; expected {_expected(parameter.type_descriptor)}"
        return str(error.message)
    unknown = re.match(r"No such command '(.*?)'", error.message)
    if unknown:
        return f"unknown command {unknown[1]!r}; expected {', '.join(error.ctx.command.list_commands(error.ctx))}"
    return str(error.message)


def _expected(descriptor: Any) -> str:
    """Describe the values of an option: names, or whole numbers with their range."""
    if descriptor.choices:
        return ", ".join(descriptor.choices)
    low, high = descriptor.parameter_info.min, descriptor.parameter_info.max
    number = "a number" if "float" in str(descriptor.annotation) else "a whole number"
    return " ".join((number, *([f"from {low:g}"] if low is not None else []), *([f"to {high:g}"] if high else [])))
