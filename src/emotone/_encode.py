"""Samples to the bytes of a compressed file; imported by `emotone.audio` alone."""

import io

import numpy as np
import numpy.typing as npt

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
