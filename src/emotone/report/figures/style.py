"""Pictures of results, in one style; made without a display and without matplotlib's global state.

Each function returns a matplotlib ``Figure``; `save` writes it.
"""

import io
import os
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150

INK = "#222222"
FAINT = "#888888"
ACCENT = "#332288"
WARNING = "#882255"
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


GRID = "#E6E6E6"


def headline(figure: Figure, text: str) -> None:
    """Put a line above a picture, at its left end."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)
