"""Files in containers and codecs of FFmpeg, made from samples."""

import io
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

RATE = 48_000


def tone(seconds: float, *, hz: float = 440.0, gain: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A sine (n,)."""
    return (gain * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def media(
    tracks: Sequence[np.ndarray],
    kind: str,
    codec: str,
    *,
    rate: int = RATE,
    starts_s: Sequence[float] = (),
    gap: tuple[float, float] | None = None,
    default: int | None = None,
    video_s: float = 0.0,
    layout: str | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Sound tracks (n,) or (n, channels) in a container.

    ``starts_s`` are the time stamps of their first samples; frames whose time is within ``gap``, seconds, are left out
    as voice chat does; ``default`` is the index of the default track; ``video_s`` seconds of grey come with them;
    ``layout`` is FFmpeg's name of the channels, by default mono, stereo, 5.1 or 7.1.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options=options or {}) as container:
        picture: Any = container.add_stream("mpeg4", rate=10) if video_s else None
        if picture:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        layouts = [layout or _layout_of(track) for track in tracks]
        streams: list[Any] = [container.add_stream(codec, rate=rate, layout=name) for name in layouts]
        for index, stream in enumerate(streams):
            if default is not None:
                stream.disposition = av.stream.Disposition.default if index == default else 0
        packets = []
        for n in range(round(10 * video_s)):
            grey = np.full((64, 64, 3), n % 250, np.uint8)
            packets += picture.encode(av.VideoFrame.from_ndarray(grey, format="rgb24"))
        packets += picture.encode(None) if picture else []
        for index, (stream, name) in enumerate(zip(streams, layouts, strict=True)):
            start = round((starts_s[index] if starts_s else 0) * rate)
            packets += _packets(stream, tracks[index], name, rate, start, gap)
        packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            container.mux(packet)
    return buffer.getvalue()


def _layout_of(track: np.ndarray) -> str:
    return "mono" if track.ndim == 1 else {2: "stereo", 6: "5.1", 8: "7.1"}[track.shape[1]]


def _packets(
    stream: Any, track: np.ndarray, layout: str, rate: int, start: int, gap: tuple[float, float] | None
) -> list[Any]:
    context = stream.codec_context
    interleaved = np.ascontiguousarray(track.reshape(1, -1), np.float32)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
    frame.sample_rate, frame.pts = rate, start
    size = context.frame_size or 960
    resampler = av.AudioResampler(format=context.format, layout=layout, rate=rate, frame_size=size)
    packets = []
    for part in (*resampler.resample(frame), *resampler.resample(None)):
        packets += stream.encode(part)
    packets += stream.encode(None)
    return [p for p in packets if gap is None or not gap[0] <= float((p.pts or 0) * p.time_base) < gap[1]]
