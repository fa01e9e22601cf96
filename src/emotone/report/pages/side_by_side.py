"""Models under several protocols: one picture and one HTML page, which show what a score owes to known voices.

``told`` is what the ``comparison.json`` of several protocols holds (`emotone.experiment.side_by_side`).
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emotone import formatting
from emotone.errors import ConfigError
from emotone.formatting import percent
from emotone.report.figures.comparison import MARKERS, family_handles, score_axes, score_dot
from emotone.report.figures.style import INK, STYLE, canvas
from emotone.report.pages import render

TEMPLATE = "side_by_side.html.j2"
#: Colours of protocols, of Paul Tol's "muted" scheme: speaker-disjoint ones (filled markers), then others (hollow).
DISJOINT_COLOURS = ("#332288", "#117733", "#44AA99", "#88CCEE")
LEAKING_COLOURS = ("#CC6677", "#AA4499", "#999933", "#882255")
_COLUMN_POINTS = 48  # between the columns of numbers beside the picture
_SCORES = {"uar": "UAR", "accuracy": "Accuracy", "macro_f1": "Macro F1"}


def picture(told: Mapping[str, Any]) -> Figure:
    """Draw each model's UAR under each protocol as a dot with its 95 % interval, best on top.

    The grey bar from one dot to another is the leak; the numbers stand beside the picture.

    Raises
    ------
    ConfigError
        There is no model to compare.
    """
    _check(told)
    names = [row["model"] for row in told["rows"]]
    protocols = [one["name"] for one in told["protocols"]]
    colours = _colours(told)
    found = [row["protocols"][name] for row in told["rows"] for name in protocols]
    with rc_context(STYLE):
        figure = canvas(
            width_inch=6.6 + 0.7 * len(protocols), height_inch=2.2 + max(0.38, 0.17 * len(protocols)) * len(names)
        )
        axes = figure.add_subplot()
        for y, row in enumerate(told["rows"]):
            _draw_row(axes, row, y, told=told, colours=colours)
        spans = [one["intervals"]["uar"] for one in found]
        score_axes(axes, names, spans=spans, chance=100 * told["chance"])
        _numbers(axes, told, colours=colours)
        handles = _protocol_handles(told, colours)
        if any(row["family"] == "deep" for row in told["rows"]):
            handles += family_handles()
        figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
        lines = [part for line in headlines(told) for part in textwrap.wrap(line, int(figure.get_figwidth() * 12.5))]
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10)
    return figure


def _draw_row(
    axes: Any, row: Mapping[str, Any], y: int, *, told: Mapping[str, Any], colours: Mapping[str, str]
) -> None:
    """Draw one model: its dots under one another, the first protocol's on top, and the bar of its leak."""
    names = list(row["protocols"])
    if row["leak"] is not None:
        ends = [100 * row["protocols"][name]["uar"] for name in (told["reference"], told["leaking"])]
        axes.plot(ends, [y, y], color="#E4E4E4", linewidth=6, solid_capstyle="butt", zorder=1)
    step = 0.5 / len(names)
    for place, name in enumerate(names):
        found = row["protocols"][name]
        height = y + step * (place - (len(names) - 1) / 2)
        marker = MARKERS[row["family"] == "deep"]
        filled = _disjoint(told)[name]
        colour, span = colours[name], found["intervals"]["uar"]
        score_dot(axes, 100 * found["uar"], height, span=span, colour=colour, marker=marker, filled=filled)


def _numbers(axes: Any, told: Mapping[str, Any], *, colours: Mapping[str, str]) -> None:
    """Write the UARs and the leak beside the picture, a column a protocol."""
    columns = [
        (name, colour, [f"{100 * row['protocols'][name]['uar']:.1f}" for row in told["rows"]])
        for name, colour in colours.items()
    ]
    if told["leaking"] is not None:
        columns.append(("leak, points", INK, [signed(row["leak"]["uar"]) for row in told["rows"]]))
    for place, (title, colour, values) in enumerate(columns, start=1):
        beside: dict[str, Any] = {
            "xytext": (_COLUMN_POINTS * place, 0),
            "textcoords": "offset points",
            "ha": "right",
            "annotation_clip": False,
        }
        for y, value in enumerate(values):
            axes.annotate(value, (1, y), xycoords=("axes fraction", "data"), va="center", **beside)
        head = "\n".join(textwrap.wrap(title, 9))
        axes.annotate(head, (1, 1), xycoords="axes fraction", va="bottom", fontsize=7.5, color=colour, **beside)


def _protocol_handles(told: Mapping[str, Any], colours: Mapping[str, str]) -> list[Line2D]:
    """Entries of the legend: each protocol, and whose voices it tests."""
    handles = []
    for one in told["protocols"]:
        disjoint, colour = one["protocol"]["speaker_disjoint"], colours[one["name"]]
        look: dict[str, Any] = {} if disjoint else {"markerfacecolor": "white", "markeredgewidth": 1.5}
        label = f"{one['name']}: {voices(one)}"
        handles.append(Line2D([], [], linestyle="-", linewidth=2, marker="o", color=colour, label=label, **look))
    return handles


