"""Recordings in, 16 kHz mono out: the only module that opens audio.

Whatever comes in (path, bytes, open file, array; any rate, any number of channels) leaves as float32 at `SAMPLE_RATE`.
Nothing is repaired in silence: what can't be a recording of a voice raises `AudioError` with finding and remedy.
The decoders are in `emotone._decode`, the encoder in `emotone._encode`, downmix and resampling in `emotone._mono`.
"""

import hashlib
import math
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from emotone._decode import AudioSource, Reader, Waveform, open_reader
from emotone._mono import SAMPLE_RATE, peak_of, to_16k_mono
from emotone.errors import AudioError, SilenceError

__all__ = [
    "MIN_DURATION_S",
    "SAMPLE_RATE",
    "SILENT_PEAK",
    "AudioInfo",
    "AudioSource",
    "Waveform",
    "blocks",
    "content_digest",
    "encode_mp3",
    "info",
    "read",
    "trim_silence",
    "write_wav",
]

MIN_DURATION_S = 0.2
#: A peak below this is digital silence (the smallest step of 16 bits is three times as large).
SILENT_PEAK = 1e-5
# An annotation's end is often rounded: this much beyond the recording's end is still its end.
_END_TOLERANCE_S = 0.05
_CELL, _CELLS_PER_FRAME, _CELLS_PER_HOP = 80, 5, 2  # 5 ms cells: 25 ms frames every 10 ms at 16 kHz
_MARGIN_S = 0.05


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says.

    Attributes
    ----------
    duration_s
        Length in seconds.
    sample_rate
        Samples a second of the recording itself, Hz.
    channels
        Number of channels of the recording itself.
    container, codec
        Names such as "wav" and "pcm_16", "matroska,webm" and "opus", "array" and "float32".
    """

    duration_s: float
    sample_rate: int
    channels: int
    container: str
    codec: str


def read(
    source: AudioSource, *, start_s: float = 0.0, end_s: float | None = None, trim: bool = True
) -> npt.NDArray[np.float32]:
    """Read a recording, or a segment of it, as 16 kHz mono.

    Channels are averaged.  Where they cancel each other (one is wired with inverted polarity), the loudest channel
    stands in: see `emotone._mono.Downmix`.  Amplitudes are kept, also beyond [-1, 1]: gain changes no later answer.

    Parameters
    ----------
    source
        A path, the bytes of a file, a binary file (read from its beginning and left open), or ``(samples, rate)`` with
        samples of shape (n,) or (n, channels), floating point or integers (scaled by the range of their type).
    start_s, end_s
        The segment, in seconds of the recording; ``None`` or NaN (as tables of corpora have it) is the end.  It is
        the slice of the whole recording; in WebM, whose times are whole milliseconds, it may begin 1 ms off.
    trim
        Whether `trim_silence` removes the silence at both ends.

    Returns
    -------
    (n,) float32 at `SAMPLE_RATE`, n >= 3200 (`MIN_DURATION_S`).

    Raises
    ------
    AudioError
        The source is missing, empty, cut short by over 1 %, damaged, no sound, silent (peak under 1e-5), shorter than
        `MIN_DURATION_S`, holds NaN or infinity, or the segment is not inside it.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    >>> read((tone, 48_000)).shape
    (16000,)
    """
    begin, end = _segment(start_s, end_s)
    with open_reader(source) as reader:
        _check_inside(reader, begin, end)
        samples = _gather(to_16k_mono(reader, begin, end), _expected_samples(reader, begin, end))
        name = reader.name if not begin and end is None else f"{reader.name} from {start_s:g} s"
        tolerance = round(_END_TOLERANCE_S * SAMPLE_RATE)
        if (begin and not len(samples)) or (end is not None and len(samples) < end - begin - tolerance):
            raise _beyond(reader, begin, end, ends_s=(begin + len(samples)) / SAMPLE_RATE)
    if len(samples) < round(MIN_DURATION_S * SAMPLE_RATE):
        raise AudioError(
            f"{name}: {len(samples) / SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{MIN_DURATION_S} s; record a longer utterance"
        )
    peak = peak_of(samples)
    if peak < SILENT_PEAK:
        raise SilenceError(
            f"{name}: the recording is silent (its peak is {peak:.1e}, expected {SILENT_PEAK:g} or more); "
            "check the microphone and record again"
        )
    return trim_silence(samples) if trim else samples


def blocks(source: AudioSource, *, block_s: float = 30.0) -> Iterator[npt.NDArray[np.float32]]:
    """Read a recording of any length in bounded memory: the blocks of one continuous 16 kHz mono stream.

    Together the blocks are ``read(source, trim=False)``.  Silence is no error here (a long recording has pauses),
    nor is a short recording.

    Parameters
    ----------
    source
        As in `read`.
    block_s
        Length of a block in seconds, above 0 and up to an hour; the last block may be shorter.

    Yields
    ------
    (block_s * 16000,) float32; the last one (n,) with n >= 1.

    Raises
    ------
    AudioError
        As in `read`, but for silent and short recordings.

    Examples
    --------
    >>> [len(block) for block in blocks((np.ones(40_000), 16_000), block_s=1)]
    [16000, 16000, 8000]
    """
    size = round(block_s * SAMPLE_RATE) if 0 < block_s <= 3600 else 0
    if size < 1:
        raise AudioError(f"blocks of {block_s} s were asked for; give a length above 0 and up to 3600 s")
    return _equal_blocks(source, size)


def _equal_blocks(source: AudioSource, size: int) -> Iterator[Waveform]:
    with open_reader(source) as reader:
        held = np.zeros(0, np.float32)
        empty = True
        for piece in to_16k_mono(reader, 0, None):
            held = np.concatenate([held, piece]) if len(held) else piece
            whole = len(held) - len(held) % size
            for at in range(0, whole, size):
                yield held[at : at + size]
                empty = False
            held = held[whole:].copy()
        if len(held):
            yield held
        elif empty:
            raise AudioError(f"{reader.name}: the recording holds no samples; record it again")


def info(source: AudioSource) -> AudioInfo:
    """Length, rate, channels and format, from the header where it tells them, without decoding.

    Raises
    ------
    AudioError
        The source can't be opened as a recording.

    Examples
    --------
    >>> info((np.zeros((8000, 2), np.float32), 8000))
    AudioInfo(duration_s=1.0, sample_rate=8000, channels=2, container='array', codec='float32')
    """
    with open_reader(source) as reader:
        n_frames = reader.n_frames if reader.n_frames is not None else reader.count()
        return AudioInfo(
            duration_s=n_frames / reader.sample_rate,
            sample_rate=reader.sample_rate,
            channels=reader.channels,
            container=reader.container,
            codec=reader.codec,
        )


def trim_silence(samples: npt.NDArray[np.float32], *, threshold_db: float = 40.0) -> npt.NDArray[np.float32]:
    """Remove the silence at both ends.

    Frames of 25 ms every 10 ms count as sound while their RMS is within ``threshold_db`` of the loudest frame's; a
    margin of 50 ms is kept on both sides, and never less than `MIN_DURATION_S` of what was given.  The threshold is
    relative, so the same sound at another gain is cut at the same place.

    Parameters
    ----------
    samples
        (n,) at `SAMPLE_RATE`, any gain.
    threshold_db
        How far under the loudest frame silence begins, dB, above 0.

    Returns
    -------
    (m,) of the same type, m <= n: a view of ``samples``.

    Raises
    ------
    AudioError
        ``samples`` is no 1-D array, is empty, or has no finite energy; or ``threshold_db`` is not above 0.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000, dtype=np.float32))
    >>> len(trim_silence(np.concatenate([np.zeros(16_000, np.float32), tone])))
    9120
    """
    if samples.ndim != 1 or not samples.size:
        raise AudioError(f"samples of shape {samples.shape} can't be trimmed; give (n,) with n of at least 1")
    if not 0 < threshold_db < math.inf:
        raise AudioError(f"threshold_db is {threshold_db}; give a number of dB above 0, such as 40")
    energy = _frame_energy(samples)
    loudest = float(energy.max())
    if not 0 < loudest < math.inf:
        raise AudioError(
            f"samples with a loudest energy of {loudest} can't be trimmed; give a sound that is not silent"
        )
    sounding = np.flatnonzero(energy >= loudest * 10 ** (-threshold_db / 10))
    hop, frame, margin = _CELL * _CELLS_PER_HOP, _CELL * _CELLS_PER_FRAME, round(_MARGIN_S * SAMPLE_RATE)
    begin = max(0, int(sounding[0]) * hop - margin)
    end = min(len(samples), int(sounding[-1]) * hop + frame + margin)
    missing = min(len(samples), round(MIN_DURATION_S * SAMPLE_RATE)) - (end - begin)
    if missing > 0:
        begin = max(0, min(begin - missing // 2, len(samples) - (end - begin) - missing))
        end = begin + round(MIN_DURATION_S * SAMPLE_RATE)
    return samples[begin:end]


def _frame_energy(samples: Waveform) -> npt.NDArray[np.float64]:
    """Sum of squares of each 25 ms frame, hop 10 ms, in float64; the last frame is filled up with zeros.

    Frame and hop are whole numbers of 5 ms cells, so each square is computed once and a long recording needs no
    float64 copy of itself.
    """
    n_cells = len(samples) // _CELL
    cells = samples[: n_cells * _CELL].reshape(n_cells, _CELL)
    energy = np.einsum("ij,ij->i", cells, cells, dtype=np.float64)
    rest = samples[n_cells * _CELL :].astype(np.float64)
    n_frames = 1 + max(0, math.ceil((n_cells + 1 - _CELLS_PER_FRAME) / _CELLS_PER_HOP))
    padded = np.zeros((n_frames - 1) * _CELLS_PER_HOP + _CELLS_PER_FRAME)
    padded[:n_cells] = energy
    padded[n_cells] = rest @ rest
    frames = np.lib.stride_tricks.sliding_window_view(padded, _CELLS_PER_FRAME)[::_CELLS_PER_HOP]
    summed: npt.NDArray[np.float64] = frames.sum(axis=1)
    return summed


def content_digest(samples: npt.NDArray[np.float32]) -> str:
    """SHA-256 of a recording's sound: equal for the same sound under another name or in another lossless format.

    Parameters
    ----------
    samples
        (n,) float32 of the untrimmed recording, ``read(source, trim=False)``.

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


