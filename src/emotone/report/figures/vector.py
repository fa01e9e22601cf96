"""Pictures as SVG for pages: sharp at any size, letters of one size, and colours that follow a dark page."""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from emotone import files
from emotone.report.figures.style import ACCENT, DPI, FAINT, GRID, INK, NOTE, STYLE, WARNING, save

#: Colour of a picture -> the colour that replaces it on a dark page.  Those of emotions stay, as in the legends of
#: pages, so that none of them may be among these.
_ON_DARK_PAGE = {
    "#ffffff": "#161618",
    INK: "#e8e8e8",
    NOTE: "#b8b8b8",
    FAINT: "#9a9a9a",
    GRID: "#3a3a3d",
    ACCENT: "#a99cf0",
    WARNING: "#ffb3cc",
}
#: Points of a scatter plot from which it is an image inside the SVG, which would be too large.
_MANY_POINTS = 600
_PX_OF_POINT = 4 / 3


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG, the same bytes for the same figure.

    Letters are outlines, so that no font is needed.  At its own size, a letter of 9 points has 12 CSS pixels in every
    picture.
    """
    for points in figure.findobj(PathCollection):
        if isinstance(points, PathCollection) and len(np.asarray(points.get_offsets())) > _MANY_POINTS:
            points.set_rasterized(True)
    target = io.StringIO()
    look: Any = {**STYLE, "svg.fonttype": "path", "svg.hashsalt": "emotone"}
    nothing: Any = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # a box is drawn instead
        figure.savefig(target, format="svg", dpi=DPI, transparent=True, metadata=nothing)
    return _with_colours(target.getvalue()).encode("utf-8")


def size(svg: bytes) -> tuple[int, int]:
    """Return width and height of an SVG in CSS pixels.

    Examples
    --------
    >>> size(b'<svg width="432pt" height="216.5pt" viewBox="0 0 432 216.5">')
    (576, 289)
    """
    width, height = (re.search(rf' {side}="([\d.]+)pt"'.encode(), svg) for side in ("width", "height"))
    if width is None or height is None:
        raise ValueError("the picture has no size in points; expected an SVG of this module")
    return round(_PX_OF_POINT * float(width[1])), round(_PX_OF_POINT * float(height[1]))


def save_pair(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, for people, and next to it as SVG, for the page."""
    save(figure, path)
    files.write_text(path.with_suffix(".svg"), svg(figure).decode("utf-8"))
    return path


def _with_colours(text: str) -> str:
    """Replace colours by variables, which a style at the beginning sets for light and dark pages."""
    start = text.index("<svg")
    names = {colour.lower(): f"--c{number}" for number, colour in enumerate(_ON_DARK_PAGE)}
    body = re.sub("|".join(names), lambda match: f"var({names[match[0]]})", text[start:])
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{name}:{colour};" for name, colour in zip(names.values(), _ON_DARK_PAGE.values(), strict=True))
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    end = body.index(">") + 1
    return body[:end] + style + body[end:]
