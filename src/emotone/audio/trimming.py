"""Remove the silence before and after a recording."""

import math

import numpy as np
import numpy.typing as npt

from emotone.audio.decoding import Waveform
from emotone.audio.resampling import SAMPLE_RATE
from emotone.errors import AudioError

#: Shortest recording that is read, and shortest result of trimming: in seconds, and in samples at `SAMPLE_RATE`.
MIN_DURATION_S = 0.2
MIN_SAMPLES = round(MIN_DURATION_S * SAMPLE_RATE)
_CELL, _CELLS_PER_FRAME, _CELLS_PER_HOP = 80, 5, 2  # 5 ms cells: 25 ms frames every 10 ms at 16 kHz
_MARGIN_S = 0.05


def trim_silence(
    samples: npt.NDArray[np.float32], *, threshold_db: float = 40.0, min_duration_s: float = MIN_DURATION_S
) -> npt.NDArray[np.float32]:
    """Remove the silence at both ends.

    A frame (25 ms, every 10 ms) counts as sound if its RMS is within ``threshold_db`` of the loudest frame's.  A margin
    of 50 ms is kept on both sides, and at least ``min_duration_s`` in total.  The threshold is relative, so gain does
    not change the result.

    Parameters
    ----------
    samples
        (n,) at `SAMPLE_RATE`, any gain.
    threshold_db
        Frames at most this many dB below the loudest frame are sound, above 0.
    min_duration_s
        Shortest result, seconds, unless ``samples`` are shorter.

    Returns
    -------
    (m,) of the same type, m <= n: a view of ``samples``.

    Raises
    ------
    AudioError
        ``samples`` are not 1-D, are empty, or have no finite energy; or ``threshold_db`` is not above 0.

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
    energy = frame_energy(samples)
    loudest = float(energy.max())
    if not 0 < loudest < math.inf:
        raise AudioError(
            f"samples with a loudest energy of {loudest} can't be trimmed; give a sound that is not silent"
        )
    return samples[slice(*_sounding(energy, loudest * 10 ** (-threshold_db / 10), len(samples), min_duration_s))]


def _sounding(
    energy: npt.NDArray[np.float64], threshold: float, n_samples: int, min_duration_s: float
) -> tuple[int, int]:
    """Return the samples from the first to the last frame above the threshold, with the margin and the minimum."""
    sounding = np.flatnonzero(energy >= threshold)
    hop, frame, margin = _CELL * _CELLS_PER_HOP, _CELL * _CELLS_PER_FRAME, round(_MARGIN_S * SAMPLE_RATE)
    begin = max(0, int(sounding[0]) * hop - margin)
    end = min(n_samples, int(sounding[-1]) * hop + frame + margin)
    return at_least(begin, end, round(min_duration_s * SAMPLE_RATE), n_samples)


def at_least(begin: int, end: int, shortest: int, n_samples: int) -> tuple[int, int]:
    """Widen a range to ``shortest`` samples, or to all ``n_samples`` if there are fewer."""
    missing = min(n_samples, shortest) - (end - begin)
    if missing > 0:
        begin = max(0, min(begin - missing // 2, n_samples - (end - begin) - missing))
        end = begin + min(n_samples, shortest)
    return begin, end


def frame_energy(samples: Waveform) -> npt.NDArray[np.float64]:
    """Return the sum of squares of each 25 ms frame, hop 10 ms, in float64; zeros fill the last frame.

    Frame and hop are multiples of 5 ms cells, so each square is computed once and no float64 copy of the recording is
    made.
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
