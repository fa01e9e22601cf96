"""A recording's waveform, and under it what it sounds like from moment to moment."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from emotone.palette import colour_of
from emotone.recognition.timeline import ENVELOPE_STEP_S, Timeline
from emotone.report.figures.style import FAINT, INK, STYLE, canvas

_MOST_COLUMNS = 2000  # a long recording has more peaks than a picture has columns


def timeline_picture(told: Timeline, *, name: str) -> Figure:
    """Draw a timeline.

    Parameters
    ----------
    told
        What `Recognizer.timeline` returns.
    name
        Of the recording, for the title.
    """
    with rc_context(STYLE):
        figure = canvas(width_inch=10.0, height_inch=3.2)
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.05})
        _waveform(upper, told)
        _segments(lower, told)
        lower.set_xlim(0, max(told.duration_s, 0.1))
        lower.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 1.5, 2, 3, 5, 6, 10]))
        lower.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
        lower.set_xlabel("minutes:seconds")
        upper.set_title(f"{name}: {_headline(told)}", loc="left", fontsize=10, color=INK)
        labels = list(told.shares())
        if labels:
            handles = [Patch(color=colour_of(label), label=label) for label in labels]
            columns = min(9, len(labels))
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _waveform(axes: Any, told: Timeline) -> None:
    peaks = told.envelope
    group = max(1, -(-len(peaks) // _MOST_COLUMNS))
    padded = np.pad(peaks, (0, -len(peaks) % group)).reshape(-1, group).max(axis=1)
    times = (np.arange(len(padded)) + 0.5) * group * ENVELOPE_STEP_S
    top = max(float(padded.max(initial=0.0)), 1e-6)
    axes.fill_between(times, -padded / top, padded / top, color=FAINT, linewidth=0)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines[["left", "top", "right"]].set_visible(False)


def _segments(axes: Any, told: Timeline) -> None:
    for one in told.segments:
        seconds = one.end_s - one.start_s
        axes.add_patch(Rectangle((one.start_s, 0), seconds, 1, color=colour_of(one.label), linewidth=0))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)


def _headline(told: Timeline) -> str:
    if not told.segments:
        return "nobody speaks"
    shares = [f"{label} {100 * share:.0f} %" for label, share in list(told.shares().items())[:3]]
    return f"{', '.join(shares)} of {_clock(told.spoken_s)} spoken"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
