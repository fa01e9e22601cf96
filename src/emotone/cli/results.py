"""Tables of scores, as ``train``, ``compare`` and ``evaluate`` print them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emotone.cli.console import bar, coloured, one_line, plain_table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_METRICS = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}
_LEVELS = {"0": "none", "neutral": "all neutral ones", "all": "all, and the clip itself"}


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
