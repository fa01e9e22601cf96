"""Pictures of two emotions' spectra: their mean difference, and matched clips side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotone.explore.contrast.spectra import STEPS, Difference
from emotone.explore.figure_parts import IMAGE, colour_bar, picture
from emotone.explore.sound import Image
from emotone.palette import colour_of
from emotone.report.figures.style import FAINT, GRID, INK

Floats = NDArray[np.float64]

_TICKS_HZ = (250, 500, 1000, 2000, 4000, 7000)
_DEEPEST_DB = 70.0  # below the loudest point of the clips: softer points are black


def difference_picture(difference: Difference, rows_hz: Floats, *, first: str, second: str, text: str) -> Figure:
    """Draw the mean difference by band and relative time, and by band alone with its interval over speakers."""
    top = float(np.ceil(max(np.abs(difference.mean).max(), 1.0)))
    extent = (0, 100, -0.5, len(rows_hz) - 0.5)
    with picture(10.0, 4.8, text=text) as figure:
        panels: Any = figure.subplots(1, 2, width_ratios=[1.7, 1], sharey=True)
        axes, beside = panels
        image = axes.imshow(difference.mean, cmap="RdBu_r", vmin=-top, vmax=top, origin="lower", extent=extent, **IMAGE)
        unsure = np.abs(difference.mean) < 2 * difference.error  # false for an unknown error
        if unsure.any():
            y, x = np.nonzero(unsure)
            thin = (x + y) % 3 == 0
            axes.plot((x[thin] + 0.5) * 100 / STEPS, y[thin], ".", color=INK, markersize=1.2, rasterized=True)
        label = f"level, {first} minus {second}, dB"
        place = {"location": "top", "fraction": 0.04, "aspect": 40, "pad": 0.02}
        colour_bar(figure, image, axes, f"{label} (dots: within two standard errors of 0)", **place)
        _frequencies(axes, rows_hz)
        axes.set_xlabel("time, % of the clip")
        bands = np.arange(len(rows_hz))
        if np.isfinite(difference.bands_low).all():
            interval = (difference.bands_low, difference.bands_high)
            beside.fill_betweenx(bands, *interval, color=GRID, label="95 % interval")
        beside.axvline(0, color=FAINT, linewidth=1)
        beside.plot(difference.bands, bands, color=INK, linewidth=1.5, label="mean over time")
        beside.set_xlabel(label)
        beside.legend(frameon=False, fontsize=8, loc="best")
        beside.tick_params(axis="y", length=0)
    return figure


def clips_picture(pairs: Sequence[tuple[Image, Image, str]], *, first: str, second: str, text: str) -> Figure:
    """Draw matched clips side by side, one pair per row, all on one scale of level and of time.

    A pair has two log-mel spectrograms, and what the clips have in common.
    """
    images = [image for pair in pairs for image in pair[:2]]
    loudest = max(float(image.values.max()) for image in images)
    longest = max(float(image.times_s[-1]) for image in images)
    limits: Any = {"cmap": "magma", "vmin": loudest - _DEEPEST_DB, "vmax": loudest}
    with picture(10.0, 1.2 + 2.45 * len(pairs), text=text) as figure:
        panels: Any = figure.subplots(len(pairs), 2, squeeze=False, sharex=True, sharey=True)
        for row, (*both, same) in enumerate(pairs):
            for axes, image, emotion in zip(panels[row], both, (first, second), strict=True):
                extent = (0, image.times_s[-1], -0.5, len(image.rows) - 0.5)
                shown = axes.imshow(image.values, origin="lower", extent=extent, **limits, **IMAGE)
                axes.set_xlim(0, longest)
                axes.set_title(f"{emotion}: {same}", fontsize=9)
                axes.spines["top"].set(visible=True, color=colour_of(emotion, (first, second)), linewidth=4)
                _frequencies(axes, image.rows)
                axes.label_outer()
        for axes in panels[-1]:
            axes.set_xlabel("time, s")
        colour_bar(figure, shown, panels, "level, dB relative to full scale", fraction=0.03, aspect=30, pad=0.02)
    return figure


def _frequencies(axes: Any, rows_hz: Floats) -> None:
    """Label bands by their frequencies on the mel scale."""
    known = [hz for hz in _TICKS_HZ if rows_hz[0] <= hz <= rows_hz[-1]]
    axes.set_yticks(np.interp(known, rows_hz, np.arange(len(rows_hz))), [f"{hz / 1000:g}" for hz in known])
    axes.set_ylabel("frequency, kHz (mel scale)")
