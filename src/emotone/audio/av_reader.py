"""Read MP3, Ogg, M4A, WebM and other containers through FFmpeg (PyAV), which is imported only when needed.

Time stamps decide where each frame belongs: a gap between frames becomes silence, as voice chat leaves it out, and a
sound track that starts after the picture starts late.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np

from emotone.audio.layout import LFE_BIT, SURROUND, describe
from emotone.audio.reader import MAX_CHANNELS, Waveform, check_format, reading
from emotone.errors import AudioError, SelectionError

# FFmpeg's demuxers that may open a file; none of them follows references to other files or to the network.
_DEMUXERS = (
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aac,amr,amrnb,amrwb,avi,flv,asf,mpegts,mpeg,ogg,wav,w64,caf,wv,ape,tta,ac3,"
    "eac3,mp3,flac,aiff,au,voc,nistsphere"
)
#: Time stamps are this far off in sound without gaps: block sizes of Vorbis, milliseconds of WebM, encoder delays.
_JITTER_S = 0.04
#: A longer step back is a clock that started anew; shorter ones are jitter of arrival times, as in live WebM.
_RESTART_S = 1.0
#: Containers whose clock begins with the recording, unless the first time stamp is later than this: a live stream.
_LATEST_START_S = 60.0
#: A longer gap is a damaged time stamp.
_LONGEST_GAP_S = 6 * 3600.0
#: The same in live sound, where the bytes of a gap cost a client nothing, and its silence costs the service time.
LONGEST_LIVE_GAP_S = 3600.0
#: Decoded before a segment: a codec needs some packets before its output is correct (the pre-roll of AAC and Opus).
_PREROLL_S = 0.2
#: Demuxers that know where a time is in the file.  In others, decoding from the start is exact and fast.
_SEEKABLE = ("mov,", "matroska,")
#: Decoders that leave the order of channels as the container says it, or set a usual one.
_KEEPS_LAYOUT = ("pcm_", "adpcm_", "alac")


class AvReader:
    """A file that FFmpeg has opened.

    Parameters
    ----------
    file
        Positioned at its beginning.
    name
        Its name in error messages.
    stack
        Closes what is opened here.
    track
        Number of the sound track, from 1; None: the one that the file marks as default, or the first.
    demuxer
        FFmpeg's name of the container; None: found in the content, which takes the first 2 kB.
    longest_gap_s
        A longer gap between time stamps is ignored.

    Raises
    ------
    AudioError
        FFmpeg can't read the file, or it has no sound track, or not this one.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        name: str,
        stack: ExitStack,
        track: int | None = None,
        demuxer: str | None = None,
        longest_gap_s: float = _LONGEST_GAP_S,
    ) -> None:
        import av

        start = file.read(16)
        file.seek(0)
        try:
            options = {"format_whitelist": _DEMUXERS}
            container: Any = stack.enter_context(
                av.open(file, mode="r", format=demuxer, options=options, metadata_errors="replace")
            )
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(f"{name}: {describe(start)}") from error
        with reading(name):
            stream = _track(container, track, name)
            if stream.codec_context is None:  # a damaged format tag
                raise AudioError(
                    f"{name}: no decoder knows how its sound is coded; copy it again, or convert it to WAV"
                )
            self._container, self._stream, self.name, self._longest_gap_s = container, stream, name, longest_gap_s
            self.sample_rate, (self.channels, self.lfe) = int(stream.rate or 0), _channels(stream, name)
            self.container = container.format.name
            self.codec = getattr(stream.codec_context, "name", "unknown").removesuffix("float")  # mp3float
            check_format(self.channels, self.sample_rate, name=name)  # before anything is decoded
            start_s = (container.start_time or 0) / 1e6
            counts_from_0 = self.container.startswith(_SEEKABLE) and 0 <= start_s <= _LATEST_START_S
            self._origin_s = 0.0 if counts_from_0 else start_s
            self.n_frames = self._claimed()

    def _claimed(self) -> int | None:
        """Return the length in the header; None for containers where FFmpeg would estimate it from the bit rate."""
        stream, container = self._stream, self._container
        if not self.container.startswith(("mov,", "matroska,", "wav", "flac")):
            return None
        late_s = max(0.0, float((stream.start_time or 0) * stream.time_base) - self._origin_s)
        if stream.duration:
            late = late_s if late_s > _JITTER_S else 0.0
            return int(round((late + float(stream.duration * stream.time_base)) * self.sample_rate))
        # with video it is the longest stream's, and of FLAC an estimate
        if container.duration and len(container.streams) == 1 and not self.container.startswith("flac"):
            return int(round((container.duration / 1e6 - self._origin_s) * self.sample_rate))
        return None

    def count(self) -> int:
        """Count the samples per channel: of MP3 and Ogg by decoding, else from the times of the packets.

        Packets also hold the delay of the encoder, up to 80 ms.
        """
        if self.container in ("mp3", "ogg") or self.codec == "mp3":
            return sum(len(block) for block in self.chunks(0, 30 * self.sample_rate))
        clock = self._clock()
        with reading(self.name):
            for packet in self._container.demux(self._stream):
                if packet.pts is not None:
                    seconds = float((packet.duration or 0) * self._stream.time_base)
                    clock.place(float(packet.pts * self._stream.time_base), round(seconds * self.sample_rate))
        return clock.position or 0

    def _clock(self) -> "Clock":
        return Clock(self.sample_rate, self._origin_s, longest_gap_s=self._longest_gap_s)

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (about ``size``, channels) from sample ``start`` to the end."""
        blocks: list[Waveform] = []
        n_samples = 0
        for block in self._decoded(start, size):
            blocks.append(block)
            n_samples += len(block)
            if n_samples >= size:
                yield np.concatenate(blocks)
                blocks, n_samples = [], 0
        if blocks:
            yield np.concatenate(blocks)

    def _decoded(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield frames (n, channels) and the silence between them, from sample ``start`` on."""
        import av

        stream, rate = self._stream, self.sample_rate
        # Packed, all channels in one plane: PyAV reads beyond its array of planes if a planar frame has 8 or more.
        resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=rate)
        clock = self._clock()
        with reading(self.name):
            if start and self.container.startswith(_SEEKABLE):
                self._seek(start, clock)
            for frame in self._frames():
                if frame.sample_rate != rate or len(frame.layout.channels) != self.channels:
                    raise AudioError(
                        f"{self.name}: its sound changes from {rate} Hz with {self.channels} channels to "
                        f"{frame.sample_rate} Hz with {len(frame.layout.channels)}; convert it to WAV"
                    )
                gap = clock.place(frame.time, frame.samples)
                at = (clock.position or 0) - frame.samples - gap
                for begin in range(max(at, start), at + gap, size):
                    yield np.zeros((min(size, at + gap - begin), self.channels), np.float32)
                at += gap
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1, self.channels).astype(np.float32, copy=False)
                    skip = min(len(samples), max(0, start - at))
                    at += len(samples)
                    if skip < len(samples):
                        yield samples[skip:]

    def _frames(self) -> Iterator[Any]:
        """Yield decoded frames.  In MP3, tags between joined recordings are not sound, and are passed over."""
        import av

        n_good = n_bad = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.ArgumentError:
                if packet.size:
                    raise
                continue  # an empty packet carries the header of the codec in FLV
            except av.InvalidDataError:
                n_bad += 1
                if self.codec != "mp3" or n_bad > 2 + n_good // 50:
                    raise
                continue
            n_good += 1
            yield from frames

    def _seek(self, start: int, clock: "Clock") -> None:
        """Seek to shortly before sample ``start``; times count from the first audible frame, as they do without."""
        first = next(self._container.decode(self._stream), None)
        if first is not None:
            clock.place(first.time, 0)
        wanted_s = clock.origin_s + max(0.0, start / self.sample_rate - _PREROLL_S)
        self._container.seek(int(wanted_s / self._stream.time_base), stream=self._stream)
        clock.sought(start)


