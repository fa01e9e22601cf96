"""Downmix and resample to a continuous stream of 16 kHz mono, in bounded memory."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from emotone.audio.channels import Channel, ChannelContrast, Downmix
from emotone.audio.reader import RATES_HZ, Reader, Waveform
from emotone.errors import AudioError

SAMPLE_RATE = 16_000
_CHUNK_S, _MOST_VALUES = 30.0, 8_000_000
# Decoded before a segment, so that the resampler's filter (a few ms long) starts on sound rather than on zeros.
_CONTEXT_S = 0.05
# float32 reaches 3e38: a larger sample is no sound, and its square would overflow.
_LARGEST = 1e15


def peak_of(samples: npt.NDArray[Any]) -> float:
    """Return the largest absolute value of an array that is not empty; NaN if it holds NaN."""
    return max(float(samples.max()), -float(samples.min()))


def to_16k_mono(
    reader: Reader,
    begin: int,
    end: int | None,
    *,
    channel: Channel = "mix",
    contrast: ChannelContrast | None = None,
    size_s: float = _CHUNK_S,
) -> Iterator[Waveform]:
    """Yield pieces (n,) of the recording as 16 kHz mono, from output sample ``begin`` to ``end``, without seams.

    The decoder starts at least `_CONTEXT_S` early, at a time that is a whole sample at both rates, so that a segment
    equals that slice of the whole recording.
    """
    rate = reader.sample_rate
    common = math.gcd(rate, SAMPLE_RATE)
    out_step, in_step = SAMPLE_RATE // common, rate // common
    steps = max(0, begin // out_step - math.ceil(_CONTEXT_S * SAMPLE_RATE / out_step)) if begin else 0
    skip = begin - steps * out_step
    left = math.inf if end is None else end - begin
    # 30 s of eight channels at 384 kHz would take half a gigabyte
    size = min(round(size_s * rate), max(rate, _MOST_VALUES // reader.channels))
    if end is not None:
        size = min(size, math.ceil((skip + left) * rate / SAMPLE_RATE + 2 * _CONTEXT_S * rate))
    downmix = Downmix(channel, n_channels=reader.channels, lfe=reader.lfe, name=reader.name)
    pieces = _mono(reader, steps * in_step, size, downmix, contrast)
    is_short = reader.n_frames is not None and reader.n_frames - steps * in_step <= size
    for piece in _resample(pieces, rate, is_short=is_short):
        kept = piece[skip:]
        skip = max(0, skip - len(piece))
        kept = kept[: int(min(left, len(kept)))]
        left -= len(kept)
        if len(kept):
            yield kept
        if left <= 0:
            return


def _resample(pieces: Iterable[Waveform], rate: int, *, is_short: bool) -> Iterator[Waveform]:
    """Yield pieces at `SAMPLE_RATE`; a short recording is all in memory, and often a single piece."""
    if rate == SAMPLE_RATE:
        yield from pieces
        return
    if is_short:
        pieces = list(pieces)
        if len(pieces) == 1:  # the same samples as by a stream, in three quarters of the time
            yield soxr.resample(pieces[0], rate, SAMPLE_RATE, quality="HQ")
            return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for piece in pieces:
        yield stream.resample_chunk(piece)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _mono(
    reader: Reader, start: int, size: int, downmix: Downmix, contrast: ChannelContrast | None
) -> Iterator[Waveform]:
    """Yield checked chunks (n,) of the recording from sample ``start`` on, at its own rate."""
    at = start
    for chunk in reader.chunks(start, size):
        mono = downmix(chunk)
        if contrast is not None:
            contrast.push(chunk, reader.sample_rate)
        if not peak_of(mono) <= _LARGEST:  # NaN compares false
            where = int(np.flatnonzero(~(np.abs(mono) <= _LARGEST))[0])
            raise AudioError(
                f"{reader.name}: the sample at {(at + where) / reader.sample_rate:.3f} s is {mono[where]}; "
                "expected finite numbers: write the recording again without NaN or infinity"
            )
        at += len(chunk)
        yield mono
    claimed = reader.n_frames
    if claimed is not None and claimed - at > max(0.01 * claimed, 0.1 * reader.sample_rate):
        raise AudioError(
            f"{reader.name}: the recording was cut short, {at / reader.sample_rate:.2f} of "
            f"{claimed / reader.sample_rate:.2f} s are there; copy or download it again"
        )


class ChunkReader:
    """From chunks of a live source to samples, in which a chunk of bytes may end within a sample.

    Parameters
    ----------
    channels
        Number of channels: interleaved, or the second axis of an array.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._bytes = b""

    def read(self, chunk: bytes | bytearray | memoryview | npt.NDArray[Any]) -> Waveform:
        """Return (n, channels) float32 of 16-bit little-endian PCM, or of floating point or int16.

        Raises
        ------
        AudioError
            The chunk has another type or shape, or a value that is not finite.
        """
        if isinstance(chunk, bytes | bytearray | memoryview):
            whole = self._bytes + bytes(chunk)
            end = len(whole) - len(whole) % (2 * self.channels)
            self._bytes = whole[end:]
            return np.frombuffer(whole[:end], "<i2").reshape(-1, self.channels).astype(np.float32) / 32768.0
        array = np.asarray(chunk)
        if array.ndim == 1 and self.channels == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != self.channels:
            raise AudioError(f"a chunk has the shape {array.shape}; expected (n, {self.channels}), a row per sample")
        if array.dtype == np.int16:
            return array.astype(np.float32) / 32768.0
        if array.dtype.kind != "f":
            raise AudioError(f"a chunk is of {array.dtype}; expected floating point in [-1, 1], int16, or bytes of it")
        with np.errstate(over="ignore"):
            samples = array.astype(np.float32)
        if len(samples) and not peak_of(samples) <= _LARGEST:
            raise AudioError("a chunk has numbers that are not finite; expected floating point in [-1, 1]")
        return samples


