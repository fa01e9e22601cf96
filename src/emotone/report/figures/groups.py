"""Test scores of groups of clips, and of each speaker."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emotone.formatting import percent
from emotone.report.figures.comparison import score_dot
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, grid, title

Group = Mapping[str, Any]
#: Colours of corpora (Paul Tol's "muted" scheme, as in all pictures); further corpora share the last colour.
_COLOURS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#888888")
#: Most speakers that are named: with more, the letters would be too small to read.
_MOST_NAMED = 100
_INCH_PER_LINE, _INCH_PER_SPEAKER = 0.27, 0.14


def groups_picture(groups: Mapping[str, Mapping[str, Group]], *, uar: float, protocol: Mapping[str, Any]) -> Figure:
    """Draw the UAR of groups as dots with 95 % intervals, and below them single speakers, the best first.

    ``groups``: column -> value -> ``clips``, ``emotions``, ``uar``, ``low`` and ``high`` (or None), shares; the column
    "speaker", if present, is drawn without intervals.  ``uar``: the UAR of all clips, a share, drawn as a line.
    """
    kinds = {column: values for column, values in groups.items() if column != "speaker"}
    speakers = groups.get("speaker", {})
    above = 0.8 + _INCH_PER_LINE * sum(len(values) + 0.6 for values in kinds.values())
    with rc_context(STYLE):
        width = max(7.0, 1.2 + _INCH_PER_SPEAKER * min(len(speakers), _MOST_NAMED))
        figure = canvas(width_inch=width, height_inch=above + (3.1 if speakers else 0.0) + 0.9)
        if speakers:
            upper, lower = figure.subplots(2, 1, height_ratios=[above, 3.1])
            _speakers(lower, speakers, uar=uar, corpora=sorted(groups["corpus"]))
        else:
            upper = figure.subplots()
        _kinds(upper, kinds, uar=uar)
        title(figure, headline=_headline(speakers, uar=uar), protocol=protocol, caption=_caption(kinds, speakers))
    return figure


def _kinds(axes: Any, kinds: Mapping[str, Mapping[str, Group]], *, uar: float) -> None:
    """Draw a line per group, with a gap between columns, and the chance level of each group."""
    places, names, ends, y = [], [], [100 * uar], 0.0
    for column, values in kinds.items():
        for name, group in values.items():
            value, chance = 100 * group["uar"], 100 / group["emotions"]
            span = {end: group["uar"] if group[end] is None else group[end] for end in ("low", "high")}
            score_dot(axes, value, y, span=span, colour=ACCENT, marker="o")
            place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "zorder": 3}
            clear = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # hides the line of the UAR of all clips
            axes.annotate(f"{value:.1f}", (100 * span["high"], y), **place, bbox=clear)
            axes.plot([chance, chance], [y - 0.3, y + 0.3], color=FAINT, linewidth=1)
            names.append(_label(column, name, n_clips=group["clips"]))
            ends += [chance, *(100 * share for share in span.values())]
            places.append(y)
            y += 1
        y += 0.6
    axes.axvline(100 * uar, color=FAINT, linestyle="--", linewidth=1, zorder=0)
    axes.set_yticks(places, names)
    axes.set_ylim(y - 0.9, -0.7)
    axes.set_xlim(max(0.0, min(ends) - 3), min(107.0, max(ends) + 7))
    axes.set_xlabel("UAR, %, with 95 % interval over speakers if a group has several")
    grid(axes, "x")
    axes.spines["left"].set_visible(False)


def _label(column: str, name: str, *, n_clips: int) -> str:
    """Return the label of a group; a value that is unclear alone has its column before it."""
    named = f"{column} {name}" if column == "language" or name == "unknown" else name
    return f"{named}, {n_clips} clip{'' if n_clips == 1 else 's'}"


def _speakers(axes: Any, speakers: Mapping[str, Group], *, uar: float, corpora: Sequence[str]) -> None:
    """Draw a dot per speaker, the best first."""
    order = sorted(speakers, key=lambda name: (-speakers[name]["uar"], name))
    owner = {name: _corpus_of(name, corpora) for name in order}
    several = len(corpora) > 1
    colours = {corpus: _COLOURS[min(place, len(_COLOURS) - 1)] for place, corpus in enumerate(corpora)}
    values = [100 * speakers[name]["uar"] for name in order]
    axes.axhline(100 * uar, color=FAINT, linestyle="--", linewidth=1, zorder=0)
    shades = [colours.get(owner[name], FAINT) for name in order]
    axes.scatter(range(len(order)), values, s=34, c=shades, edgecolor="white")
    if len(order) <= _MOST_NAMED:
        shown = [name if several else name.removeprefix(f"{owner[name]}-") for name in order]
        size = 8 if len(order) <= 40 else 6.5
        axes.set_xticks(range(len(order)), shown, rotation=90, fontsize=size)
    else:
        axes.set_xticks([])
    axes.set_xlim(-0.8, len(order) - 0.2)
    axes.set_ylim(max(0, 10 * math.floor(min(values) / 10 - 0.3)), min(103, 10 * math.ceil(max(values) / 10 + 0.3)))
    axes.set_xlabel(f"{len(order)} speakers, the best first")
    axes.set_ylabel("UAR, %")
    grid(axes, "y")
    if several:
        looks = [Line2D([], [], linestyle="", marker="o", color=colours[corpus], label=corpus) for corpus in corpora]
        axes.legend(handles=looks, frameon=False, fontsize=8, ncols=min(len(looks), 4), loc="lower left")


def _corpus_of(speaker: str, corpora: Sequence[str]) -> str:
    """Return the corpus of a speaker, whose name is ``<corpus>-<speaker>``; empty if no corpus fits."""
    return max((corpus for corpus in corpora if speaker.startswith(f"{corpus}-")), key=len, default="")


def _headline(speakers: Mapping[str, Group], *, uar: float) -> str:
    single = [100 * group["uar"] for name, group in speakers.items() if name != "unknown"]
    if len(single) < 2:
        return f"UAR {percent(uar)}, by group of clips"
    spread = f"{min(single):.1f} to {max(single):.1f} %, their median {median(single):.1f} %"
    return f"UAR {percent(uar)}; of single speakers {spread}"


def _caption(kinds: Mapping[str, Mapping[str, Group]], speakers: Mapping[str, Group]) -> str:
    lines = "Dashed: all clips. Short strokes: chance, 1 / number of emotions in the group."
    if speakers:
        clips = [group["clips"] for group in speakers.values()]
        number = str(min(clips)) if min(clips) == max(clips) else f"{min(clips)} to {max(clips)}"
        lines += f" Single speakers ({number} clips) have no interval."
    return lines
