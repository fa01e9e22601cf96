"""What the commands print: errors in one line, a progress bar, tables.  rich is imported where it is first used."""

import codecs
import contextlib
import io
import json
import math
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from emotone.errors import EmotoneError, MissingExtraError
from emotone.formatting import csv_cell, percent, threshold_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from emotone.recognition.prediction import Prediction

#: Terminal colours of emotions.
COLOURS = {
    "neutral": "white",
    "calm": "cyan",
    "happy": "yellow",
    "sad": "blue",
    "angry": "red",
    "fearful": "magenta",
    "disgust": "green",
    "surprised": "bright_yellow",
    "boredom": "bright_black",
}
_BAR_WIDTH = 8
#: The limit of a model without a check for speech.
NOT_CHECKED = "this model does not check for speech: silence, noise and music get an emotion too"
#: Columns of what is no terminal: no table is wider.
_WIDTH_OF_PIPES = 1000
#: Extras that are no remedy for a whole command: packages of tests and comparisons, of pictures or MLflow alone.
_NOT_FOR_COMMANDS = ("benchmark", "dev", "plot", "mlflow")
#: Seconds between two lines of progress in a log.
_LINE_EVERY_S = 30.0
#: What is printed in place of a character that an encoding such as ASCII or cp437 lacks.
_SUBSTITUTES = {"━": "#", "─": "-", "…": "~", "–": "-", "’": "'"}


def _substituted(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Return what is written in place of characters that an encoding lacks; a handler for `codecs.register_error`.

    Bytes of file names that are not valid text are written as they are, and other characters as ``\uXXXX``.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return character.encode("utf-8", "surrogateescape"), error.start + 1
    escaped = character.encode("ascii", "backslashreplace").decode()
    return _SUBSTITUTES.get(character, escaped), error.start + 1


codecs.register_error("emotone", _substituted)


class _ClosedStdout(io.TextIOBase):
    """Replaces a stdout that was closed (``>&-``), which Python gives as None; writing raises `EmotoneError`."""

    def write(self, text: str, /) -> int:
        raise EmotoneError("stdout is closed, so nothing can be printed; leave it open, or redirect it to a file")

    def writable(self) -> bool:
        return False


def prepare_streams() -> None:
    """Let stdout and stderr accept every character, also one that their encoding lacks; replace closed ones.

    What is written on a closed stderr is dropped.
    """
    if sys.stdout is None or sys.stderr is None:
        # Files that are opened later must not get the numbers of the standard streams, on which libraries may write.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
        sys.stdout = sys.stdout or _ClosedStdout()
        sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="emotone")


def error(message: object) -> None:
    """Print ``error: ...`` on stderr, in one line; red on a terminal."""
    print_on_stderr(f"error: {one_line(message)}", colour="red")


def note(message: object) -> None:
    """Print a line on stderr; yellow on a terminal."""
    print_on_stderr(one_line(message), colour="yellow")


def print_on_stderr(line: str, *, colour: str | None = None) -> None:
    """Print a line on stderr, where it disturbs no output that is read by a program; nothing if it is empty."""
    if not line:
        return
    with contextlib.suppress(BrokenPipeError):  # its reader is gone, and the answers go to stdout
        typer.secho(line, fg=colour, file=sys.stderr)


def missing(error: ImportError) -> str:
    """Name the extra that installs a missing package; raise the error again if no extra does."""
    from importlib import metadata

    name = (error.name or "").partition(".")[0]
    distribution = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}.get(name, name)
    extras = []
    for requirement in metadata.requires("emotone") or ():
        required, _, marker = requirement.partition(";")
        if name and re.split(r"[^\w.-]", required.strip())[0] == distribution and "extra ==" in marker:
            extras.append(marker.split("extra ==")[1].strip(" '\""))
    if extras:
        # several extras have the same package: the one of its name, then those that are not for comparisons or tests
        extra = min(extras, key=lambda extra: (extra != name, extra in _NOT_FOR_COMMANDS, extra))
        return str(MissingExtraError(f"this command ({name})", extra=extra))
    raise error


