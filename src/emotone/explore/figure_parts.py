"""Parts that several pictures share: the canvas with its headline, grid, colour bar, box, and axis of emotions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.report.figures.style import GRID, INK, STYLE, canvas, headline

#: Options of ``imshow`` that every image has.
IMAGE: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest"}


@contextmanager
def picture(width_inch: float, height_inch: float, *, text: str) -> Iterator[Figure]:
    """Give an empty figure to draw on, in the style of all pictures, and write its headline at the end."""
    with rc_context(STYLE):
        figure = canvas(width_inch=width_inch, height_inch=height_inch)
        yield figure
        headline(figure, text)


def grid_behind(axes: Any, axis: Any = "x", *, linewidth: float = 0.8) -> None:
    """Draw grid lines behind the data."""
    axes.grid(axis=axis, color=GRID, linewidth=linewidth)
    axes.set_axisbelow(True)


def colour_bar(figure: Figure, image: Any, axes: Any, label: str, **place: Any) -> None:
    """Draw the scale of an image's colours; ``place`` are options of matplotlib's ``colorbar``."""
    bar: Any = figure.colorbar(image, ax=axes, **place)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.outline.set_visible(False)


def box(axes: Any, quantiles: Any, y: float, *, colour: str, height: float, widths: tuple[float, float, float]) -> None:
    """Draw a box from five quantiles: ends of the whiskers, of the box, and the median in the middle.

    Parameters
    ----------
    widths
        Width of the lines, of the light edge of the median, and of the median.
    """
    low, first, middle, third, high = quantiles
    line, edge, median = widths
    axes.plot([low, high], [y, y], color=INK, linewidth=line, zorder=3)
    axes.barh(y, third - first, left=first, height=height, facecolor=colour, edgecolor=INK, linewidth=line, zorder=4)
    ends = [y - height / 2, y + height / 2]
    axes.plot([middle, middle], ends, color="white", linewidth=edge, solid_capstyle="butt", zorder=5)
    axes.plot([middle, middle], ends, color=INK, linewidth=median, solid_capstyle="butt", zorder=6)


def emotion_axis(axes: Any, emotions: Sequence[str]) -> None:
    """Name the emotions at the left, the first one on top."""
    axes.set_yticks(range(len(emotions)), list(emotions))
    axes.set_ylim(len(emotions) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
