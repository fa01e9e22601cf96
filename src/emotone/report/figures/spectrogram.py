"""The spectrogram of a clip, on a logarithmic axis of frequency."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotone import audio
from emotone.report.figures.style import STYLE, canvas

#: Window and hop in samples at 16 kHz (25 and 5 ms), and number of bands between the two frequencies.
_WINDOW, _HOP, _N_BANDS = 400, 80, 96
_FROM_HZ, _TO_HZ = 60.0, 8000.0
_TICKS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
#: Range of the colours, dB below the loudest point of the clip.
RANGE_DB = 70.0


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power of a clip in bands of equal width on a logarithmic axis from 60 Hz to 8 kHz.

    (n,) samples at 16 kHz -> (96, frames) dB below the loudest point, at least -`RANGE_DB`; 5 ms per frame.
    """
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: samples.size : _HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), 1024)) ** 2
    # interpolated, so that low bands, which are narrower than the bins of the transform, are smooth
    places = np.geomspace(_FROM_HZ, _TO_HZ, _N_BANDS) * 1024 / audio.SAMPLE_RATE
    below = np.floor(places).astype(int).clip(0, power.shape[1] - 2)
    share = places - below
    bands = (1 - share) * power[:, below] + share * power[:, below + 1]
    level = 10 * np.log10(np.maximum(bands.T, 1e-12))
    return np.asarray(np.maximum(level - level.max(), -RANGE_DB))


def spectrogram_picture(samples: NDArray[np.float32], *, width_s: float) -> Figure:
    """Draw a clip's spectrogram on a time axis of ``width_s`` seconds, so that clips can be compared."""
    level = spectrogram(samples)
    seconds = samples.size / audio.SAMPLE_RATE
    with rc_context(STYLE):
        figure = canvas(width_inch=4.6, height_inch=1.9)
        figure.set_layout_engine("none")  # ten of these are drawn; without automatic layout they take half the time
        axes = figure.add_axes((0.115, 0.235, 0.87, 0.73))
        look: dict[str, Any] = {"cmap": "magma", "vmin": -RANGE_DB, "vmax": 0.0, "interpolation": "nearest"}
        axes.imshow(level, origin="lower", aspect="auto", extent=(0, seconds, 0, 1), **look)
        axes.set_xlim(0, width_s)
        scale = np.log(_TO_HZ / _FROM_HZ)
        names = [f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz" for hz in _TICKS_HZ]
        axes.set_yticks([float(np.log(hz / _FROM_HZ) / scale) for hz in _TICKS_HZ], names)
        axes.tick_params(length=2, labelsize=7)
        axes.set_xlabel("time, s", fontsize=8, labelpad=1)
        axes.spines[:].set_visible(False)
    return figure
