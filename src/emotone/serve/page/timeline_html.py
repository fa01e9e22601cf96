"""A timeline as HTML: the waveform with its segments or with a lane for each speaker, playback, and downloads."""

from dataclasses import replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from emotone.formatting import clock
from emotone.recognition.prediction import SPEAKERS_NOTE
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page.html import render
from emotone.serve.page.lanes import lanes_of, numbers_of, reserved_names, with_places

#: Note for programs -> the same for a person at the page.
_NOTES = {SPEAKERS_NOTE: "the two channels seem to hold different people: choose “one per channel” above"}
#: Most peaks of a waveform, and of one that can be zoomed.
_PEAKS, _ZOOMED_PEAKS = 1000, 4000
#: Segments that are listed before a person asks for all; the picture and the shares are the overview.
_SHOWN = 12
#: Size of the waveform in the units of its SVG.
_WIDTH, _HEIGHT = 1000, 100
#: Candidate distances between ticks, seconds.  The first that gives at most `_MAX_TICKS` ticks is used.
_TICK_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_MAX_TICKS = 6


def timeline_html(timeline: Timeline, *, name: str, knows_source: bool = False, has_lanes: bool = True) -> str:
    """Return the HTML of a timeline.

    Parameters
    ----------
    name
        File name of the recording.
    knows_source
        Whether the source was known before; otherwise the recording can only be its own source.
    has_lanes
        Whether each speaker that is known has a lane.
    """
    seconds = max(timeline.duration_s, 0.1)
    timeline = replace(timeline, file=name, notes=tuple(_NOTES.get(note, note) for note in timeline.notes))
    lanes = lanes_of(timeline) if has_lanes else []
    saved, place = with_places(timeline) if lanes else (timeline, "")
    return render(
        "timeline",
        timeline=timeline,
        shares=list(timeline.shares().items()),
        name=name,
        stem=PurePath(name).stem,
        shown=_SHOWN,
        seconds=seconds,
        width=_WIDTH,
        height=_HEIGHT,
        wave=_wave(timeline.envelope, _ZOOMED_PEAKS if lanes else _PEAKS),
        ticks=_ticks(seconds),
        lanes=lanes,
        numbers=numbers_of(timeline),
        reserved=reserved_names(timeline),
        place=place,
        is_own_source=not knows_source and timeline.adapted["source"] > 0,
        files=[(form, form.write(saved)) for form in FORMATS.values()],
    )


def _wave(envelope: NDArray[np.float32], most: int) -> str:
    """Return the SVG path of an envelope of shape (n,), mirrored about the middle, with at most ``most`` peaks."""
    if not len(envelope):
        return ""
    group = max(1, -(-len(envelope) // most))
    peaks = np.pad(envelope, (0, -len(envelope) % group)).reshape(-1, group).max(axis=1)
    high = 0.48 * _HEIGHT * peaks / max(float(peaks.max()), 1e-6)
    # the last group may be incomplete
    centre = np.minimum((np.arange(len(peaks)) + 0.5) * group / len(envelope), 1.0) * _WIDTH
    upper = [f"{x:.1f} {_HEIGHT / 2 - y:.1f}" for x, y in zip(centre, high, strict=True)]
    lower = [f"{x:.1f} {_HEIGHT / 2 + y:.1f}" for x, y in zip(centre[::-1], high[::-1], strict=True)]
    return f"M0 {_HEIGHT / 2}L" + "L".join(upper) + f"L{_WIDTH} {_HEIGHT / 2}L" + "L".join(lower) + "Z"


def _ticks(seconds: float) -> list[tuple[float, str]]:
    """Return the time axis: position in [0, 1] and text of each tick."""
    step = next((step for step in _TICK_STEPS_S if seconds / step <= _MAX_TICKS), _TICK_STEPS_S[-1])
    times = np.arange(0, seconds - 0.04 * seconds, step)
    return [(time / seconds, f"{time:g} s" if step < 1 else clock(time)) for time in times]
