"""What the commands print: errors in one line, a progress bar, tables.  rich is imported where it is first used."""

import re
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from emotone.errors import MissingExtraError
from emotone.formatting import percent

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


def error(message: object) -> None:
    """Print ``error: ...`` on stderr, in one line; red on a terminal."""
    typer.secho(f"error: {one_line(message)}", fg="red", err=True)


def note(message: object) -> None:
    """Print a line on stderr; yellow on a terminal."""
    typer.secho(one_line(message), fg="yellow", err=True)


def missing(error: ImportError) -> str:
    """Name the extra that installs a missing package; raise the error again if no extra does."""
    from importlib import metadata

    name = (error.name or "").partition(".")[0]
    distribution = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}.get(name, name)
    for requirement in metadata.requires("emotone") or ():
        required, _, marker = requirement.partition(";")
        if name and re.split(r"[^\w.-]", required.strip())[0] == distribution and "extra ==" in marker:
            extra = marker.split("extra ==")[1].strip(" '\"")
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


def console(*, width: int | None = None) -> "Console":
    """Return a rich console on stdout; ``width`` applies if stdout is no terminal, so that no line is cut there."""
    from rich.console import Console

    return Console(width=width if width is not None and not sys.stdout.isatty() else None, highlight=False)


class ProgressBar:
    """A `emotone.progress.Progress` that draws a bar on stderr, if stderr is a terminal.

    Parameters
    ----------
    quiet
        Draw nothing.
    delay_s
        Seconds before the bar appears.
    """

    def __init__(self, *, quiet: bool = False, delay_s: float = 0.0) -> None:
        self._is_wanted = not quiet and sys.stderr.isatty()
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

    def _draw(self, done: int, total: int | None, what: str) -> None:
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
    return f"unsure: no emotion reaches this model's threshold of {percent(threshold, digits=0)}"


def coloured(emotion: str, text: str | None = None) -> "Text":
    """Return a text, by default the name of the emotion, in the emotion's colour."""
    from rich.text import Text

    return Text(emotion if text is None else text, style=COLOURS.get(emotion, "default"))


def csv_writer() -> Any:
    """Return a CSV writer on stdout; file names that are not valid text are written as they are."""
    import csv

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape", newline="")
    return csv.writer(sys.stdout, lineterminator="\n")


def plain_table(*headers: str, numbers: Sequence[str] = ()) -> "Table":
    """Make a table without lines; the columns named in ``numbers`` are aligned to the right."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left", no_wrap=True)
    return table
