"""Read recordings as 16 kHz mono.

Every source (path, bytes, open file, array; any rate, any number of channels) becomes float32 at `SAMPLE_RATE`.
Nothing is repaired in silence: a source that can't be a recording of a voice raises `AudioError` with finding and
remedy.
"""

import hashlib
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from emotone.audio import array_reader, av_reader, channels, decoding, layout, resampling, wav_reader
from emotone.audio.channels import Channel, ChannelContrast, channel_number
from emotone.audio.decoding import AudioSource, Reader, Waveform, open_reader
from emotone.audio.resampling import SAMPLE_RATE, peak_of, to_16k_mono
from emotone.audio.sources import DecodedElsewhere
from emotone.audio.trimming import MIN_DURATION_S, MIN_SAMPLES
from emotone.errors import AudioError, SilenceError, TooShortError

#: A lower peak is digital silence; the smallest step of 16 bits is three times as large.
SILENT_PEAK = 1e-5
# Ends of annotations are often rounded: an end this much after the recording's end means the recording's end.
_END_TOLERANCE_S = 0.05


@dataclass(frozen=True)
class AudioInfo:
    """Properties of a recording, from its header.

    Attributes
    ----------
    duration_s
        Length in seconds.
    sample_rate
        Sample rate of the source, Hz.
    channels
        Number of channels of the source.
    container, codec
        Names such as "wav" and "pcm_16", "matroska,webm" and "opus", "array" and "float32".
    """

    duration_s: float
    sample_rate: int
    channels: int
    container: str
    codec: str


class Recording:
    """An open recording, or a segment of it, which is read once as 16 kHz mono; see `open_recording`.

    Attributes
    ----------
    name
        Its name in error messages.
    n_samples
        Samples read so far, at `SAMPLE_RATE`.
    """

    def __init__(self, reader: Reader, begin: int, end: int | None, channel: Channel) -> None:
        self._reader, self._begin, self._end, self._channel = reader, begin, end, channel
        self._contrast = ChannelContrast() if reader.channels == 2 and channel_number(channel) is None else None
        self.name = reader.name if not begin and end is None else f"{reader.name} from {begin / SAMPLE_RATE:g} s"
        self.n_samples = 0

    @property
    def duration_s(self) -> float | None:
        """Length in seconds by the header; None if the header does not say."""
        if self._end is not None:
            return (self._end - self._begin) / SAMPLE_RATE
        n_frames = self._reader.n_frames
        return None if n_frames is None else n_frames / self._reader.sample_rate - self._begin / SAMPLE_RATE

    @property
    def n_channels(self) -> int:
        """Number of channels of the source."""
        return self._reader.channels

    @property
    def has_two_people(self) -> bool:
        """Whether the two channels that were read so far seem to hold different people."""
        return self._contrast is not None and self._contrast.is_two_people

    def pieces(self, *, size_s: float = 30.0) -> Iterator[Waveform]:
        """Yield pieces (n,) of about ``size_s`` seconds.

        Raises
        ------
        AudioError
            The recording is damaged or truncated, or the segment lies outside it.
        """
        _check_inside(self._reader, self._begin, self._end)
        pieces = to_16k_mono(
            self._reader, self._begin, self._end, channel=self._channel, contrast=self._contrast, size_s=size_s
        )
        for piece in pieces:
            self.n_samples += len(piece)
            yield piece
        short = round(_END_TOLERANCE_S * SAMPLE_RATE)
        lacks_end = self._end is not None and self.n_samples < self._end - self._begin - short
        if (self._begin and not self.n_samples) or lacks_end:
            ends_s = (self._begin + self.n_samples) / SAMPLE_RATE
            raise _beyond(self._reader, self._begin, self._end, ends_s=ends_s)
        if not self.n_samples:
            raise AudioError(f"{self.name}: the recording holds no samples; record it again")

    def whole(self) -> Waveform:
        """Return all of it, (n,)."""
        return _gather(self.pieces(), _expected_samples(self._reader, self._begin, self._end))

    def blocks(self, block_s: float) -> Iterator[Waveform]:
        """Yield blocks of ``block_s`` seconds; the last one may be shorter."""
        size = round(block_s * SAMPLE_RATE)
        rest = np.zeros(0, np.float32)
        for piece in self.pieces(size_s=max(1.0, min(30.0, block_s))):
            rest = np.concatenate([rest, piece]) if len(rest) else piece
            whole = len(rest) - len(rest) % size
            for at in range(0, whole, size):
                yield rest[at : at + size]
            rest = rest[whole:].copy() if whole else rest
        if len(rest):
            yield rest


@contextmanager
def open_recording(
    source: AudioSource,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    channel: Channel = "mix",
    track: int | None = None,
) -> Iterator[Recording]:
    """Open a recording, or a segment of it, for reading once; parameters and errors as in `read`."""
    if isinstance(source, DecodedElsewhere):
        with source.open(start_s=start_s, end_s=end_s, channel=channel, track=track) as opened:
            yield opened
        return
    begin, end = segment_of(start_s, end_s)
    with open_reader(source, track=track) as reader:
        yield Recording(reader, begin, end, channel)


def read(
    source: AudioSource,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    channel: Channel = "mix",
    track: int | None = None,
) -> npt.NDArray[np.float32]:
    """Read a recording, or a segment of it, as 16 kHz mono.

    Channels are averaged, except for low-frequency effects.  If they cancel each other (one is wired with inverted
    polarity), the loudest channel is used instead: see `emotone.audio.channels.Downmix`.  Amplitudes are kept, even
    outside [-1, 1]: gain does not change predictions.  Gaps between time stamps become silence.

    Parameters
    ----------
    source
        A path, the bytes of a file, a binary file (read from its beginning and left open), or ``(samples, rate)`` with
        samples of shape (n,) or (n, channels), floating point or integers (scaled by the range of their type).
    start_s, end_s
        The segment, in seconds; ``None`` or NaN (as in tables of corpora) means the end of the recording.  The result
        equals that slice of the whole recording; WebM has times in whole milliseconds, so there it may be off by 1 ms.
    channel
        "mix", "left", "right", or the number of a channel, from 1.
    track
        Number of the sound track in a file with several, from 1; None: the default track.

    Returns
    -------
    (n,) float32 at `SAMPLE_RATE`, n >= 3200 (`MIN_DURATION_S`).

    Raises
    ------
    AudioError
        The source is missing, empty, truncated by over 1 %, damaged, has no sound, is silent (peak below 1e-5), is
        shorter than `MIN_DURATION_S`, or holds NaN or infinity; or the segment lies outside it; or it lacks the channel
        or the track.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    >>> read((tone, 48_000)).shape
    (16000,)
    """
    with open_recording(source, start_s=start_s, end_s=end_s, channel=channel, track=track) as recording:
        samples = recording.whole()
    return check_sound(samples, recording.name)


def check_sound(samples: Waveform, name: str) -> Waveform:
    """Return samples (n,) at `SAMPLE_RATE` unless they are too short or silent, which raises `AudioError`."""
    if len(samples) < MIN_SAMPLES:
        raise TooShortError(
            f"{name}: {len(samples) / SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{MIN_DURATION_S} s; record a longer utterance"
        )
    peak = peak_of(samples)
    if peak < SILENT_PEAK:
        raise SilenceError(
            f"{name}: the recording is silent (its peak is {peak:.1e}, expected {SILENT_PEAK:g} or more); "
            "check the microphone and record again"
        )
    return samples


def blocks(
    source: AudioSource, *, block_s: float = 30.0, channel: Channel = "mix", track: int | None = None
) -> Iterator[npt.NDArray[np.float32]]:
    """Read a recording of any length in bounded memory, as blocks of a continuous 16 kHz mono stream.

    Joined, the blocks equal ``read(source)``.  Silent and short recordings are no errors here: a long recording has
    pauses.

    Parameters
    ----------
    source, channel, track
        As in `read`.
    block_s
        Length of a block in seconds, above 0 and up to an hour; the last block may be shorter.

    Yields
    ------
    (block_s * 16000,) float32; the last one (n,) with n >= 1.

    Raises
    ------
    AudioError
        As in `read`, except for silent and short recordings.

    Examples
    --------
    >>> [len(block) for block in blocks((np.ones(40_000), 16_000), block_s=1)]
    [16000, 16000, 8000]
    """
    if not 0 < block_s <= 3600 or round(block_s * SAMPLE_RATE) < 1:
        raise AudioError(f"blocks of {block_s} s were asked for; give a length above 0 and up to 3600 s")
    return _blocks(source, block_s, channel, track)