def one_line(message: object) -> str:
    r"""Return a text without line ends, with control characters escaped.

    Examples
    --------
    >>> print(one_line("a file\x1b[31m\nname"))
    a file\x1b[31m name
    """
    text = str(message).replace("\n", " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def displayed(text: str) -> str:
    """Return `one_line` of a text with the characters that stdout can show, so that its width is known."""
    encoding = sys.stdout.encoding or "utf-8"
    return one_line(text).encode(encoding, "emotone").decode(encoding)


def console(*, width: int = _WIDTH_OF_PIPES) -> "Console":
    """Return a rich console on stdout; ``width`` applies if stdout is no terminal, so that no line is cut there."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def print_lines(*lines: object) -> None:
    """Print texts that may hold names from elsewhere on stdout, each in one line."""
    for line in lines:
        console().print(one_line(line), markup=False, soft_wrap=True)


class ProgressBar:
    """A `emotone.progress.Progress` that draws a bar on stderr; in a log, where it can't, a line every 30 s.

    Parameters
    ----------
    quiet
        Draw nothing.
    delay_s
        Seconds before the bar appears.
    """

    def __init__(self, *, quiet: bool = False, delay_s: float = 0.0) -> None:
        self._is_wanted = not quiet and sys.stderr.isatty()
        self._line_at = math.inf if quiet or self._is_wanted else time.monotonic() + _LINE_EVERY_S
        self._begin_at = time.monotonic() + delay_s
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        self._draw(0, None, "starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Show that ``done`` of ``total`` steps are done, and the present step."""
        self._draw(done, total, what)

    def hide(self) -> None:
        """Remove the bar until the next step, so that rows can be printed on the same terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.stop()

    def _draw(self, done: int, total: int | None, what: str) -> None:
        if time.monotonic() >= self._line_at and total:
            self._line_at = time.monotonic() + _LINE_EVERY_S
            print_on_stderr(f"{percent(done / total, digits=0)}: {one_line(what)}", colour="yellow")
        if not self._is_wanted or time.monotonic() < self._begin_at:
            return
        if self._bar is None:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.BarColumn(bar_width=30),
                progress.TaskProgressColumn(),
                progress.TimeRemainingColumn(compact=True),
                progress.TextColumn("{task.description}", markup=False),  # last, since its length changes
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,  # it would print rows of a pipe on stderr
            )
            self._task = self._bar.add_task(what, total=total)
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=one_line(what))


def bar(share: float, *, width: int = _BAR_WIDTH) -> str:
    """Draw a share in [0, 1] as a bar.

    Examples
    --------
    >>> bar(0.5)
    '━━━━────'
    """
    filled = round(share * width)
    return "━" * filled + "─" * (width - filled)


def confidence_bar(prediction: "Prediction") -> str:
    """Draw the confidence of a prediction as a bar with its percentage; empty without speech."""
    if not prediction.is_speech:
        return ""
    return f"{bar(prediction.confidence)} {100 * prediction.confidence:3.0f} %"


def unsure_text(threshold: float) -> str:
    """Explain "unsure"; the threshold is in [0, 1]."""
    return f"unsure: no emotion reaches the threshold of {threshold_text(threshold)}"


def coloured(emotion: str, text: str | None = None) -> "Text":
    """Return a text, by default the name of the emotion, in the emotion's colour."""
    from rich.text import Text

    return Text(emotion if text is None else text, style=COLOURS.get(emotion, "default"))


def print_csv(rows: Iterable[Sequence[object]]) -> None:
    """Print rows of CSV, each as soon as it is given; see `emotone.formatting.csv_cell`.

    Bytes of file names that are not valid text are written as they are.
    """
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(newline="")
    for row in rows:
        writer.writerow(map(csv_cell, row))
        sys.stdout.flush()


def print_json(items: Iterable[Any]) -> None:
    """Print a JSON list, in ASCII, each item as soon as it is given; the list also ends if the items do not."""
    before = "\n"
    print("[", end="", flush=True)
    try:
        for item in items:
            text = before + textwrap.indent(json.dumps(item, indent=2), "  ")
            before = ",\n"
            print(text, end="", flush=True)  # in one call, which Ctrl-C does not cut
    finally:
        print("]" if before == "\n" else "\n]", flush=True)


def print_next(done: str, words: Sequence[str]) -> None:
    """Print what a command wrote, and one command to run next.

    Parameters
    ----------
    words
        The command without ``emotone``; its words are quoted for a shell.
    """
    import shlex

    print_lines(done, f"Next: {shlex.join(['emotone', *words])}")


def plain_table(*headers: str, numbers: Sequence[str] = ()) -> "Table":
    """Make a table without lines; the columns named in ``numbers`` are aligned to the right.

    On a narrow terminal the texts of the first column are wrapped, and the others are whole as long as possible.
    """
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for place, header in enumerate(headers):
        is_number = header in numbers
        is_whole = is_number or place > 0
        table.add_column(
            header,
            justify="right" if is_number else "left",
            no_wrap=is_whole,
            overflow="ellipsis" if is_whole else "fold",
        )
    return table
