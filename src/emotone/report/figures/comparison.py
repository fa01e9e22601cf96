"""UAR of compared models or runs as dots with intervals, under one protocol or several."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emotone.errors import ConfigError
from emotone.formatting import percent
from emotone.metrics import chance_uar
from emotone.report.figures.style import ACCENT, FAINT, INK, STYLE, canvas, grid, headline, title
from emotone.report.text import headlines, points, voices

#: Colours of protocols, of Paul Tol's "muted" scheme: speaker-disjoint ones (filled markers), then others (hollow).
DISJOINT_COLOURS = ("#332288", "#117733", "#44AA99", "#88CCEE")
LEAKING_COLOURS = ("#CC6677", "#AA4499", "#999933", "#882255")
_COLUMN_POINTS = 48  # between the columns of numbers to the right of the picture
_MARKERS = {"classic": "o", "deep": "D"}


def comparison_picture(comparison: Mapping[str, Any]) -> Figure:
    """Draw each UAR as a dot with its 95 % interval, the best on top, and a line at the UAR of guessing.

    With several protocols each model has a dot for each.  A grey bar shows the leak, and the numbers are in columns.
    ``comparison``: contents of ``comparison.json``, or a group of `emotone.runs.compare_runs`.

    Raises
    ------
    ConfigError
        There is no model to compare.
    """
    if not comparison["rows"]:
        raise ConfigError("there are no results to compare; expected at least one model")
    with rc_context(STYLE):
        return _several(comparison) if "protocols" in comparison else _single(comparison)


def _single(comparison: Mapping[str, Any]) -> Figure:
    protocol, rows = comparison["protocol"], comparison["rows"]
    names = [row.get("name", row["model"]) for row in rows]
    spans = [row["test"]["intervals"]["uar"] for row in rows]
    figure = canvas(width_inch=7.0, height_inch=1.7 + 0.36 * len(rows))
    axes = figure.add_subplot()
    for y, (row, span) in enumerate(zip(rows, spans, strict=True)):
        value = 100 * row["test"]["uar"]
        score_dot(axes, value, y, span=span, colour=ACCENT, marker=_MARKERS[row["family"]])
        axes.annotate(f"{value:.1f}", (100 * span["high"], y), (6, 0), textcoords="offset points", va="center")
    _score_axes(axes, names, spans=spans, chance=100 * chance_uar(rows[0]["test"]))
    # a warning needs the place under the picture
    place: dict[str, Any] = {"loc": "outside right upper"} if protocol.get("warning") else {"loc": "outside lower left"}
    _legend(figure, [], rows, ncols=1 if protocol.get("warning") else 2, **place)
    best = f"{names[0]}, UAR {percent(rows[0]['test']['uar'])}"
    kind = "runs" if "name" in rows[0] else "models"
    title(figure, headline=f"Best of {len(rows)} {kind}: {best}" if len(rows) > 1 else best, protocol=protocol)
    return figure


def _several(comparison: Mapping[str, Any]) -> Figure:
    rows, colours = comparison["rows"], protocol_colours(comparison)
    height_inch = 2.2 + max(0.38, 0.17 * len(colours)) * len(rows)
    figure = canvas(width_inch=6.6 + 0.7 * len(colours), height_inch=height_inch)
    axes = figure.add_subplot()
    for y, row in enumerate(rows):
        _draw_row(axes, row, y, comparison=comparison, colours=colours)
    spans = [result["intervals"]["uar"] for row in rows for result in row["protocols"].values()]
    _score_axes(axes, [row["model"] for row in rows], spans=spans, chance=100 * comparison["chance"])
    _numbers(axes, comparison, colours=colours)
    handles = []
    for entry in comparison["protocols"]:
        hollow = {} if entry["protocol"]["speaker_disjoint"] else {"markerfacecolor": "white", "markeredgewidth": 1.5}
        look: dict[str, Any] = {"linewidth": 2, "marker": "o", "color": colours[entry["name"]], **hollow}
        handles.append(Line2D([], [], label=f"{entry['name']}: {voices(entry)}", **look))
    _legend(figure, handles, rows, loc="outside lower left", ncols=2)
    columns = int(figure.get_figwidth() * 12.5)
    lines = [part for line in headlines(comparison) for part in textwrap.wrap(line, columns)]
    headline(figure, "\n".join(lines))
    return figure


def _draw_row(
    axes: Any, row: Mapping[str, Any], y: int, *, comparison: Mapping[str, Any], colours: Mapping[str, str]
) -> None:
    """Draw a model: its dots below each other, the first protocol on top, and the bar of its leak."""
    if row["leak"] is not None:
        ends = [100 * row["protocols"][comparison[name]]["uar"] for name in ("reference", "leaking")]
        axes.plot(ends, [y, y], color="#E4E4E4", linewidth=6, solid_capstyle="butt", zorder=1)
    step = 0.5 / len(colours)
    for place, entry in enumerate(comparison["protocols"]):
        name, result = entry["name"], row["protocols"][entry["name"]]
        look: dict[str, Any] = {"colour": colours[name], "marker": _MARKERS[row["family"]]}
        look["filled"] = entry["protocol"]["speaker_disjoint"]
        height = y + step * (place - (len(colours) - 1) / 2)
        score_dot(axes, 100 * result["uar"], height, span=result["intervals"]["uar"], **look)


def _numbers(axes: Any, comparison: Mapping[str, Any], *, colours: Mapping[str, str]) -> None:
    """Write the UARs and the leak to the right of the picture, a column for each protocol."""
    rows = comparison["rows"]
    columns = [
        (name, colour, [f"{100 * row['protocols'][name]['uar']:.1f}" for row in rows])
        for name, colour in colours.items()
    ]
    if comparison["leaking"] is not None:
        columns.append(("leak, points", INK, [points(row["leak"]["uar"]) for row in rows]))
    for place, (name, colour, values) in enumerate(columns, start=1):
        offset: dict[str, Any] = {"xytext": (_COLUMN_POINTS * place, 0), "textcoords": "offset points"}
        offset |= {"ha": "right", "annotation_clip": False}
        for y, value in enumerate(values):
            axes.annotate(value, (1, y), xycoords=("axes fraction", "data"), va="center", **offset)
        header = "\n".join(textwrap.wrap(name, 9))
        axes.annotate(header, (1, 1), xycoords="axes fraction", va="bottom", fontsize=7.5, color=colour, **offset)


def protocol_colours(comparison: Mapping[str, Any]) -> dict[str, str]:
    """Return name of each protocol -> its colour, in the order of ``comparison["protocols"]``."""
    colours: dict[str, str] = {}
    choices = {True: DISJOINT_COLOURS, False: LEAKING_COLOURS}
    used = {True: 0, False: 0}
    for entry in comparison["protocols"]:
        disjoint = bool(entry["protocol"]["speaker_disjoint"])
        colours[entry["name"]] = choices[disjoint][used[disjoint] % len(choices[disjoint])]
        used[disjoint] += 1
    return colours


def score_dot(
    axes: Any, value: float, y: float, *, span: Mapping[str, Any], colour: str, marker: str, filled: bool = True
) -> None:
    """Draw a score in % at height y, and its interval (shares, ``low`` and ``high``) as a line."""
    ends = [100 * span["low"], 100 * span["high"]]
    axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="round")
    edge = {"markeredgecolor": "white"} if filled else {"markerfacecolor": "white", "markeredgewidth": 1.5}
    axes.plot([value], [y], marker, color=colour, markersize=7, **edge)


def _score_axes(axes: Any, names: Sequence[str], *, spans: Sequence[Mapping[str, Any]], chance: float) -> None:
    """Set up axes of UAR in %, one line per model, the first on top, and a line at the UAR of guessing."""
    axes.axvline(chance, color=FAINT, linewidth=1, linestyle="--")
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
    axes.annotate(f"chance {chance:.1f}", (chance, 1), (0, 2), color=FAINT, fontsize=8, **place)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    ends = [chance, *(100 * span[end] for span in spans for end in ("low", "high"))]
    axes.set_xlim(max(0.0, min(ends) - 3.0), min(106.0, max(ends) + 6.0))  # room for the numbers
    units = " or ".join(sorted({f"{span['unit']}s" for span in spans}))
    axes.set_xlabel(f"unweighted average recall (UAR), %, with 95 % interval over {units}")
    grid(axes, "x")
    axes.spines["left"].set_visible(False)


def _legend(figure: Figure, handles: list[Line2D], rows: Sequence[Mapping[str, Any]], **place: Any) -> None:
    """Add a legend of ``handles``, and of the markers if any model is a network."""
    if any(row["family"] == "deep" for row in rows):
        named = zip(_MARKERS.values(), ("classic model", "network"), strict=True)
        handles += [Line2D([], [], linestyle="", marker=marker, color=FAINT, label=label) for marker, label in named]
    if handles:
        figure.legend(handles=handles, frameon=False, fontsize=8, **place)
