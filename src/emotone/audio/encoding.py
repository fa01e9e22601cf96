"""Samples to the bytes of a compressed file; imported by `emotone.audio` alone."""

import io
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from emotone.audio.resampling import SAMPLE_RATE, peak_of
from emotone.errors import AudioError

#: What MP3 has at rates from 16 to 24 kHz (MPEG-2, layer III); LAME takes another one in silence for any other.
RATES_KBIT_S = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def mp3(samples: npt.NDArray[np.float32], *, rate: int, kbit_s: int) -> bytes:
    """(n,) in [-1, 1] at ``rate`` Hz, 16 to 24 kHz -> an MP3 file of a constant bit rate, by LAME through PyAV."""
    if kbit_s not in RATES_KBIT_S:
        raise AudioError(f"MP3 has no {kbit_s} kbit/s at {rate} Hz; give one of {', '.join(map(str, RATES_KBIT_S))}")
    if samples.ndim != 1 or not samples.size:
        raise AudioError(f"samples of shape {samples.shape} can't be encoded as MP3; give (n,) with n of at least 1")
    peak = float(np.abs(samples).max())
    if not peak <= 1.0:  # of NaN, LAME would end the whole process
        raise AudioError(f"samples whose peak is {peak:g} can't be encoded as MP3; give finite ones in [-1, 1]")
    import av

    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp3") as container:
            stream = container.add_stream("libmp3lame", rate=rate)
            stream.bit_rate = 1000 * kbit_s
            stream.layout = "mono"
            stream.format = "fltp"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
            frame.sample_rate = rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(
            f"{len(samples)} samples can't be encoded as MP3 ({error}); expected an FFmpeg with LAME, which the wheels "
            "of PyAV have: pip install --force-reinstall av"
        ) from error
    return file.getvalue()


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
    pass

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