def _blocks(source: AudioSource, block_s: float, channel: Channel, track: int | None) -> Iterator[Waveform]:
    with open_recording(source, channel=channel, track=track) as recording:
        yield from recording.blocks(block_s)


def info(source: AudioSource, *, track: int | None = None) -> AudioInfo:
    """Return length, rate, channels and format, from the header if it has them, without decoding.

    Raises
    ------
    AudioError
        The source can't be opened as a recording.

    Examples
    --------
    >>> info((np.zeros((8000, 2), np.float32), 8000))
    AudioInfo(duration_s=1.0, sample_rate=8000, channels=2, container='array', codec='float32')
    """
    with open_reader(source, track=track) as reader:
        n_frames = reader.n_frames if reader.n_frames is not None else reader.count()
        return AudioInfo(
            duration_s=n_frames / reader.sample_rate,
            sample_rate=reader.sample_rate,
            channels=reader.channels,
            container=reader.container,
            codec=reader.codec,
        )


def content_digest(samples: npt.NDArray[np.float32]) -> str:
    """Return the SHA-256 of a recording's samples: equal for a renamed file and for another lossless format.

    Parameters
    ----------
    samples
        (n,) float32 of the untrimmed recording, ``read(source)``.

    Returns
    -------
    64 hexadecimal digits.

    Raises
    ------
    AudioError
        ``samples`` is not (n,) float32.
    """
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise AudioError(f"a digest of {samples.dtype} {samples.shape} was asked for; give (n,) float32 from read()")
    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").data).hexdigest()


def code() -> tuple[ModuleType, ...]:
    """Return the modules that decide on the samples: what is stored of recordings is computed again after changes."""
    from emotone.audio import mpeg_layout, soundfile_reader

    readers = (array_reader, av_reader, soundfile_reader, wav_reader)
    return (*readers, channels, decoding, layout, mpeg_layout, resampling, sys.modules[__name__])


def segment_of(start_s: float, end_s: float | None) -> tuple[int, int | None]:
    """Return the first sample of a segment and the sample after its last, at 16 kHz."""
    if end_s is not None and math.isnan(end_s):
        end_s = None
    if not 0 <= start_s < math.inf or (end_s is not None and not start_s < end_s < math.inf):
        raise AudioError(f"the segment from {start_s} to {end_s} s is invalid; give 0 <= start_s < end_s, in seconds")
    return round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)


def _check_inside(reader: Reader, begin: int, end: int | None) -> None:
    if reader.n_frames is None:
        return  # checked when the recording ends
    duration_s = reader.n_frames / reader.sample_rate
    last_s = begin / SAMPLE_RATE if end is None else end / SAMPLE_RATE - _END_TOLERANCE_S
    if begin / SAMPLE_RATE >= duration_s or last_s > duration_s:
        raise _beyond(reader, begin, end, ends_s=duration_s)


def _beyond(reader: Reader, begin: int, end: int | None, *, ends_s: float) -> AudioError:
    asked = f"{begin / SAMPLE_RATE:g} s to {'the end' if end is None else f'{end / SAMPLE_RATE:g} s'}"
    return AudioError(
        f"{reader.name}: the segment {asked} goes beyond the recording, which ends at {ends_s:.2f} s at the latest; "
        "correct the segment"
    )


def _expected_samples(reader: Reader, begin: int, end: int | None) -> int:
    if end is not None:
        return end - begin
    if reader.n_frames is None:
        return 0
    return max(0, math.ceil(reader.n_frames * SAMPLE_RATE / reader.sample_rate) - begin)


def _gather(pieces: Iterator[Waveform], expected: int) -> Waveform:
    """Join pieces with a single copy in memory; ``expected`` comes from a header, so it is limited to an hour."""
    whole = np.empty(min(expected, 3600 * SAMPLE_RATE), np.float32)
    n = 0
    for piece in pieces:
        if n == 0 and len(piece) == expected:
            whole = piece  # the common case, a single chunk, needs no copy
        else:
            if n + len(piece) > len(whole):
                whole.resize(max(n + len(piece), len(whole) * 3 // 2), refcheck=False)
            whole[n : n + len(piece)] = piece
        n += len(piece)
    return whole[:n]