class LiveResampler:
    """From chunks of a live source to 16 kHz mono; chunk boundaries do not change the result.

    Chunks are split into blocks of 20 ms, so that neither the resampler nor the downmix depends on them.

    Parameters
    ----------
    rate
        Sample rate of the source, Hz.
    channels
        Number of channels: interleaved, or the second axis of an array.
    channel
        "mix", "left", "right", or the number of a channel, from 1.

    Raises
    ------
    AudioError
        The rate is not from 1,000 to 384,000, or the channels are not from 1 to 32, or lack the one that is chosen.
    """

    def __init__(self, rate: int, channels: int, *, channel: Channel = "mix") -> None:
        if not isinstance(rate, int) or not RATES_HZ[0] <= rate <= RATES_HZ[1]:
            raise AudioError(f"the rate is {rate!r}; expected samples a second, a whole number from 1000 to 384000")
        if not isinstance(channels, int) or not 1 <= channels <= 32:
            raise AudioError(f"there are {channels!r} channels; expected a whole number from 1 to 32")
        self.rate, self.channels = rate, channels
        self._block = max(1, rate // 50)
        self._chunks = ChunkReader(channels)
        self._rest = np.zeros((0, channels), np.float32)
        self._downmix = Downmix(channel, n_channels=channels, name="the stream")
        self._resampler = (
            None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        )

    def push(self, chunk: bytes | bytearray | memoryview | npt.NDArray[Any]) -> Waveform:
        """Resample a chunk, 16-bit little-endian PCM or floating point or int16 (n,) or (n, channels): (m,) float32."""
        waiting = np.concatenate([self._rest, self._chunks.read(chunk)])
        whole = len(waiting) - len(waiting) % self._block
        pieces = [self._resampled(waiting[at : at + self._block]) for at in range(0, whole, self._block)]
        self._rest = waiting[whole:].copy()
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def finish(self) -> Waveform:
        """Return the rest at the end of the stream."""
        pieces = [self._resampled(self._rest)] if len(self._rest) else []
        self._rest = self._rest[:0]
        if self._resampler is not None:
            pieces.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _resampled(self, block: Waveform) -> Waveform:
        mono = np.ascontiguousarray(self._downmix(block))
        return mono if self._resampler is None else np.asarray(self._resampler.resample_chunk(mono), np.float32)
