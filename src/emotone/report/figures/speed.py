"""How many times as fast as its peers Emotone is, with what was required."""

from collections.abc import Mapping
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.errors import ConfigError
from emotone.report.figures.style import ACCENT, FAINT, NOTE, STYLE, WARNING, canvas, footnote, grid, headline


def speed_picture(report: Mapping[str, Any]) -> Figure:
    """Draw the median ratio of each row with its quartiles, on a logarithmic axis.

    Parameters
    ----------
    report
        Of `emotone.benchmark.benchmark`.

    Raises
    ------
    ConfigError
        No row was measured beside a peer.
    """
    rows = [row for row in report["rows"] if "ratio" in row]
    if not rows:
        raise ConfigError("no row was measured beside a peer, so there is nothing to draw; install a peer")
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=1.5 + 0.5 * len(rows))
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            _draw_row(axes, row, y)
        names = [f"{row['what']}\n{row['peer']}, {row['theirs_ms']:.0f} ms" for row in rows]
        axes.set_yticks(range(len(rows)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(1, 3 * max(row["ratio_high"] for row in rows))
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if tick < axes.get_xlim()[1]]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("times as fast, median of pairs with quartiles")
        grid(axes, "x")
        headline(figure, "Speed of Emotone beside other programs, on one core with one thread")
        footnote(figure, f"{report['machine']['cpu']}.  | required; the number to the right is Emotone's time")
    return figure


def _draw_row(axes: Any, row: Mapping[str, Any], y: int) -> None:
    is_met = row["required"] is None or row["ratio"] >= row["required"]
    axes.plot([row["ratio_low"], row["ratio_high"]], [y, y], color=FAINT, linewidth=2, zorder=2)
    axes.plot(row["ratio"], y, "o", color=ACCENT if is_met else WARNING, zorder=3)
    if row["required"] is not None:
        axes.plot(row["required"], y, "|", color=NOTE, markersize=14, zorder=1)
    label = f"{row['ratio']:.1f} ({row['ours_ms']:.{0 if row['ours_ms'] > 100 else 1}f} ms)"
    axes.annotate(
        label,
        (max(row["ratio_high"], row["required"] or 0), y),
        (6, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )
