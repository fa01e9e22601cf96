"""UAR over the number of unlabelled clips of the speaker that adapt the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.report.figures.style import STYLE, canvas

_LINE, _NEUTRAL = "#332288", "#CC6677"  # of Paul Tol's "muted" scheme, as all pictures
_TICKS = {"all": "all, with the\nclip itself"}


def adaptation_picture(rows: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw the UAR over the number of unlabelled clips of the speaker, from 0 to "all".

    The point at "all" is not on the line: its clips include the predicted clip, those of the other points do not.
    The level "neutral" is a horizontal line, since each speaker has another number of neutral clips.  ``rows`` come
    from `emotone.experiment.analyses.adaptation.curve`: level, uar, uar_low, uar_high, as shares.
    """
    neutral = [100 * row["uar"] for row in rows if row["level"] == "neutral"]
    points = [row for row in rows if row["level"] != "neutral"]
    uar, low, high = ([100 * row[name] for row in points] for name in ("uar", "uar_low", "uar_high"))
    apart = [place for place, row in enumerate(points) if row["level"] == "all"]
    drawn = [place for place in range(len(points)) if place not in apart]
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=4.2)
        axes = figure.subplots()
        for value in neutral:
            label = f"all neutral clips of the speaker: {value:.1f}"
            axes.axhline(value, color=_NEUTRAL, linestyle="--", label=label, zorder=1)
        lowest, highest = ([values[place] for place in drawn] for values in (low, high))
        look: dict[str, Any] = {"color": _LINE, "alpha": 0.15, "linewidth": 0}
        axes.fill_between(drawn, lowest, highest, label="lowest to highest of the draws", **look)
        axes.plot(drawn, [uar[place] for place in drawn], color=_LINE, marker="o", label="mean over the draws")
        axes.plot(apart, [uar[place] for place in apart], "o", markeredgecolor=_LINE, markerfacecolor="white")
        for place, (value, top) in enumerate(zip(uar, high, strict=True)):
            axes.annotate(f"{value:.1f}", (place, top), xytext=(0, 7), textcoords="offset points", ha="center")
        axes.set_xticks(range(len(points)), [_TICKS.get(row["level"], row["level"]) for row in points])
        axes.set_xlabel("unlabelled clips of the speaker")
        axes.set_ylabel("UAR, %")
        axes.margins(y=0.15)
        axes.legend(frameon=False, loc="best")
        axes.set_title(title)
    return figure
