"""What the commands print: one line an error, a progress bar, tables.  rich is imported where it is first needed."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from emotone.errors import MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

#: Colours of emotions in tables; those of the valence and arousal that are usual for them.
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
_METRICS = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}
_BAR_WIDTH = 8
_LEVELS = {"0": "none", "neutral": "all neutral ones", "all": "all, and the clip itself"}


def error(message: object) -> None:
    """Print ``error: ...`` on stderr, in one line, red where stderr is a terminal."""
    typer.secho(f"error: {one_line(message)}", fg="red", err=True)


def note(message: object) -> None:
    """Print a yellow line on stderr: something to know before one goes on."""
    typer.secho(one_line(message), fg="yellow", err=True)


def missing(error: ImportError) -> str:
    """Say which extra brings a package; one that no extra brings is a defect, and stays a traceback."""
    from importlib import metadata

    name = (error.name or "").partition(".")[0]
    distribution = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}.get(name, name)
    for requirement in metadata.requires("emotone") or ():
        required, _, marker = requirement.partition(";")
        if name and required.strip().startswith(distribution) and "extra ==" in marker:
            extra = marker.split("extra ==")[1].strip(" '\"")
            return str(MissingExtraError(f"this command ({name})", extra=extra))
    raise error


def one_line(message: object) -> str:
    r"""Text without line ends, and without what would steer a terminal or can't be printed.

    Examples
    --------
    >>> print(one_line("a file\x1b[31m\nname"))
    a file\x1b[31m name
    """
    words = " ".join(str(message).split("\n"))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)


def console(*, width: int | None = None) -> "Console":
    """Make a rich console on stdout; where stdout is no terminal, as wide as asked, so that nothing is cut."""
    from rich.console import Console

    return Console(width=width if width is not None and not sys.stdout.isatty() else None, highlight=False)


class ProgressBar:
    """A `emotone.progress.Progress` that draws a bar on stderr, where stderr is a terminal.

    Parameters
    ----------
    quiet
        Draw nothing.
    delay_s
        Draw only what takes longer than this, in seconds.
    """

    def __init__(self, *, quiet: bool = False, delay_s: float = 0.0) -> None:
        self._wanted = not quiet and sys.stderr.isatty()
        self._begin_at = time.monotonic() + delay_s
        self._drawn: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._wanted and time.monotonic() >= self._begin_at:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Draw that ``done`` of ``total`` steps are done, and what is being done."""
        if not self._wanted or time.monotonic() < self._begin_at:
            return
        if self._drawn is None:
            self._start()
        self._drawn.update(self._task, completed=done, total=total, description=one_line(what))

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        self._drawn = progress.Progress(
            progress.BarColumn(bar_width=30),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("{task.description}", markup=False),  # last: its length changes, the bar must not jump
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._drawn.add_task("starting", total=None)
        self._drawn.start()


def bar(share: float, *, width: int = _BAR_WIDTH) -> str:
    """Draw a share in [0, 1] as a bar.

    Examples
    --------
    >>> bar(0.5)
    '━━━━────'
    """
    filled = round(share * width)
    return "━" * filled + "─" * (width - filled)


def coloured(emotion: str, text: str | None = None) -> "Text":
    """Text, or the emotion's name, in the emotion's colour."""
    from rich.text import Text

    return Text(emotion if text is None else text, style=COLOURS.get(emotion, "bright_black"))


def plain_table(*headers: str, numbers: Sequence[str] = ()) -> "Table":
    """Make a table without lines; the columns named in ``numbers`` are aligned to the right."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left", no_wrap=True)
    return table


def scores(result: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out one result of ``metrics.json``: scores with their intervals, then the recall of each emotion.

    Parameters
    ----------
    result
        What `emotone.metrics.summary` returns.
    """
    table = plain_table("", "%", "95 % interval", numbers=("%",))
    for key, label in _METRICS.items():
        interval = result["intervals"][key]
        table.add_row(label, f"{100 * result[key]:.1f}", f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}")
    recalls = plain_table("emotion", "recall %", "", "clips", numbers=("recall %", "clips"))
    support = result["per_class"]["support"]
    for emotion, recall in result["per_class"]["recall"].items():
        has_clips = support[emotion] > 0  # without a clip there is no recall
        recalls.add_row(
            coloured(emotion),
            f"{100 * recall:.1f}" if has_clips else "-",
            coloured(emotion, bar(recall, width=20)) if has_clips else "",
            str(support[emotion]),
        )
    return [table, "", recalls]


def adapted(told: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out what an adaptive model gained from a speaker's clips; nothing of another model's ``metrics.json``."""
    if "adapted" not in told:
        return []
    table = plain_table("clips of the speaker heard", "UAR %", "accuracy %", numbers=("UAR %", "accuracy %"))
    for row in told["adapted"]["test"]:
        table.add_row(
            _LEVELS.get(row["level"], row["level"]), f"{100 * row['uar']:.1f}", f"{100 * row['accuracy']:.1f}"
        )
    return [table, ""]


def under_conditions(told: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out the test scores under conditions; nothing where there were none."""
    if "conditions" not in told:
        return []
    table = plain_table("condition", "UAR %", "accuracy %", numbers=("UAR %", "accuracy %"))
    for row in told["conditions"]:
        name = "as recorded" if row["condition"] == "none" else row["condition"]
        table.add_row(name, f"{100 * row['uar']:.1f}", f"{100 * row['accuracy']:.1f}")
    return [table, ""]


def by_group(told: Mapping[str, Any]) -> list[str]:
    """Tell the UAR by kind of clip, a line a kind, and the range of single speakers; nothing of an older run."""
    lines = []
    for column, found in told.get("groups", {}).items():
        if column == "speaker":
            shares = sorted(100 * one["uar"] for name, one in found.items() if name != "unknown")
            if len(shares) > 1:
                lines.append(f"UAR of single speakers: {shares[0]:.1f} to {shares[-1]:.1f} %")
        elif len(found) > 1:  # of one corpus, it is in the table above
            shown = ", ".join(f"{one_line(name)} {100 * one['uar']:.1f}" for name, one in found.items())
            lines.append(f"UAR by {column}: {shown} %")
    return [*lines, ""] if lines else []


def print_protocol(console: "Console", told: Mapping[str, Any]) -> None:
    """Print a protocol in words, with its warning, where it has one, in yellow; broken at words on a terminal alone."""
    from rich.text import Text

    from emotone.report.text import protocol_lines

    words, *warning = protocol_lines(told)
    text = Text(one_line(words))
    for line in warning:
        text.append(f"\n{one_line(line)}", style="yellow")
    console.print(text, soft_wrap=not console.is_terminal)


def comparison(rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Lay out the models side by side, in the order of ``comparison.json``; MB of the bundle, ms of a recognition."""
    numbers = ("UAR %", "accuracy %", "macro F1 %", "MB", "ms")
    table = plain_table("model", "UAR %", "95 % interval", "accuracy %", "macro F1 %", "MB", "ms", numbers=numbers)
    for row in rows:
        table.add_row(
            one_line(row["model"]),
            f"{100 * row['uar']:.1f}",
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f}",
            f"{100 * row['accuracy']:.1f}",
            f"{100 * row['macro_f1']:.1f}",
            f"{row['bundle_mb']:.1f}",
            f"{row['recognition_ms']:.0f}",
        )
    return table


def side_by_side(told: Mapping[str, Any]) -> "Table":
    """Lay out the models under several protocols: UAR in % with its 95 % interval, the leak in points, ms.

    Parameters
    ----------
    told
        What the ``comparison.json`` of several protocols holds.
    """
    names = [one["name"] for one in told["protocols"]]
    leak = ["leak"] if told["leaking"] is not None else []
    columns = {name: f"UAR %, {name}" for name in names}
    table = plain_table("model", *columns.values(), *leak, "ms", numbers=(*columns.values(), "leak", "ms"))
    for row in told["rows"]:
        cells = []
        for name in names:
            found = row["protocols"][name]
            low, high = (100 * found["intervals"]["uar"][end] for end in ("low", "high"))
            cells.append(f"{100 * found['uar']:.1f} ({low:.1f} to {high:.1f})")
        if leak:
            cells.append(f"{100 * row['leak']['uar']:+.1f}")
        table.add_row(one_line(row["model"]), *cells, f"{row['recognition_ms']:.0f}")
    return table
