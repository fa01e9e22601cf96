"""A timeline with speakers: the waveform, and below it a lane for each speaker with their emotions."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from emotone.formatting import clock, percent
from emotone.palette import colour_of
from emotone.recognition.prediction import Prediction, shares
from emotone.recognition.speaker_names import UNKNOWN, written_names
from emotone.recognition.timeline import Timeline
from emotone.report.figures.style import FAINT, INK, NOTE, STYLE, canvas, fonts
from emotone.report.figures.waveform import draw_time_axis, draw_waveform

#: Inches: width of the picture, of the names, of the lanes and of the summary to the right.
_WIDTH, _NAMES, _LANES, _SUMMARY = 11.0, 1.45, 7.2, 2.1
#: Inches: heights of title, waveform, strip of overlaps, axis and a row of the legend, and the gap between lanes.
_TITLE, _WAVE, _STRIP, _AXIS, _LEGEND, _GAP = 0.36, 0.85, 0.13, 0.5, 0.22, 0.07
_TRACK = "#F7F7F7"
#: Shares of the recording: what is drawn is at least about a pixel wide, and hatched from about four pixels on.
_LEAST, _HATCHED = 1 / 1000, 1 / 250
#: In a recording with shorter segments, a bar is the main emotion of a longer time.
_SHORTEST_MEAN = 1 / 400
_BARS_S = (2, 5, 10, 15, 20, 30, 40, 60, 90, 120, 180, 240, 300, 600, 1200, 3600)
_MOST_BARS = 200
_MAX_NAME = 18
_LEGEND_COLUMNS = 9
_KEY = (
    "Colour: emotion.  Height: confidence.\nBeside: talk time (share of all), and\nthe emotions, the main ones by name."
)


@dataclass(frozen=True)
class _Lane:
    name: str
    segments: Sequence[Prediction]
    summary: str
    is_known: bool


def conversation_picture(timeline: Timeline, *, title: str) -> Figure:
    """Draw a timeline with speakers: emotion as colour, confidence as height, and a summary of each speaker."""
    lanes = _lanes(timeline)
    labels = list(timeline.shares())
    strip = _STRIP + _GAP if timeline.overlaps else 0.0
    height = 0.46 if len(lanes) <= 4 else 0.4
    n_rows = -(-len(labels) // _LEGEND_COLUMNS)
    total = _TITLE + _WAVE + _GAP + strip + len(lanes) * (height + _GAP) + _AXIS + n_rows * _LEGEND
    bar_s = _bar_s(timeline)
    with rc_context({**STYLE, "font.family": fonts()}):
        figure = canvas(width_inch=_WIDTH, height_inch=total)
        figure.set_layout_engine("none")  # every place is known in inches
        figure.text(0.012, 1 - 0.11 / total, title, fontsize=10, va="top")

        def axes_at(left: float, top: float, width: float, height: float) -> Any:
            return figure.add_axes((left / _WIDTH, 1 - (top + height) / total, width / _WIDTH, height / total))

        lower = axes_at(_NAMES, _TITLE, _LANES, _WAVE)
        draw_waveform(lower, timeline)
        lower.set_xlim(0, max(timeline.duration_s, 0.1))
        lower.spines["bottom"].set_visible(False)
        key = (_NAMES + _LANES + 0.12) / _WIDTH, 1 - (_TITLE + 0.06) / total
        figure.text(*key, _KEY, fontsize=7.5, va="top", color=NOTE, linespacing=1.4)
        top = _TITLE + _WAVE + _GAP
        if timeline.overlaps:
            _draw_overlaps(axes_at(_NAMES, top, _LANES, _STRIP), timeline)
            top += strip
        for lane in lanes:
            lower = axes_at(_NAMES, top, _LANES, height)
            _draw_lane(lower, lane, timeline, bar_s=bar_s)
            _draw_summary(axes_at(_NAMES + _LANES + 0.12, top, _SUMMARY, height), lane, timeline)
            top += height + _GAP
        _draw_axis(lower, timeline, bar_s=bar_s)
        handles = [Patch(color=colour_of(label, timeline.emotions), label=label) for label in labels]
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (_NAMES / _WIDTH - 0.006, 0.0)}
        figure.legend(handles=handles, ncols=_LEGEND_COLUMNS, frameon=False, fontsize=8, borderaxespad=0.3, **place)
    return figure


def _lanes(timeline: Timeline) -> list[_Lane]:
    """Return a lane for each speaker, and one for unknown voices if there are any."""
    spoken = [segment for segment in timeline.segments if segment.speaker is not None or segment.is_speech]
    names = written_names((segment.speaker for segment in spoken), unknown=UNKNOWN)
    summaries = {speaker.name: speaker for speaker in timeline.speakers}
    lanes = []
    for speaker, name in names.items():
        own = [segment for segment in spoken if segment.speaker == speaker]
        about = clock(sum(segment.end_s - segment.start_s for segment in own))
        if speaker in summaries:
            own_summary = summaries[speaker]
            turns = "1 turn" if own_summary.n_turns == 1 else f"{own_summary.n_turns} turns"
            about = f"{clock(own_summary.talk_s)} ({percent(own_summary.talk_share, digits=0)}), {turns}"
        lanes.append(_Lane(_shortened(name), own, about, speaker is not None))
    return lanes


def _bar_s(timeline: Timeline) -> float:
    """Return the duration of a bar, seconds; 0: each segment has its own."""
    mean_s = timeline.spoken_s / max(1, len(timeline.segments))
    if mean_s >= _SHORTEST_MEAN * timeline.duration_s:
        return 0.0
    return next((bar_s for bar_s in _BARS_S if timeline.duration_s / bar_s <= _MOST_BARS), _BARS_S[-1])


def _bars(segments: Sequence[Prediction], *, bar_s: float) -> Iterator[tuple[float, float, str, float]]:
    """Yield begin, duration, label and confidence of each bar of a lane.

    A bar of several segments has their main label, and the confidence of the segments with it.  It is as
    wide as their speech, and at least half as wide as its time.
    """
    if not bar_s:
        yield from ((each.start_s, each.end_s - each.start_s, each.label, each.confidence) for each in segments)
        return
    groups: dict[int, list[Prediction]] = {}
    for segment in segments:
        groups.setdefault(int((segment.start_s + segment.end_s) / 2 / bar_s), []).append(segment)
    for number, group in groups.items():
        label = next(iter(shares(group)))
        weights = [(each.end_s - each.start_s, each.confidence) for each in group if each.label == label]
        confidence = sum(seconds * value for seconds, value in weights) / sum(seconds for seconds, _ in weights)
        spoken_s = sum(each.end_s - each.start_s for each in group)
        yield number * bar_s, min(bar_s, max(bar_s / 2, spoken_s)), label, confidence


def _draw_lane(axes: Any, lane: _Lane, timeline: Timeline, *, bar_s: float) -> None:
    _prepare(axes, timeline)
    least_s = _LEAST * timeline.duration_s
    bars = list(_bars(lane.segments, bar_s=bar_s))
    boxes = [Rectangle((begin, 0), max(least_s, seconds), height) for begin, seconds, _, height in bars]
    colours = [colour_of(label, timeline.emotions) for *_, label, _ in bars]
    axes.add_collection(PatchCollection(boxes, facecolors=colours, linewidths=0), autolim=False)
    for begin, end in timeline.overlaps:
        if end - begin >= _HATCHED * timeline.duration_s:
            axes.add_patch(_hatched(begin, end - begin))
    axes.axhline(0, color=FAINT, linewidth=0.8, clip_on=False)
    look: dict[str, Any] = {"color": INK} if lane.is_known else {"color": NOTE, "style": "italic"}
    axes.text(-0.012, 0.5, lane.name, transform=axes.transAxes, ha="right", va="center", fontsize=8.5, **look)


def _draw_overlaps(axes: Any, timeline: Timeline) -> None:
    """Draw a strip with the times at which several people speak."""
    _prepare(axes, timeline)
    for begin, end in timeline.overlaps:
        if end - begin >= _HATCHED * timeline.duration_s:
            axes.add_patch(_hatched(begin, end - begin))
        else:
            axes.add_patch(Rectangle((begin, 0), max(_LEAST * timeline.duration_s, end - begin), 1, color=FAINT, lw=0))
    look: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 7.5, "color": NOTE}
    axes.text(-0.012, 0.5, "several at once", transform=axes.transAxes, **look)


def _hatched(begin: float, seconds: float) -> Rectangle:
    return Rectangle((begin, 0), seconds, 1, fill=False, hatch="//////", edgecolor=FAINT, linewidth=0)


def _prepare(axes: Any, timeline: Timeline) -> None:
    axes.set_facecolor(_TRACK)
    axes.set_xlim(0, max(timeline.duration_s, 0.1))
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _draw_axis(axes: Any, timeline: Timeline, *, bar_s: float) -> None:
    draw_time_axis(axes, timeline.duration_s)
    axes.tick_params(axis="x", length=3, color=FAINT)
    if bar_s:
        time = f"{bar_s:g} s" if bar_s < 60 else f"{bar_s / 60:g} min"
        axes.set_xlabel(f"{axes.get_xlabel()}; each bar is the main emotion in {time}")


def _draw_summary(axes: Any, lane: _Lane, timeline: Timeline) -> None:
    """Write talk time and main emotions of a speaker, above a bar with the shares of all."""
    emotions = shares(lane.segments)
    main = ", ".join(f"{label} {percent(share, digits=0)}" for label, share in list(emotions.items())[:2])
    axes.text(0, 1, lane.summary, transform=axes.transAxes, va="top", fontsize=7.5, color=INK)
    axes.text(0, 0.64, main, transform=axes.transAxes, va="top", fontsize=7.5, color=NOTE)
    left = 0.0
    for label, share in emotions.items():
        axes.add_patch(Rectangle((left, 0), share, 0.2, color=colour_of(label, timeline.emotions), linewidth=0))
        left += share
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def _shortened(name: str) -> str:
    """Return a name without its middle if it is too wide, since names often differ in their ends."""
    if _width(name) <= _MAX_NAME:
        return name
    start, end = name, name
    while _width(start) > _MAX_NAME // 2:
        start = start[:-1]
    while _width(end) > _MAX_NAME // 2 - 1:
        end = end[1:]
    return f"{start}…{end}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
