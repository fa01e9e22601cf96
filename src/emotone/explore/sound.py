"""A recording as pictures show it: spectra, pitch and energy on scales that are the same for every clip.

The transforms are those that the package's features are made of (`emotone.features.spectral` and
`emotone.features.descriptors`), with one difference: levels are relative to full scale and not to the clip at hand, so
that two clips can be compared.  Windows are 32 ms long, one each 10 ms, centred on their time.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.audio import MIN_SAMPLES, SAMPLE_RATE
from emotone.errors import FeatureError
from emotone.features import spectral
from emotone.features.descriptors import HOP_LENGTH, N_FFT, N_MELS, N_MFCC, WIN_LENGTH, DescriptorFrames

__all__ = ["FLOOR_DB", "HOP_S", "Image", "energy", "log_mel", "mel_frequencies", "mfcc", "pitch", "spectrogram"]

FloatArray = NDArray[np.float64]

#: Seconds from one frame to the next.
HOP_S = HOP_LENGTH / SAMPLE_RATE
#: Levels stop here; the noise of 16 bits lies lower in each bin.
FLOOR_DB = -120.0


@dataclass(frozen=True)
class Image:
    """What a spectrogram, mel spectrogram or MFCC picture shows.

    Attributes
    ----------
    times_s
        (t,) middle of each frame, s.
    rows
        (r,) frequency of each row in Hz, of a mel band its middle; or the numbers of the coefficients.
    values
        (r, t) float32, in ``unit``.
    unit
        ``"dB"``, relative to the peak of a sine wave at full scale.
    """

    times_s: FloatArray
    rows: FloatArray
    values: NDArray[np.float32]
    unit: str


def spectrogram(samples: NDArray[np.float32]) -> Image:
    """Level of each frequency at each time.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, n >= 3200.

    Returns
    -------
    Image
        Rows 0 to 8 kHz, (513, 1 + n // 160) in dB; 0 dB is the peak of a full-scale sine wave, nothing is under
        `FLOOR_DB`.

    Raises
    ------
    FeatureError
        ``samples`` is not (n,) floating point with n >= 3200; so for the functions below.
    """
    with torch.inference_mode():
        values = _decibel(_frames().power(_checked(samples)))
    return _image(values, spectral.fft_frequencies(SAMPLE_RATE, N_FFT))


def log_mel(samples: NDArray[np.float32]) -> Image:
    """Mean level of each of 128 mel bands (Slaney's scale and filters, 0 to 8 kHz) at each time.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, n >= 3200.

    Returns
    -------
    Image
        (128, 1 + n // 160) dB; a band shows the mean power of its bins on the scale of `spectrogram`.
    """
    with torch.inference_mode():
        values = _mel_db(_checked(samples))
    return _image(values, mel_frequencies())


def mfcc(samples: NDArray[np.float32]) -> Image:
    """Mel-frequency cepstral coefficients: the orthonormal cosine transform of `log_mel` over its bands.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, n >= 3200.

    Returns
    -------
    Image
        Rows 0 to 39, (40, 1 + n // 160).  Row 0 is the mean level times the root of 128; all others are the same
        whatever the gain, but for what `FLOOR_DB` cuts.
    """
    with torch.inference_mode():
        values = _mel_db(_checked(samples)) @ _frames().dct
    return _image(values, np.arange(N_MFCC, dtype=np.float64))


def pitch(samples: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Fundamental frequency over time by YIN, 65 to 600 Hz, as `emotone.features.descriptors` finds it.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, n >= 3200.

    Returns
    -------
    times_s
        (1 + n // 160,) s.
    pitch_hz
        (1 + n // 160,) Hz; NaN where the frame is not voiced, or over 35 dB under the loudest one.
    """
    with torch.inference_mode():
        found = _frames()(_checked(samples))
    semitones, voiced = found.prosody[:, 0].double().numpy(), found.voiced.numpy() > 0
    hertz = np.where(voiced, 100 * 2 ** (semitones / 12), np.nan)
    return _times(len(hertz)), hertz


def energy(samples: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Level over time.

    Parameters
    ----------
    samples
        (n,) at 16 kHz, n >= 3200.

    Returns
    -------
    times_s
        (1 + n // 160,) s.
    level_db
        (1 + n // 160,) root mean square of 32 ms in dB: 0 dB is a value of 1 throughout, a full-scale sine wave has
        -3 dB; nothing is under `FLOOR_DB`.
    """
    with torch.inference_mode():
        rms = spectral.root_mean_square(_checked(samples), frame_length=WIN_LENGTH, hop_length=HOP_LENGTH)[:, 0]
    level = 20 * np.log10(np.maximum(rms.double().numpy(), 10 ** (FLOOR_DB / 20)))
    return _times(len(level)), level


def mel_frequencies() -> FloatArray:
    """Middle of each mel band, (128,) Hz: the centre of weight of its filter."""
    filters = spectral.mel_filters(sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
    bins = spectral.fft_frequencies(SAMPLE_RATE, N_FFT)
    middle: FloatArray = (bins @ filters) / filters.sum(axis=0)
    return middle


@functools.cache
def _frames() -> DescriptorFrames:
    return DescriptorFrames(sample_rate=SAMPLE_RATE).eval()


@functools.cache
def _full_scale() -> float:
    """Power that a sine wave of amplitude 1 has in its bin: half the sum of the Hann window, squared."""
    return float((np.hanning(WIN_LENGTH + 1)[:-1].sum() / 2) ** 2)


def _decibel(power: Tensor) -> Tensor:
    """Power of the transform to dB relative to full scale, same shape."""
    return 10 * torch.log10(torch.clamp(power / _full_scale(), min=10 ** (FLOOR_DB / 10)))


def _mel_db(samples: Tensor) -> Tensor:
    """(n,) -> (frames, 128) dB.  The filters' weights are per Hz: times the width of a bin they give a mean."""
    frames = _frames()
    return _decibel(frames.power(samples) @ frames.mel_filters * (SAMPLE_RATE / N_FFT))


def _image(values: Tensor, rows: FloatArray) -> Image:
    """(frames, rows) -> Image."""
    return Image(_times(len(values)), rows, np.ascontiguousarray(values.numpy().T), "dB")


def _times(n_frames: int) -> FloatArray:
    return np.arange(n_frames, dtype=np.float64) * HOP_S


def _checked(samples: NDArray[np.float32]) -> Tensor:
    if samples.ndim != 1 or samples.dtype.kind != "f" or len(samples) < MIN_SAMPLES:
        raise FeatureError(
            f"samples of {samples.dtype} {samples.shape} were given; expected (n,) floating point at {SAMPLE_RATE} Hz "
            f"with n of at least {MIN_SAMPLES}, as emotone.audio.read gives them"
        )
    return torch.from_numpy(np.array(samples, dtype=np.float32))
