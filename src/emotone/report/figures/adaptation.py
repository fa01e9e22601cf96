"""UAR over the number of unlabelled clips of the speaker and of the source that adapt the model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from emotone.report.figures.style import STYLE, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# of Paul Tol's "muted" scheme, as all pictures
_SPEAKER, _SOURCE, _WITHIN_COLOR, _NEUTRAL = "#332288", "#117733", "#882255", "#CC6677"
_ALL = "all, with the\nclip itself"
_WITHIN = " in source-"
_ASIDE = 0.3  # so that the point is not on the number at the line

Row = Mapping[str, Any]


def adaptation_picture(rows: Sequence[Row], *, title: str) -> Figure:
    """Draw the UAR over the number of unlabelled clips of the speaker, and over those of the source.

    The point at "all" is not on the line: its clips include the predicted clip, those of the other points do not.
    The level "neutral" is a horizontal line, since each speaker has another number of neutral clips.  ``rows`` come
    from `emotone.experiment.analyses.adaptation.curve`: level, uar, uar_low, uar_high, as shares.
    """
    by_level = {row["level"]: row for row in rows}
    speaker = {int(level): row for level, row in by_level.items() if level.isdigit()}
    source = {int(level.split("-")[1]): row for level, row in by_level.items() if level.startswith("source-")}
    places = {count: place for place, count in enumerate(sorted({*speaker, *source}))}
    is_better = sum(speaker[count]["uar"] - source[count]["uar"] for count in {*speaker} & {*source}) >= 0
    with rc_context(STYLE):
        figure = canvas(width_inch=7.6, height_inch=4.6)
        axes = figure.subplots()
        _draw_line(axes, places, speaker, color=_SPEAKER, label="clips of the speaker", above=is_better)
        if source:
            from_plain = {0: by_level["0"], **source}
            _draw_line(axes, places, from_plain, color=_SOURCE, label="clips of the source", above=not is_better)
        _annotate(axes, 0, 100 * by_level["0"]["uar"], color=_SPEAKER, above=False)
        for level, row in by_level.items():
            if _WITHIN in level:
                n_speaker, n_source = level.split(_WITHIN)
                label = f"{n_speaker} of the speaker and {n_source} of the source: {100 * row['uar']:.1f}"
                _draw_point(axes, places[int(n_speaker)] + _ASIDE, row, "D", color=_WITHIN_COLOR, label=label)
        if "neutral" in by_level:
            value = 100 * by_level["neutral"]["uar"]
            label = f"all neutral clips of the speaker: {value:.1f}"
            axes.axhline(value, color=_NEUTRAL, linestyle="--", label=label, zorder=1)
        _draw_point(axes, len(places), by_level["all"], "o", color=_SPEAKER)
        _annotate(axes, len(places), 100 * by_level["all"]["uar"], color=_SPEAKER, above=True)
        axes.set_xticks(range(len(places) + 1), [*map(str, places), _ALL])
        axes.set_xlabel("unlabelled clips (bands: lowest to highest of the draws)")
        axes.set_ylabel("UAR, %")
        axes.margins(y=0.15)
        axes.legend(frameon=False, loc="best")
        axes.set_title(title)
    return figure


def _draw_line(
    axes: "Axes", places: Mapping[int, int], rows: Mapping[int, Row], *, color: str, label: str, above: bool
) -> None:
    """Draw a line with the band of the draws, and its values above or below the points, except the first."""
    xs = [places[count] for count in rows]
    uar, low, high = ([100 * row[name] for row in rows.values()] for name in ("uar", "uar_low", "uar_high"))
    axes.fill_between(xs, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(xs, uar, color=color, marker="o", label=label)
    for x, value in list(zip(xs, uar, strict=True))[1:]:
        _annotate(axes, x, value, color=color, above=above)


def _draw_point(axes: "Axes", x: float, row: Row, marker: str, *, color: str, label: str | None = None) -> None:
    look: dict[str, Any] = {"linestyle": "", "markeredgecolor": color, "markerfacecolor": "white", "zorder": 3}
    axes.plot([x], [100 * row["uar"]], marker=marker, label=label, **look)


def _annotate(axes: "Axes", x: int, value: float, *, color: str, above: bool) -> None:
    axes.annotate(
        f"{value:.1f}",
        (x, value),
        xytext=(0, 7 if above else -16),
        textcoords="offset points",
        ha="center",
        color=color,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],  # legible on the other line
    )