def _colours(told: Mapping[str, Any]) -> dict[str, str]:
    """Name of each protocol -> its colour, in the order of ``told``."""
    given, used = {}, {True: 0, False: 0}
    for name, disjoint in _disjoint(told).items():
        choice = DISJOINT_COLOURS if disjoint else LEAKING_COLOURS
        given[name] = choice[used[disjoint] % len(choice)]
        used[disjoint] += 1
    return given


def _disjoint(told: Mapping[str, Any]) -> dict[str, bool]:
    return {one["name"]: bool(one["protocol"]["speaker_disjoint"]) for one in told["protocols"]}


def voices(one: Mapping[str, Any]) -> str:
    """Say in a few words whether a protocol's tested voices are known.

    Parameters
    ----------
    one
        An entry of ``told["protocols"]``.
    """
    facts = one["facts"]
    if one["protocol"]["speaker_disjoint"]:
        return "speakers never heard"
    if not facts["n_speakers"]:
        return "NOT speaker-disjoint, speakers not named"
    return f"NOT speaker-disjoint, {facts['n_shared']} of {facts['n_speakers']} speakers heard in training"


def headlines(told: Mapping[str, Any]) -> list[str]:
    """Say what the comparison found: the best model of the reference, and what the leak is worth.

    Returns
    -------
    One or two sentences without full stops.
    """
    first, rows = told["rows"][0], told["rows"]
    where = "speakers never heard" if _disjoint(told)[told["reference"]] else "speakers that training knows"
    score = percent(first["protocols"][told["reference"]]["uar"])
    of = f"Best of {len(rows)} models" if len(rows) > 1 else "One model"
    lines = [f"{of} on {where}: {first['model']}, UAR {score} ({told['reference']})"]
    if told["leaking"] is not None:
        leaks = sorted(row["leak"]["uar"] for row in rows)
        ends = [signed(leak) for leak in (leaks[0], leaks[-1])]
        span = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
        lines.append(f"Leak: {told['leaking']}, with known speakers, gives the same models {span} points of UAR")
    return lines


def signed(share: float) -> str:
    """Write a difference in points with its sign.

    Examples
    --------
    >>> signed(0.182), signed(0.0)
    ('+18.2', '0.0')
    """
    points = round(100 * share, 1)
    return f"{points:+.1f}".replace("-", formatting.MINUS) if points else "0.0"


def _check(told: Mapping[str, Any]) -> None:
    if not told["rows"]:
        raise ConfigError("there are no results to compare; expected at least one model")


def page(told: Mapping[str, Any], *, comparison_png: bytes) -> str:
    """Write the page: what is fetched from anywhere is nothing; links lead to the pages of the single protocols.

    Parameters
    ----------
    told
        What ``comparison.json`` holds.
    comparison_png
        The picture of all models.

    Returns
    -------
    HTML, to be written as UTF-8.

    Raises
    ------
    ConfigError
        There is no model to compare.
    MissingExtraError
        jinja2 is not installed.
    """
    _check(told)
    colours = _colours(told)
    protocols = [
        {"name": one["name"], "voices": voices(one), "disjoint": _disjoint(told)[one["name"]], "colour": colour}
        for one, colour in zip(told["protocols"], colours.values(), strict=True)
    ]
    first, *more = headlines(told)
    return render.render(
        TEMPLATE,
        headline=first,
        more=more,
        protocols=protocols,
        reference=told["reference"],
        leaking=told["leaking"],
        warnings=[f"{one['protocol']['warning']}." for one in told["protocols"] if one["protocol"].get("warning")],
        words=told["words"],
        rows=[_row(row, protocols=[one["name"] for one in told["protocols"]]) for row in told["rows"]],
        scores=_SCORES,
        chance=told["chance"],
        n_same=next((row["leak"]["same_clips"]["n_clips"] for row in told["rows"] if _same(row)), 0),
        level=told["level"],
        unit=told["rows"][0]["protocols"][told["reference"]]["intervals"]["uar"]["unit"],
        comparison_png=render.embedded(comparison_png),
    )


def _row(row: Mapping[str, Any], *, protocols: Sequence[str]) -> dict[str, Any]:
    """Texts of one line of the table."""
    return {
        **render.model_texts(row),
        "under": [
            {
                "best": found["best"],
                "scores": {score: render.score_texts(found, score) for score in _SCORES},
                **render.difference_texts(found["paired"]),
                "verdict": render.verdict(found),
            }
            for found in (row["protocols"][name] for name in protocols)
        ],
        "leak": _leak(row["leak"]),
    }


def _same(row: Mapping[str, Any]) -> bool:
    """Say whether there are clips that both protocols of the leak test."""
    return row["leak"] is not None and row["leak"]["same_clips"] is not None


def _leak(leak: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Texts of the leak: over all clips of each protocol, and over those that both test."""
    if leak is None:
        return None
    same = leak["same_clips"]
    if same is None:
        return {"value": signed(leak["uar"]), "same": "", "span": ""}
    span = f"{signed(same['low'])} to {signed(same['high'])}"
    return {"value": signed(leak["uar"]), "same": signed(same["difference"]), "span": span}