class Clock:
    """Place frames by their time stamps.

    Attributes
    ----------
    origin_s
        Time stamp of the recording's first sample.
    position
        Samples placed so far; None before the first frame, and after a seek.
    """

    def __init__(self, rate: int, origin_s: float, *, longest_gap_s: float = _LONGEST_GAP_S) -> None:
        self._rate, self.origin_s, self._longest_gap_s = rate, origin_s, longest_gap_s
        self.position: int | None = None
        self._is_first, self._start = True, 0

    def sought(self, start: int) -> None:
        """Take the position from the next time stamp; a frame after sample ``start`` follows silence."""
        self.position, self._start = None, start

    def place(self, time_s: float | None, n_samples: int) -> int:
        """Place a frame of ``n_samples`` after the last one, and return the samples of silence between them."""
        position, gap = self.position or 0, 0
        if time_s is not None:
            if self._is_first and time_s - self.origin_s <= _JITTER_S:  # the delay of the encoder
                self.origin_s = time_s
            wanted = round((time_s - self.origin_s) * self._rate)
            jitter, longest = _JITTER_S * self._rate, self._longest_gap_s * self._rate
            restart = _RESTART_S * self._rate
            if self.position is None and not self._is_first:  # after a seek
                position = min(wanted, self._start)
                gap = wanted - position
            elif jitter < wanted - position <= longest:
                gap = wanted - position
            elif position - wanted > restart or wanted - position > longest:  # recordings were joined
                self.origin_s = time_s - position / self._rate
        self._is_first = False
        self.position = position + gap + n_samples
        return gap


def _channels(stream: Any, name: str) -> tuple[int, tuple[int, ...]]:
    """Return the number of channels, and which of them have low-frequency effects.

    Six and eight channels whose purpose the file does not say are taken for 5.1 and 7.1.

    PyAV frees the list of a custom order, such as FC+FL+FR+SL+SR+LFE in a film, once for each object that has it, which
    ends the process.  So decoders that keep the order of the container are given no order.

    Raises
    ------
    AudioError
        The order is a custom one, and the decoder may set it again.
    """
    import av

    layout = stream.layout
    is_custom = " channels (" in layout.name
    if is_custom:
        stream.codec_context.layout = av.AudioLayout(f"{layout.nb_channels} channels")  # `layout` has the only list now
    if is_custom and not stream.codec_context.name.startswith(_KEEPS_LAYOUT):
        raise AudioError(
            f"{name}: its {layout.nb_channels} channels have an unusual order ({layout.name}); convert it to WAV"
        )
    if not 1 <= layout.nb_channels <= MAX_CHANNELS:
        return layout.nb_channels, ()
    names = [channel.name for channel in layout.channels]
    if set(names) == {"NONE"} and len(names) in SURROUND:
        return len(names), (LFE_BIT,)
    return len(names), tuple(n for n, channel in enumerate(names) if channel.startswith("LFE"))


def _track(container: Any, track: int | None, name: str) -> Any:
    import av

    streams = container.streams.audio
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise AudioError(f"{name}: the file has no sound track (it holds {kinds}); give a recording with sound")
    if track is None:
        default = av.stream.Disposition.default
        return next((stream for stream in streams if stream.disposition & default), streams[0])
    if not isinstance(track, int) or not 1 <= track <= len(streams):
        raise SelectionError(f"{name}: track is {track!r}, and the file has {len(streams)}; give 1 to {len(streams)}")
    return streams[track - 1]
