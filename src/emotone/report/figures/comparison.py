"""TODO src/emotone/report/figures/comparison.py."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emotone.formatting import percent
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, title
from emotone.report.text import Result, chance_uar, sorted_by_uar

#: Whether a model is a network -> its marker.
MARKERS = {False: "o", True: "D"}


def comparison_picture(
    results: Mapping[str, Result], *, protocol: Mapping[str, Any], deep: Collection[str] = ()
) -> Figure:
    """Draw each model's UAR as a dot with its 95 % interval, best on top, and a line where guessing is.

    Parameters
    ----------
    results
        Name of the model -> what `emotone.metrics.summary` returns.
    protocol
        The protocol that all share, as `emotone.protocols.Protocol.header` gives it.
    deep
        Which of the models are networks: they get a diamond, and a legend says so.
    """
    names = sorted_by_uar(results)
    values = [100 * results[name]["uar"] for name in names]
    spans = [results[name]["intervals"]["uar"] for name in names]
    chance = 100 * chance_uar(results[names[0]])
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=1.7 + 0.36 * len(names))
        axes = figure.add_subplot()
        for y, (name, value, span) in enumerate(zip(names, values, spans, strict=True)):
            score_dot(axes, value, y, span=span, colour=ACCENT, marker=MARKERS[name in deep])
            axes.annotate(f"{value:.1f}", (100 * span["high"], y), (6, 0), textcoords="offset points", va="center")
        score_axes(axes, names, spans=spans, chance=chance)
        if deep:
            # the warning has the place under the picture
            place = (
                {"loc": "outside right upper"} if protocol.get("warning") else {"loc": "outside lower left", "ncols": 2}
            )
            figure.legend(handles=family_handles(), frameon=False, fontsize=8, **place)
        best = f"{names[0]}, UAR {percent(values[0] / 100)}"
        headline = f"Best of {len(names)} models: {best}" if len(names) > 1 else best
        title(figure, headline=headline, protocol=protocol)
    return figure


def score_dot(
    axes: Any, value: float, y: float, *, span: Mapping[str, Any], colour: str, marker: str, filled: bool = True
) -> None:
    """Draw a score in % at height y, and its interval (shares, ``low`` and ``high``) as a line."""
    ends = [100 * span["low"], 100 * span["high"]]
    axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="round")
    edge = {"markeredgecolor": "white"} if filled else {"markerfacecolor": "white", "markeredgewidth": 1.5}
    axes.plot([value], [y], marker, color=colour, markersize=7, **edge)


def score_axes(axes: Any, names: Sequence[str], *, spans: Sequence[Mapping[str, Any]], chance: float) -> None:
    """Lay out axes of UAR in %, one line a model, the first on top, and a line where guessing is."""
    axes.axvline(chance, color=FAINT, linewidth=1, linestyle="--")
    above: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center"}
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), **above}
    axes.annotate(f"chance {chance:.1f}", (chance, 1), color=FAINT, fontsize=8, **place)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(*_limits([chance, *(100 * span[end] for span in spans for end in ("low", "high"))]))
    axes.set_xlabel(f"unweighted average recall (UAR), %, with 95 % interval over {_units(spans)}")
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def family_handles(colour: str = FAINT) -> list[Line2D]:
    """Entries of a legend: which marker is a classic model's, and which a network's."""
    named = zip(MARKERS.values(), ("classic model", "network"), strict=True)
    return [Line2D([], [], linestyle="", marker=marker, color=colour, label=label) for marker, label in named]


def _units(spans: Sequence[Mapping[str, Any]]) -> str:
    return " or ".join(sorted({f"{span['unit']}s" for span in spans}))


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Give an axis room for every value and for the number written beside it, within 0 to 106 %."""
    return max(0.0, min(values) - 3.0), min(106.0, max(values) + 6.0)
