"""Pictures with one panel per emotion, all on the same scales, so that emotions can be compared by eye."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotone.explore.figure_parts import IMAGE, grid_behind, picture
from emotone.explore.signal.statistics import Band
from emotone.explore.sound import HOP_S, Image
from emotone.palette import colour_of
from emotone.report.figures.style import FAINT, STYLE

FloatArray = NDArray[np.float64]
Ticks = tuple[Sequence[float], Sequence[str]]

_PAPER = "#F3F3F3"  # of a panel after the end of its clip
_OTHERS = "#C9C9C9"
_LEAP_OCTAVES = 0.4  # in 10 ms: a voice does not leap that far, a wrong octave does
_MEL_TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000)
_PITCH_TICKS_HZ = (75, 100, 150, 200, 300, 400, 600)


def waveforms(cells: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]], *, text: str) -> Figure:
    """Draw each emotion's waveform: times in s, and smallest and largest sample around each time, (t,)."""
    top = max(float(np.abs([low, high]).max()) for _, low, high in cells.values())

    def draw(axes: Any, emotion: str) -> None:
        times, low, high = cells[emotion]
        axes.fill_between(times, low, high, color=colour_of(emotion, cells), linewidth=0.4)

    end_s = max(float(times[-1]) for times, _, _ in cells.values())
    limits: dict[str, Any] = {"xlim": (0, end_s), "ylim": (-1.05 * top, 1.05 * top)}
    return _panels(list(cells), draw, text=text, y_label="amplitude (full scale: 1)", **limits)


def images(
    shown: Mapping[str, Image],
    *,
    text: str,
    y_label: str,
    ticks: Ticks,
    limits: tuple[float, float],
    bar_label: str = "dB relative to full scale",
    colours: str = "magma",
    linear_to: float | None = None,
) -> Figure:
    """Draw each emotion's image with one colour scale; all images have the same rows.

    ``limits`` are the values at the ends of the colour scale.  Up to the absolute value ``linear_to`` colours are
    linear, above it by powers of ten; None: linear.
    """
    low, high = limits
    scale: Any = Normalize(low, high) if linear_to is None else SymLogNorm(linear_to, vmin=low, vmax=high, base=10)

    def draw(axes: Any, emotion: str) -> None:
        image = shown[emotion]
        half = float(image.times_s[1] - image.times_s[0]) / 2
        extent = (-half, float(image.times_s[-1]) + half, -0.5, len(image.rows) - 0.5)
        axes.set_facecolor(_PAPER)
        axes.imshow(image.values, origin="lower", extent=extent, cmap=colours, norm=scale, **IMAGE)

    span_s = max(float(image.times_s[-1]) for image in shown.values()) + HOP_S
    n_rows = len(next(iter(shown.values())).rows)
    look: dict[str, Any] = {"xlim": (0, span_s), "ylim": (-0.5, n_rows - 0.5)}
    look |= {"yticks": ticks[0], "yticklabels": ticks[1]}
    figure = _panels(list(shown), draw, text=text, y_label=y_label, grid=False, row_inch=2.1, **look)
    with rc_context(STYLE):
        last = figure.axes[len(shown) - 1].get_images()[0]
        bar = figure.colorbar(last, ax=figure.axes, fraction=0.025, pad=0.015, aspect=30, label=bar_label)
        if linear_to is not None:
            places = [place for place in (-100, -linear_to, 0, linear_to, 100) if low <= place <= high]
            bar.set_ticks(places, labels=[f"{place:g}" for place in places])
            bar.minorticks_off()
        bar.outline.set_visible(False)
    return figure


