"""The waveform of a recording, and its time axis."""

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MultipleLocator

from emotone.formatting import clock
from emotone.recognition.timeline import Timeline
from emotone.recognition.windows import ENVELOPE_STEP_S
from emotone.report.figures.style import FAINT

_MOST_COLUMNS = 2000  # a long recording has more peaks than a picture has pixels
#: Candidate distances between ticks, seconds.  The first that gives at most `_MAX_TICKS` ticks is used.
_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_MAX_TICKS = 10


def draw_waveform(axes: Any, timeline: Timeline) -> None:
    """Draw the envelope of a recording, mirrored; its largest peak fills the height."""
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


def draw_time_axis(axes: Any, duration_s: float) -> None:
    """Label the horizontal axis from the start to the end of the recording, in its own units."""
    step = next((step for step in _TICK_STEPS_S if duration_s / step <= _MAX_TICKS), _TICK_STEPS_S[-1])
    decimals = 1 if step < 1 else 0
    axes.set_xlim(0, max(duration_s, 0.1))
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, decimals=decimals)))
    axes.set_xlabel("hours:minutes:seconds" if duration_s >= 3600 else "minutes:seconds")
