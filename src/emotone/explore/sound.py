"""Spectra, pitch and energy of a recording, on scales that are the same for every clip.

The transforms are those of the package's features (`emotone.features.spectral` and `emotone.features.descriptors`), but
levels are relative to full scale and not to the clip, so that clips can be compared.  Windows are 32 ms long, every
10 ms, centred on their time.  All functions take samples (n,) at 16 kHz with n >= 3200, and raise FeatureError for
anything else; they return t = 1 + n // 160 frames.
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

FloatArray = NDArray[np.float64]

#: Seconds from one frame to the next.
HOP_S = HOP_LENGTH / SAMPLE_RATE
#: Lowest level; the noise of 16 bits is lower in each bin.
FLOOR_DB = -120.0
#: Power of a sine wave of amplitude 1 in its bin: half the sum of the Hann window, squared.
_FULL_SCALE = float((np.hanning(WIN_LENGTH + 1)[:-1].sum() / 2) ** 2)


@dataclass(frozen=True)
class Image:
    """A spectrogram, mel spectrogram or MFCC.

    Attributes
    ----------
    times_s
        (t,) middle of each frame, s.
    rows
        (r,) frequency of each row in Hz (of a mel band its middle), or the numbers of the coefficients.
    values
        (r, t) float32, dB relative to the peak of a sine wave at full scale.
    """

    times_s: FloatArray
    rows: FloatArray
    values: NDArray[np.float32]


def spectrogram(samples: NDArray[np.float32]) -> Image:
    """Return the level of each frequency from 0 to 8 kHz, (513, t), at least `FLOOR_DB`."""
    return _image(_decibel(_frames().power(_checked(samples))), spectral.fft_frequencies(SAMPLE_RATE, N_FFT))


def log_mel(samples: NDArray[np.float32]) -> Image:
    """Return the mean level of each of 128 mel bands (Slaney's scale and filters, 0 to 8 kHz), (128, t).

    A band shows the mean power of its bins on the scale of `spectrogram`.
    """
    return _image(_mel_db(_checked(samples)), mel_frequencies())


def mfcc(samples: NDArray[np.float32]) -> Image:
    """Return 40 mel-frequency cepstral coefficients, (40, t): the orthonormal cosine transform of `log_mel`.

    Row 0 is the mean level times the root of 128.  Gain does not change the others, except where `FLOOR_DB` cuts.
    """
    return _image(_mel_db(_checked(samples)) @ _frames().dct, np.arange(N_MFCC, dtype=np.float64))


def pitch(samples: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Return times in s and fundamental frequency in Hz, (t,) each, by YIN, 65 to 600 Hz.

    As in `emotone.features.descriptors`; NaN if a frame is not voiced or is over 35 dB below the loudest frame.
    """
    frames = _frames()(_checked(samples))
    semitones, voiced = frames.prosody[:, 0].double().numpy(), frames.voiced.numpy() > 0
    hertz = np.where(voiced, 100 * 2 ** (semitones / 12), np.nan)
    return _times(len(hertz)), hertz


def energy(samples: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """Return times in s and level in dB, (t,) each: root mean square of 32 ms, at least `FLOOR_DB`.

    0 dB is a constant value of 1; a full-scale sine wave has -3 dB.
    """
    rms = spectral.root_mean_square(_checked(samples), frame_length=WIN_LENGTH, hop_length=HOP_LENGTH)[:, 0]
    level = 20 * np.log10(np.maximum(rms.double().numpy(), 10 ** (FLOOR_DB / 20)))
    return _times(len(level)), level


def mel_frequencies() -> FloatArray:
    """Return the middle of each mel band, (128,) Hz: the centre of weight of its filter."""
    filters = spectral.mel_filters(sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
    bins = spectral.fft_frequencies(SAMPLE_RATE, N_FFT)
    middle: FloatArray = (bins @ filters) / filters.sum(axis=0)
    return middle


@functools.cache
def _frames() -> DescriptorFrames:
    return DescriptorFrames(sample_rate=SAMPLE_RATE).eval()


def _decibel(power: Tensor) -> Tensor:
    """Convert power of the transform to dB relative to full scale."""
    return 10 * torch.log10(torch.clamp(power / _FULL_SCALE, min=10 ** (FLOOR_DB / 10)))


def _mel_db(samples: Tensor) -> Tensor:
    """Return mel levels, (n,) -> (t, 128) dB; the filters' weights are per Hz, so the width of a bin makes a mean."""
    frames = _frames()
    return _decibel(frames.power(samples) @ frames.mel_filters * (SAMPLE_RATE / N_FFT))


def _image(values: Tensor, rows: FloatArray) -> Image:
    """Return the image of values (t, r)."""
    return Image(_times(len(values)), rows, np.ascontiguousarray(values.numpy().T))


def _times(n_frames: int) -> FloatArray:
    return np.arange(n_frames, dtype=np.float64) * HOP_S


def _checked(samples: NDArray[np.float32]) -> Tensor:
    if samples.ndim != 1 or samples.dtype.kind != "f" or len(samples) < MIN_SAMPLES:
        raise FeatureError(
            f"samples are {samples.dtype} {samples.shape}; expected floating point (n,) at {SAMPLE_RATE} Hz with n of "
            f"at least {MIN_SAMPLES}, as emotone.audio.read returns them"
        )
    return torch.from_numpy(np.array(samples, dtype=np.float32))
