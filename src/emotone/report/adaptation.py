"""What hearing a speaker's clips is worth: UAR against their number."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.report.plots import STYLE, canvas

_LINE, _NEUTRAL = "#332288", "#CC6677"  # of Paul Tol's "muted" scheme, as all pictures


def adaptation_picture(rows: Sequence[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw the UAR over the numbers of unlabelled clips of the speaker, 0 and "all" at the ends.

    Parameters
    ----------
    rows
        What `emotone.experiment.adaptation.curve` gives: level, uar, uar_low, uar_high, as shares.  The level "neutral"
        is a line across: its number of clips is the speaker's own.
    title
        The headline.
    """
    counts = [row for row in rows if row["level"] != "neutral"]
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=4.2)
        axes = figure.subplots()
        places = range(len(counts))
        uar = [100 * row["uar"] for row in counts]
        axes.fill_between(
            places,
            [100 * row["uar_low"] for row in counts],
            [100 * row["uar_high"] for row in counts],
            color=_LINE,
            alpha=0.15,
            linewidth=0,
            label="lowest to highest of the draws",
        )
        axes.plot(places, uar, color=_LINE, marker="o", label="so many clips, drawn")
        for place, value in zip(places, uar, strict=True):
            axes.annotate(f"{value:.1f}", (place, value), xytext=(0, 7), textcoords="offset points", ha="center")
        for row in rows:
            if row["level"] == "neutral":
                axes.axhline(
                    100 * row["uar"],
                    color=_NEUTRAL,
                    linestyle="--",
                    label=f"neutral clips alone: {100 * row['uar']:.1f}",
                )
        axes.set_xticks(places, [row["level"] for row in counts])
        axes.set_xlabel("unlabelled clips of the speaker that were heard before")
        axes.set_ylabel("UAR, %")
        axes.margins(y=0.15)
        axes.legend(frameon=False, loc="lower right")
        axes.set_title(title)
    return figure
