"""A timeline as HTML: the waveform with its segments, playback, and downloads."""

import base64
from html import escape
from pathlib import PurePath
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from emotone.formatting import clock
from emotone.palette import colour_of
from emotone.recognition.prediction import Prediction
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page.html import percent

_WIDTH, _HEIGHT = 1000, 100
#: Seconds between two ticks, of which the first is taken that gives no more than `_MOST_TICKS`.
_TICKS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_MOST_TICKS = 6


def timeline(told: Timeline, *, name: str, path: str) -> str:
    """Show a timeline.

    Parameters
    ----------
    told
        What the recognizer says.
    name
        Of the recording.
    path
        Where the page's files keep it, for playback.
    """
    return (
        f'<section class="em-timeline" data-duration="{told.duration_s:.3f}">'
        f'<p class="em-about">{escape(name)}, {clock(told.duration_s)}, of which {clock(told.spoken_s)} are spoken</p>'
        f'<h2 class="em-word">{_headline(told)}</h2>{_stage(told)}{_legend(told)}'
        f'<audio controls data-from="gradio_api/file={quote(path)}" aria-label="Play {escape(name)}"></audio>'
        f"{_list(told)}{_downloads(told, name)}</section>"
    )


def download(content: str, *, name: str, kind: str, label: str) -> str:
    """Make a link that saves a text; it is in the link itself, and no file is kept for it."""
    data = base64.b64encode(content.encode()).decode()
    return f'<a class="em-download" download="{escape(name)}" href="data:{kind};base64,{data}">{escape(label)}</a>'


def _headline(told: Timeline) -> str:
    shares = [f"{escape(label)} {percent(share)}" for label, share in list(told.shares().items())[:3]]
    return (
        f'{shares[0]}<span class="em-rest">{"".join(f", {one}" for one in shares[1:])}</span>'
        if shares
        else ("Nobody speaks here")
    )


def _stage(told: Timeline) -> str:
    seconds = max(told.duration_s, 0.1)
    marks = "".join(
        f'<rect x="{_WIDTH * one.start_s / seconds:.2f}" y="{_HEIGHT}" '
        f'width="{max(1.0, _WIDTH * (one.end_s - one.start_s) / seconds):.2f}" height="26" '
        f'style="--em-colour: {colour_of(one.label)}"><title>{escape(_words(one))}</title></rect>'
        for one in told.segments
    )
    return (
        f'<div class="em-stage" title="Click to play from here"><svg viewBox="0 0 {_WIDTH} {_HEIGHT + 26}" '
        f'preserveAspectRatio="none" role="img" aria-label="Waveform with the segments listed below">'
        f'<path class="em-wave" d="{_wave(told.envelope)}"/>{marks}</svg><span class="em-cursor"></span></div>'
        f'<div class="em-axis" aria-hidden="true">{_axis(seconds)}</div>'
    )


def _wave(envelope: NDArray[np.float32]) -> str:
    """Path of the largest amplitudes, mirrored about the middle."""
    if not len(envelope):
        return ""
    group = max(1, -(-len(envelope) // _WIDTH))
    peaks = np.pad(envelope, (0, -len(envelope) % group)).reshape(-1, group).max(axis=1)
    high = 0.48 * _HEIGHT * peaks / max(float(peaks.max()), 1e-6)
    # the last peak may be of less than a whole group
    edge = np.minimum((np.arange(len(peaks)) + 0.5) * group / len(envelope), 1.0) * _WIDTH
    upper = [f"{x:.1f} {_HEIGHT / 2 - y:.1f}" for x, y in zip(edge, high, strict=True)]
    lower = [f"{x:.1f} {_HEIGHT / 2 + y:.1f}" for x, y in zip(edge[::-1], high[::-1], strict=True)]
    return f"M0 {_HEIGHT / 2}L" + "L".join(upper) + f"L{_WIDTH} {_HEIGHT / 2}L" + "L".join(lower) + "Z"


def _axis(seconds: float) -> str:
    step = next((one for one in _TICKS_S if seconds / one <= _MOST_TICKS), _TICKS_S[-1])
    ticks = np.arange(0, seconds - 0.04 * seconds, step)
    shown = [f"{tick:g} s" if step < 1 else clock(tick) for tick in ticks]
    return "".join(
        f'<span style="left: {100 * tick / seconds:.2f}%">{words}</span>'
        for tick, words in zip(ticks, shown, strict=True)
    )


def _legend(told: Timeline) -> str:
    items = "".join(
        f'<li><span class="em-swatch" aria-hidden="true" style="--em-colour: {colour_of(label)}"></span>'
        f"{escape(label)} {percent(share)}</li>"
        for label, share in told.shares().items()
    )
    return f'<ul class="em-legend" aria-label="Share of the spoken time">{items}</ul>' if items else ""


def _list(told: Timeline) -> str:
    items = "".join(
        f'<li><button type="button" data-seek="{one.start_s:.3f}" data-end="{one.end_s:.3f}" '
        f'style="--em-colour: {colour_of(one.label)}"><span class="em-swatch" aria-hidden="true"></span>'
        f'<span class="em-time">{_span(one)}</span><b>{escape(one.label)}</b>'
        f'<span class="em-value">{percent(one.confidence)}</span></button></li>'
        for one in told.segments
    )
    return f'<ol class="em-segments" aria-label="Segments; press one to play it">{items}</ol>' if items else ""


def _downloads(told: Timeline, name: str) -> str:
    stem = PurePath(name).stem
    links = [
        download(form.write(told), name=f"{stem}.emotions{form.suffix}", kind=form.media_type, label=form.label)
        for form in FORMATS.values()
    ]
    return f'<p class="em-downloads">Save as {" ".join(links)}</p>'


def _span(one: Prediction) -> str:
    return f"{clock(one.start_s, decimals=1)} – {clock(one.end_s, decimals=1)}"


def _words(one: Prediction) -> str:
    return f"{_span(one)}: {one.label}, {percent(one.confidence)}"
