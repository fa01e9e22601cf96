"""The picture of a timeline: the waveform, and below it the emotions over time."""

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from emotone.formatting import clock, percent
from emotone.palette import colour_of
from emotone.recognition.timeline import Timeline
from emotone.report.figures.conversation import conversation_picture
from emotone.report.figures.style import INK, STYLE, canvas
from emotone.report.figures.waveform import draw_time_axis, draw_waveform


def timeline_picture(timeline: Timeline, *, name: str) -> Figure:
    """Draw a timeline, with a lane for each speaker if there are any; ``name`` is the recording's, for the title."""
    title = f"{name}: {_headline(timeline)}"
    if any(segment.speaker is not None for segment in timeline.segments):
        return conversation_picture(timeline, title=title)
    with rc_context(STYLE):
        figure = canvas(width_inch=10.0, height_inch=3.2)
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.05})
        draw_waveform(upper, timeline)
        _segments(lower, timeline)
        draw_time_axis(lower, timeline.duration_s)
        upper.set_title(title, loc="left", fontsize=10, color=INK)
        labels = list(timeline.shares())
        if labels:
            handles = [Patch(color=colour_of(label, timeline.emotions), label=label) for label in labels]
            columns = min(9, len(labels))
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


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
    shares = [f"{label} {percent(share, digits=0)}" for label, share in list(timeline.shares().items())[:3]]
    return f"{', '.join(shares)} of {clock(timeline.spoken_s)} of speech"