def write_wav(path: str | os.PathLike[str], samples: npt.NDArray[Any], *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write a 16 bit WAV file; the file appears whole or not at all.

    Parameters
    ----------
    path
        The file; one of the same name is replaced.
    samples
        (n,) or (n, channels): floating point in [-1, 1], or int16 (written and read back without any change).
    sample_rate
        Samples a second, Hz.

    Raises
    ------
    AudioError
        There are no samples, they are beyond [-1, 1] or not finite, or the file can't be written.
    """
    target = Path(path)
    pcm = _to_int16(samples, name=str(target))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            soundfile.write(file, pcm, sample_rate, format="WAV", subtype="PCM_16")
        os.replace(part, target)
    except (OSError, soundfile.LibsndfileError, TypeError, ValueError, OverflowError) as error:
        raise AudioError(f"{target}: can't be written ({error}); check the folder, the space and the rate") from error
    finally:
        part.unlink(missing_ok=True)


def encode_mp3(samples: npt.NDArray[Any], *, kbit_s: int) -> bytes:
    """Encode (n,) in [-1, 1] at 16 kHz as MP3 of a constant bit rate; `read` takes the bytes.

    Raises
    ------
    AudioError
        The bit rate is none that MP3 has at 16 kHz, or the samples are of another shape, not finite, or above 1.
    """
    from emotone._encode import mp3

    return mp3(np.asarray(samples, dtype=np.float32), rate=SAMPLE_RATE, kbit_s=kbit_s)


def _to_int16(samples: npt.NDArray[Any], *, name: str) -> npt.NDArray[np.int16]:
    if samples.ndim not in (1, 2) or not samples.size:
        raise AudioError(f"{name}: samples of shape {samples.shape} can't be written; give (n,) or (n, channels)")
    if samples.dtype == np.int16:
        return samples
    if samples.dtype.kind != "f":
        raise AudioError(f"{name}: samples are {samples.dtype}; give floating point in [-1, 1] or int16")
    peak = peak_of(samples)
    if not peak <= 1.0:
        raise AudioError(f"{name}: the peak is {peak:g}, expected at most 1; divide the samples by their peak")
    # 1/32768 is the step that reading assumes; +1.0 alone has no 16 bit value of its own.
    return np.minimum(np.rint(samples * 32768.0), 32767).astype(np.int16)


def _segment(start_s: float, end_s: float | None) -> tuple[int, int | None]:
    """Turn a segment in seconds into its first sample and the one after its last, at 16 kHz."""
    if end_s is not None and math.isnan(end_s):
        end_s = None
    if not 0 <= start_s < math.inf or (end_s is not None and not start_s < end_s < math.inf):
        raise AudioError(
            f"the segment from {start_s} to {end_s} s is none; give 0 <= start_s < end_s, in seconds of the recording"
        )
    return round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)


def _check_inside(reader: Reader, begin: int, end: int | None) -> None:
    if reader.n_frames is None:
        return  # found out when the recording ends
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
    """Join pieces with one copy in memory; ``expected`` is a header's claim, so only an hour of it is believed."""
    whole = np.empty(min(expected, 3600 * SAMPLE_RATE), np.float32)
    n = 0
    for piece in pieces:
        if n == 0 and len(piece) == expected:
            whole = piece  # the common case, one chunk: no copy at all
        else:
            if n + len(piece) > len(whole):
                whole.resize(max(n + len(piece), len(whole) * 3 // 2), refcheck=False)
            whole[n : n + len(piece)] = piece
        n += len(piece)
    return whole[:n]
