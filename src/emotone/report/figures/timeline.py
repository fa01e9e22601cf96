"""The waveform of a recording, and below it the emotions over time."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from emotone.formatting import clock
from emotone.palette import colour_of
from emotone.recognition.timeline import Timeline
from emotone.recognition.windows import ENVELOPE_STEP_S
from emotone.report.figures.style import FAINT, INK, STYLE, canvas

_MOST_COLUMNS = 2000  # a long recording has more peaks than a picture has pixels


def timeline_picture(timeline: Timeline, *, name: str) -> Figure:
    """Draw a timeline; ``name`` is that of the recording, for the title."""
    with rc_context(STYLE):
        figure = canvas(width_inch=10.0, height_inch=3.2)
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.05})
        _waveform(upper, timeline)
        _segments(lower, timeline)
        lower.set_xlim(0, max(timeline.duration_s, 0.1))
        lower.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 1.5, 2, 3, 5, 6, 10]))
        lower.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
        lower.set_xlabel("minutes:seconds")
        upper.set_title(f"{name}: {_headline(timeline)}", loc="left", fontsize=10, color=INK)
        labels = list(timeline.shares())
        if labels:
            handles = [Patch(color=colour_of(label, timeline.emotions), label=label) for label in labels]
            columns = min(9, len(labels))
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _waveform(axes: Any, timeline: Timeline) -> None:
    peaks = timeline.envelope
    group = max(1, -(-len(peaks) // _MOST_COLUMNS))
    padded = np.pad(peaks, (0, -len(peaks) % group)).reshape(-1, group).max(axis=1)
    times = (np.arange(len(padded)) + 0.5) * group * ENVELOPE_STEP_S
    top = max(float(padded.max(initial=0.0)), 1e-6)
    axes.fill_between(times, -padded / top, padded / top, color=FAINT, linewidth=0)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines[["left", "top", "right"]].set_visible(False)


def _segments(axes: Any, timeline: Timeline) -> None:
    for segment in timeline.segments:
        place, seconds = (segment.start_s, 0), segment.end_s - segment.start_s
        axes.add_patch(Rectangle(place, seconds, 1, color=colour_of(segment.label, timeline.emotions), linewidth=0))
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)


def _headline(timeline: Timeline) -> str:
    if not timeline.segments:
        return "no speech"
    shares = [f"{label} {100 * share:.0f} %" for label, share in list(timeline.shares().items())[:3]]
    return f"{', '.join(shares)} of {clock(timeline.spoken_s)} of speech"
