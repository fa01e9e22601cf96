"""Pictures of results, in one style; made without a display and without matplotlib's global state.

Each function returns a matplotlib ``Figure``; `save` writes it.
"""

import io
import os
import tempfile
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from emotone.errors import ConfigError
from emotone.report.palette import COLOURS as COLOURS
from emotone.report.text import Result, chance_uar, percent, score_line, sorted_by_uar

DPI = 150

INK = "#222222"
FAINT = "#888888"
ACCENT = "#332288"
WARNING = "#882255"
#: Whether a model is a network -> its marker.
MARKERS = {False: "o", True: "D"}
STYLE: Any = {  # Any: matplotlib types its keys as one enormous Literal
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 9,
    "text.parse_math": False,  # the name of a speaker or a statement may hold a $
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.facecolor": "white",
}


def canvas(*, width_inch: float, height_inch: float) -> Figure:
    """Make an empty figure that needs no display; draw on it, and save it, inside ``rc_context(STYLE)``."""
    figure = Figure(figsize=(width_inch, height_inch), layout="compressed", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG with 150 dots an inch; a file that is there is replaced whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    try:
        _render(figure, temporary, dpi=DPI)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def png(figure: Figure, *, dpi: float = DPI) -> bytes:
    """Draw a figure as the bytes of a PNG file."""
    target = io.BytesIO()
    _render(figure, target, dpi=dpi)
    return target.getvalue()


def _render(figure: Figure, target: Any, *, dpi: float) -> None:
    before = figure.dpi
    with rc_context(STYLE):
        figure.set_dpi(dpi)
        try:  # savefig would draw it twice, once to lay it out
            FigureCanvasAgg(figure).print_png(target, metadata={"Software": None})  # type: ignore[no-untyped-call]
        finally:
            figure.set_dpi(before)


def row_shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Divide each row of a confusion matrix by its sum: (k, k) counts -> (k, k) in [0, 1], an empty row stays 0.

    Examples
    --------
    >>> row_shares([[3, 1], [0, 0]]).tolist()
    [[0.75, 0.25], [0.0, 0.0]]
    """
    matrix = np.asarray(counts)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ConfigError(f"a confusion matrix has shape {matrix.shape}, expected (k, k)")
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), dtype=np.float64)


def confusion_picture(result: Result, *, protocol: Mapping[str, Any], subset: str = "") -> Figure:
    """Draw a confusion matrix: the colour is the share of the row, the numbers are share and clips.

    Parameters
    ----------
    result
        What `emotone.metrics.summary` returns.
    protocol
        What `emotone.splits.Protocol.header` returns; its name and warning are in the title.
    subset
        Which clips these are, "validation" or "test", where the title shall say it.
    """
    emotions = list(result["per_class"]["support"])
    counts, shares = np.asarray(result["confusion"]), row_shares(result["confusion"])
    k = len(emotions)
    if counts.shape != (k, k):
        raise ConfigError(f"the confusion matrix has shape {counts.shape} for {k} emotions, expected ({k}, {k})")
    side_inch = max(3.6, 0.68 * k)
    with rc_context(STYLE):
        figure = canvas(width_inch=side_inch + 2.0, height_inch=side_inch + 1.6)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(k, k):
            _cell(axes, row, column, share=float(shares[row, column]), clips=int(counts[row, column]))
        axes.set_xticks(range(k), emotions, rotation=40, ha="right", rotation_mode="anchor")
        supports = [int(result["per_class"]["support"][emotion]) for emotion in emotions]
        axes.set_yticks(range(k), [f"{e}\n{n} clips" for e, n in zip(emotions, supports, strict=True)])
        axes.set_xticks(np.arange(k - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(k - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("labelled")
        bar = figure.colorbar(image, ax=axes, fraction=0.045, aspect=30, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
        bar.ax.set_yticklabels(["0", "25", "50", "75", "100 %"])
        bar.ax.tick_params(length=0)
        bar.outline.set_visible(False)
        whose = f"{subset.capitalize()}: " if subset else ""
        title(figure, headline=whose + score_line(result), protocol=protocol)
    return figure


def comparison_picture(
    results: Mapping[str, Result], *, protocol: Mapping[str, Any], deep: Collection[str] = ()
) -> Figure:
    """Draw each model's UAR as a dot with its 95 % interval, best on top, and a line where guessing is.

    Parameters
    ----------
    results
        Name of the model -> what `emotone.metrics.summary` returns.
    protocol
        The protocol that all share, as `emotone.splits.Protocol.header` gives it.
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


def title(figure: Figure, *, headline: str, protocol: Mapping[str, Any], caption: str = "") -> None:
    """Put the headline and the protocol above a picture, its warning and a caption under it, broken to its width."""
    columns = int(figure.get_figwidth() * 13.5)
    kind = "speaker-disjoint" if protocol["speaker_disjoint"] else "NOT speaker-disjoint"
    lines = [*textwrap.wrap(headline, columns), *textwrap.wrap(f"Protocol: {protocol['name']}, {kind}", columns)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10)
    warning = str(protocol.get("warning") or "")
    below = [line for text in (warning, caption) for line in textwrap.wrap(text, int(columns * 1.25))]
    if below:  # its letters are smaller
        figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=8, color=WARNING if warning else "#555555")


def _cell(axes: Any, row: int, column: int, *, share: float, clips: int) -> None:
    """Write share and clips into a cell, in a colour that stands out from the cell's own."""
    if not clips:
        return
    red, green, blue, _ = colormaps["Blues"](share)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55  # ITU-R BT.601 luma
    colour = "white" if dark else INK
    told = (
        (f"{100 * share:.0f} %", 4.0, 9),
        (f"{clips}", -8.0, 7),
    )  # text, distance from the middle and size in points
    for text, up, size in told:
        place: dict[str, Any] = {"xytext": (0, up), "textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(text, (column, row), color=colour, fontsize=size, **place)


def _units(spans: Sequence[Mapping[str, Any]]) -> str:
    return " or ".join(sorted({f"{span['unit']}s" for span in spans}))


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Give an axis room for every value and for the number written beside it, within 0 to 106 %."""
    return max(0.0, min(values) - 3.0), min(106.0, max(values) + 6.0)
