"""The style of all pictures: canvas, colours, titles and saving, without a display and matplotlib's global state."""

import io
import os
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from emotone import files

DPI = 150

INK = "#222222"
#: The colours of letters on a filled cell, which are the same on a dark page.
ON_LIGHT, ON_FILLED = "#222221", "#FEFEFE"
FAINT = "#888888"
NOTE = "#555555"
GRID = "#E6E6E6"
ACCENT = "#332289"
WARNING = "#882256"
#: Fonts with Chinese, Japanese and Korean letters, as Linux, macOS and Windows have them.
_MORE_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Arial Unicode MS", "Yu Gothic", "Microsoft YaHei"),
    "Malgun Gothic",
)
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


def fonts() -> list[str]:
    """Return the font of all pictures, and installed fonts for letters that it lacks, such as those of names."""
    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in installed)]


def canvas(*, width_inch: float, height_inch: float) -> Figure:
    """Return an empty figure that needs no display; draw on it and save it inside ``rc_context(STYLE)``."""
    figure = Figure(figsize=(width_inch, height_inch), layout="compressed", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG with 150 dots per inch, atomically."""
    with files.replacing(Path(path)) as temporary:
        _render(figure, temporary, dpi=DPI)
    return Path(path)


def png(figure: Figure, *, dpi: float = DPI) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    target = io.BytesIO()
    _render(figure, target, dpi=dpi)
    return target.getvalue()


def _render(figure: Figure, target: Any, *, dpi: float) -> None:
    before = figure.dpi
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # a box is drawn instead
        figure.set_dpi(dpi)
        try:  # savefig would draw it twice, once for the layout
            FigureCanvasAgg(figure).print_png(target, metadata={"Software": None})  # type: ignore[no-untyped-call]
        finally:
            figure.set_dpi(before)


def title(figure: Figure, *, headline: str, protocol: Mapping[str, Any], caption: str = "") -> None:
    """Write headline and protocol above a picture, its warning and a caption below it, wrapped to its width."""
    columns = int(figure.get_figwidth() * 13.5)
    kind = "speaker-disjoint" if protocol["speaker_disjoint"] else "NOT speaker-disjoint"
    above = [*textwrap.wrap(headline, columns), *textwrap.wrap(f"Protocol: {protocol['name']}, {kind}", columns)]
    figure.suptitle("\n".join(above), x=0.01, ha="left", fontsize=10)
    warning = str(protocol.get("warning") or "")
    below = [line for text in (warning, caption) for line in textwrap.wrap(text, int(columns * 1.25))]
    if below:  # its letters are smaller
        footnote(figure, "\n".join(below), colour=WARNING if warning else NOTE)


def headline(figure: Figure, text: str) -> None:
    """Write a line above a picture, left-aligned."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)


def footnote(figure: Figure, text: str, *, colour: str = NOTE) -> None:
    """Write lines below a picture, left-aligned."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=8, color=colour)


def grid(axes: Any, axis: Any = "both") -> None:
    """Draw grid lines behind the data, in place of ticks."""
    axes.grid(axis=axis, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
