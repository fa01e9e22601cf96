"""Write waveforms: WAV files, and MP3 as bytes."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.audio.resampling import SAMPLE_RATE, peak_of
from emotone.errors import AudioError
from emotone.files import replacing

#: Bit rates of MP3 at 16 to 24 kHz (MPEG-2, layer III); for any other rate, LAME silently takes another one.
RATES_KBIT_S = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def encode_mp3(samples: npt.NDArray[Any], *, kbit_s: int) -> bytes:
    """Encode (n,) in [-1, 1] at 16 kHz as MP3 of a constant bit rate, by LAME through PyAV.

    Raises
    ------
    AudioError
        MP3 has no such bit rate at 16 kHz, or the samples are not (n,), not finite, or above 1.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if kbit_s not in RATES_KBIT_S:
        raise AudioError(
            f"MP3 has no {kbit_s} kbit/s at {SAMPLE_RATE} Hz; expected {', '.join(map(str, RATES_KBIT_S))}"
        )
    if samples.ndim != 1 or not samples.size:
        raise AudioError(f"samples of shape {samples.shape} can't be encoded as MP3; give (n,) with n of at least 1")
    peak = float(np.abs(samples).max())
    if not peak <= 1.0:  # NaN would make LAME end the whole process
        raise AudioError(f"samples whose peak is {peak:g} can't be encoded as MP3; give finite ones in [-1, 1]")
    import av

    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp3") as container:
            stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE)
            stream.bit_rate = 1000 * kbit_s
            stream.layout = "mono"
            stream.format = "fltp"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(
            f"{len(samples)} samples can't be encoded as MP3 ({error}); expected an FFmpeg with LAME, which the wheels "
            "of PyAV have: pip install --force-reinstall av"
        ) from error
    return file.getvalue()


def write_wav(path: str | os.PathLike[str], samples: npt.NDArray[Any], *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write a 16-bit WAV file, atomically.

    Parameters
    ----------
    path
        The file; an existing file is replaced.
    samples
        (n,) or (n, channels): floating point in [-1, 1], or int16, which is written without any change.
    sample_rate
        Hz.

    Raises
    ------
    AudioError
        There are no samples, they are outside [-1, 1] or not finite, or the file can't be written.
    """
    import soundfile  # here: predictions of WAV need none

    target = Path(path)
    pcm = _to_int16(samples, name=str(target))
    try:
        if not target.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {target.parent}")
        with replacing(target) as part:
            with part.open("wb") as file:  # by handle: soundfile takes no name that is no text
                soundfile.write(file, pcm, sample_rate, format="WAV", subtype="PCM_16")
    except (OSError, soundfile.LibsndfileError, TypeError, ValueError, OverflowError) as error:
        raise AudioError(f"{target}: can't be written ({error}); check the folder, the space and the rate") from error


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
    # Reading assumes steps of 1/32768; in 16 bits only +1.0 has no exact value.
    return np.minimum(np.rint(samples * 32768.0), 32767).astype(np.int16)
