"""Pictures of two emotions' spectra: their mean difference, and matched clips side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.explore.contrast.spectra import STEPS, Difference
from emotone.explore.sound import Image
from emotone.palette import colour_of
from emotone.report.figures.style import FAINT, GRID, INK, STYLE, canvas, headline

__all__ = ["clips_picture", "difference_picture"]

_TICKS_HZ = (250, 500, 1000, 2000, 4000, 7000)
_DEEPEST_DB = 70.0  # under the loudest point of the clips: what is softer is drawn as black


def difference_picture(found: Difference, rows_hz: Any, *, first: str, second: str, text: str) -> Figure:
    """Draw the mean difference by band and relative time, and by band alone with its interval over speakers."""
    top = float(np.ceil(max(np.abs(found.mean).max(), 1.0)))
    with rc_context(STYLE):
        figure = canvas(width_inch=10.0, height_inch=4.8)
        panels: Any = figure.subplots(1, 2, width_ratios=[1.7, 1], sharey=True)
        axes, beside = panels
        image = axes.imshow(
            found.mean, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto", origin="lower", interpolation="nearest",
            extent=(0, 100, -0.5, len(rows_hz) - 0.5),
        )  # fmt: skip
        unsure = np.abs(found.mean) < 2 * found.error  # nothing where there is no error
        if unsure.any():
            y, x = np.nonzero(unsure)
            thin = (x + y) % 3 == 0
            axes.plot((x[thin] + 0.5) * 100 / STEPS, y[thin], ".", color=INK, markersize=1.2, rasterized=True)
        bar = figure.colorbar(image, ax=axes, location="top", fraction=0.04, aspect=40, pad=0.02)
        bar.set_label(f"level, {first} minus {second}, dB (dots: within two standard errors of 0)", fontsize=8)
        bar.ax.tick_params(length=0, labelsize=8)
        bar.outline.set_visible(False)
        _frequencies(axes, rows_hz)
        axes.set_xlabel("time, % of the clip")
        bands = np.arange(len(rows_hz))
        if np.isfinite(found.bands_low).all():
            beside.fill_betweenx(bands, found.bands_low, found.bands_high, color=GRID, label="95 % interval")
        beside.axvline(0, color=FAINT, linewidth=1)
        beside.plot(found.bands, bands, color=INK, linewidth=1.5, label="mean over time")
        beside.set_xlabel(f"level, {first} minus {second}, dB")
        beside.legend(frameon=False, fontsize=8, loc="best")
        beside.tick_params(axis="y", length=0)
        headline(figure, text)
    return figure


def clips_picture(pairs: Sequence[tuple[Image, Image, str]], *, first: str, second: str, text: str) -> Figure:
    """Draw matched clips side by side, a row a pair, all on one scale of level and of time.

    Parameters
    ----------
    pairs
        The two log-mel spectrograms, and what the clips have in common.
    """
    loudest = max(float(image.values.max()) for one in pairs for image in one[:2])
    longest = max(float(image.times_s[-1]) for one in pairs for image in one[:2])
    with rc_context(STYLE):
        figure = canvas(width_inch=10.0, height_inch=1.2 + 2.45 * len(pairs))
        panels: Any = figure.subplots(len(pairs), 2, squeeze=False, sharex=True, sharey=True)
        for row, (*images, same) in enumerate(pairs):
            for axes, image, emotion in zip(panels[row], images, (first, second), strict=True):
                shown = axes.imshow(
                    image.values, cmap="magma", vmin=loudest - _DEEPEST_DB, vmax=loudest, aspect="auto",
                    origin="lower", interpolation="nearest",
                    extent=(0, image.times_s[-1], -0.5, len(image.rows) - 0.5),
                )  # fmt: skip
                axes.set_xlim(0, longest)
                axes.set_title(f"{emotion}: {same}", fontsize=9)
                axes.spines["top"].set(visible=True, color=colour_of(emotion), linewidth=4)
                _frequencies(axes, image.rows)
                axes.label_outer()
        for axes in panels[-1]:
            axes.set_xlabel("time, s")
        bar = figure.colorbar(shown, ax=panels, fraction=0.03, aspect=30, pad=0.02)
        bar.set_label("level, dB relative to full scale", fontsize=8)
        bar.ax.tick_params(length=0, labelsize=8)
        bar.outline.set_visible(False)
        headline(figure, text)
    return figure


def _frequencies(axes: Any, rows_hz: Any) -> None:
    """Name bands by their frequencies, which lie on the mel scale."""
    known = [hz for hz in _TICKS_HZ if rows_hz[0] <= hz <= rows_hz[-1]]
    axes.set_yticks(np.interp(known, rows_hz, np.arange(len(rows_hz))), [f"{hz / 1000:g}" for hz in known])
    axes.set_ylabel("frequency, kHz (mel scale)")
