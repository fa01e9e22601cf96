"""Occlusion sensitivity: the frequencies and parts of a clip that are evidence for an emotion, a map per emotion."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from emotone.formatting import MINUS
from emotone.palette import colour_of
from emotone.report.figures.style import FAINT, NOTE, STYLE, canvas

_COLUMNS = 4
_CAPTION = "Right of each map: the mean over time. Thin: each clip; thick: the mean of the clips."
_TICKS_HZ = (250, 500, 1000, 2000, 4000)
Arrays = Mapping[str, NDArray[Any]]


def mean_maps(arrays: Arrays) -> dict[str, NDArray[np.float64]]:
    """Average the maps of the clips of each emotion: emotion -> (bands, slots), in their order."""
    owner = arrays["emotion"].astype(str)
    names = list(dict.fromkeys(owner.tolist()))
    return {name: arrays["maps"][owner == name].mean(axis=0).astype(np.float64) for name in names}


def relevance_picture(arrays: Arrays, *, title: str) -> Figure:
    """Draw a map per emotion, and the loss of each band: a thin line per clip, a thick line for their mean.

    ``arrays``: contents of ``relevance.npz``, see `emotone.experiment.analyses.occlusion.write`; at least one clip.
    """
    maps = mean_maps(arrays)
    most = _largest(maps)
    n_rows = -(-len(maps) // _COLUMNS)
    n_columns = min(_COLUMNS, len(maps))
    with rc_context(STYLE):
        figure = canvas(width_inch=max(5.2, 0.9 + 2.45 * n_columns), height_inch=1.55 + 1.95 * n_rows)
        figure.set_layout_engine("none")  # many small axes: without automatic layout they take a third of the time
        height = figure.get_figheight()
        ends = {"left": 0.075, "right": 0.995, "top": 1 - 0.6 / height, "bottom": 1.15 / height}
        look = {"width_ratios": [1.4, 0.22, 0.6, 0.24] * n_columns, "wspace": 0.0, "hspace": 0.42}
        grid = figure.add_gridspec(n_rows, 4 * n_columns, **ends, **look)
        owner = arrays["emotion"].astype(str)
        profiles = {name: arrays["maps"][owner == name].mean(axis=2) for name in maps}  # (clips, bands)
        largest = 1.08 * _largest(profiles)
        image: Any = None
        for number, (emotion, values) in enumerate(maps.items()):
            row, column = divmod(number, n_columns)
            axes = figure.add_subplot(grid[row, 4 * column])
            image = _map(axes, values, edges_hz=arrays["edges_hz"], most=most)
            n_clips = len(profiles[emotion])
            axes.set_title(f"{emotion}, {n_clips} clip{'' if n_clips == 1 else 's'}", fontsize=9)
            last = number + n_columns >= len(maps)
            axes.tick_params(labelleft=column == 0, labelbottom=last)
            axes.set_ylabel("frequency, Hz" if column == 0 else "")
            axes.set_xlabel("time, % of the clip" if last else "", fontsize=8)
            side = figure.add_subplot(grid[row, 4 * column + 2])
            _profiles(side, profiles[emotion], colour=colour_of(emotion, profiles), largest=largest)
            side.tick_params(labelbottom=last)
            side.set_xlabel("nats" if last else "", fontsize=8)
        place = figure.add_axes((0.72, 0.46 / height, 0.26, 0.1 / height))
        bar = figure.colorbar(image, cax=place, orientation="horizontal")
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2, labelsize=7)
        bar.ax.set_title("loss of the emotion's log-probability, nats", fontsize=8, loc="right")
        figure.suptitle(title, x=0.01, y=1 - 0.1 / height, ha="left", va="top", fontsize=10)
        figure.text(0.01, 0.06 / height, _CAPTION, fontsize=8, color=NOTE)
    return figure


def _largest(values: Arrays) -> float:
    return max(1e-9, max(float(np.abs(array).max()) for array in values.values()))


def _map(axes: Any, values: NDArray[np.float64], *, edges_hz: NDArray[np.float64], most: float) -> Any:
    """Draw a map over time, in % of the clip, and bands of equal height, since they are equally wide in mel."""
    n_bands, _ = values.shape
    look: dict[str, Any] = {"cmap": "PuOr_r", "vmin": -most, "vmax": most, "interpolation": "nearest"}
    image = axes.imshow(values, origin="lower", aspect="auto", extent=(0, 100, 0, n_bands), **look)
    places = np.interp(_TICKS_HZ, edges_hz, np.arange(n_bands + 1))
    axes.yaxis.set_major_locator(FixedLocator(places.tolist()))
    axes.set_yticklabels([f"{hz:,}" for hz in _TICKS_HZ])
    axes.set_xticks([0, 50, 100])
    axes.tick_params(length=2, labelsize=7)
    axes.spines[:].set_visible(False)
    return image


def _profiles(axes: Any, profiles: NDArray[np.float64], *, colour: str, largest: float) -> None:
    """Draw the loss of each band for each clip, to show how much the clips agree."""
    heights = np.arange(profiles.shape[1]) + 0.5
    axes.axvline(0, color=FAINT, linewidth=0.8, linestyle="--")
    for profile in profiles:
        axes.plot(profile, heights, color=colour, linewidth=0.8, alpha=0.5)
    axes.plot(profiles.mean(axis=0), heights, color=colour, linewidth=2)
    axes.set_xlim(-largest, largest)
    axes.set_ylim(0, profiles.shape[1])
    axes.set_yticks([])
    end = float(f"{largest / 1.5:.1g}")
    axes.set_xticks([-end, end], [f"{MINUS}{end:g}", f"{end:g}"])
    axes.tick_params(length=2, labelsize=7)
    axes.spines["left"].set_visible(False)