def contours(
    lines: Mapping[str, tuple[FloatArray, FloatArray]],
    *,
    text: str,
    y_label: str,
    limits: tuple[float, float],
    hertz: bool = False,
) -> Figure:
    """Draw each emotion's line over time in front of the others in grey: times (t,) in s, values (t,), NaN for gaps.

    ``hertz``: values are frequencies, on a logarithmic axis.
    """
    broken = {emotion: (times, _broken(values) if hertz else values) for emotion, (times, values) in lines.items()}

    def draw(axes: Any, emotion: str) -> None:
        for other, (times, values) in broken.items():
            if other != emotion:
                axes.plot(times, values, color=_OTHERS, linewidth=0.8)
        times, values = broken[emotion]
        axes.plot(times, values, color="white", linewidth=3.6)
        axes.plot(times, values, color=colour_of(emotion, broken), linewidth=2)
        if hertz:
            axes.set_yscale("log", base=2)
            axes.minorticks_off()

    look: dict[str, Any] = {"xlim": (0, max(float(times[-1]) for times, _ in lines.values())), "ylim": limits}
    if hertz:
        places = [hz for hz in _PITCH_TICKS_HZ if limits[0] <= hz <= limits[1]]
        look |= {"yticks": places, "yticklabels": [str(hz) for hz in places]}
    return _panels(list(lines), draw, text=text, y_label=y_label, **look)


def spectra(
    bands: Mapping[str, Band], everyone: FloatArray, *, text: str, x_label: str, y_label: str, ticks: Ticks
) -> Figure:
    """Draw each emotion's mean over bands or coefficients with its spread, and the mean of all clips in grey."""
    low = min(float(band.low.min()) for band in bands.values())
    high = max(float(band.high.max()) for band in bands.values())
    place = np.arange(everyone.size)

    def draw(axes: Any, emotion: str) -> None:
        band, colour = bands[emotion], colour_of(emotion, bands)
        axes.fill_between(place, band.low, band.high, color=colour, alpha=0.28, linewidth=0)
        axes.plot(place, everyone, color=FAINT, linewidth=1)
        axes.plot(place, band.middle, color="white", linewidth=3.4)
        axes.plot(place, band.middle, color=colour, linewidth=2)

    room = 0.04 * (high - low)
    look: dict[str, Any] = {"ylim": (low - room, high + room), "xticks": ticks[0], "xticklabels": ticks[1]}
    return _panels(list(bands), draw, text=text, x_label=x_label, y_label=y_label, **look)


def _broken(hertz: FloatArray) -> FloatArray:
    """Remove the frame after each leap of the pitch, so that no line is drawn across it."""
    leaps = np.abs(np.diff(np.log2(hertz))) > _LEAP_OCTAVES  # false for NaN, which is not voiced
    broken = hertz.copy()
    broken[1:][leaps] = np.nan
    return broken


def mel_ticks(frequencies_hz: FloatArray, *, lowest_hz: float = 0) -> Ticks:
    """Return positions of round frequencies among mel bands, counted in bands from 0, and their labels."""
    inside = [hz for hz in _MEL_TICKS_HZ if lowest_hz <= hz <= 1.05 * frequencies_hz[-1]]
    places = np.interp(inside, frequencies_hz, np.arange(frequencies_hz.size))
    return list(places), [f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in inside]


def _panels(
    emotions: Sequence[str],
    draw: Callable[[Any, str], None],
    *,
    text: str,
    y_label: str,
    x_label: str = "time, s",
    grid: bool = True,
    row_inch: float = 1.8,
    **look: Any,
) -> Figure:
    """Draw one panel per emotion, with its name and a bar of its colour; ``look``: properties of the shared axes."""
    n_columns = _columns(len(emotions))
    n_rows = math.ceil(len(emotions) / n_columns)
    with picture(11.0 if n_columns > 2 else 7.0, 0.9 + row_inch * n_rows, text=text) as figure:
        panels: Any = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
        for place, axes in enumerate(panels.flat):
            if place >= len(emotions):
                axes.set_visible(False)
                continue
            draw(axes, emotions[place])
            axes.set_title(emotions[place], pad=5)
            axes.spines["top"].set(
                visible=True, color=colour_of(emotions[place], emotions), linewidth=5, capstyle="butt"
            )
            if grid:
                grid_behind(axes, "both", linewidth=0.7)
            if place + n_columns >= len(emotions):  # no panel is below it
                axes.tick_params(labelbottom=True)
        panels.flat[0].set(**look)
        figure.supxlabel(x_label, fontsize=9)
        figure.supylabel(y_label, fontsize=9)
    return figure


def _columns(n_panels: int) -> int:
    """Choose how many panels are in a row: at most four, with few empty places."""
    return n_panels if n_panels <= 3 else 3 if n_panels in (5, 6, 9) else 2 if n_panels == 4 else 4
