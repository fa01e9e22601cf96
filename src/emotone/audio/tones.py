"""Find steady tones: beeps and keys of a telephone, which no voice holds as evenly.

Two sinusoids that are close, such as the American dial tone (350 and 440 Hz), beat, and are not found: over longer
frames, in which they don't, a hummed n at the end of a word is as even.
"""

import numpy as np
import numpy.typing as npt

from emotone.audio.reader import Waveform

_HOP, _FRAME = 160, 400  # samples of a frame of `emotone.audio.trimming.frame_energy`
#: Frames of the shortest tone, 0.2 s.
_LEAST_FRAMES = 18
#: Most that a tone is below the loudest frame, that it changes from a frame to the next, and in all, dB.
_RANGE_DB, _STEP_DB, _DRIFT_DB = 40.0, 0.25, 1.0
#: One or two lines of the spectrum, each this many bins wide on both sides, hold all but this share of the energy.
_N_LINES, _LINE_BINS, _REST = 2, 3, 0.02
#: Samples that the spectrum is computed from.
_N_SAMPLES = 3000
#: Lines of voices can be as steady below this: a hummed m.
_LEAST_HZ = 300.0
_RATE = 16_000


def steady_tones(samples: Waveform, energy: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return first and last frame of each steady tone of 0.2 s or more: one or two sinusoids of constant level.

    Parameters
    ----------
    samples
        (n,) at 16 kHz.
    energy
        Their energy in frames, from `emotone.audio.trimming.frame_energy`.

    Returns
    -------
    In order of time; all samples of these frames are tone.

    Examples
    --------
    >>> from emotone.audio.trimming import frame_energy
    >>> beep = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16_000)
    >>> silent = np.zeros(8000)
    >>> samples = np.concatenate([silent, beep, silent]).astype(np.float32)
    >>> steady_tones(samples, frame_energy(samples))
    [(50, 97)]
    """
    level_db = 10 * np.log10(np.maximum(energy, np.finfo(np.float64).tiny))
    is_loud = level_db >= level_db.max() - _RANGE_DB
    is_steady = is_loud[1:] & is_loud[:-1] & (np.abs(np.diff(level_db)) < _STEP_DB)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_steady, [False]]).astype(np.int8)))
    return [
        (int(first), int(last))
        for first, last in changes.reshape(-1, 2)
        if last - first + 1 >= _LEAST_FRAMES
        and np.ptp(level_db[first : last + 1]) <= _DRIFT_DB
        and _is_tone(samples[first * _HOP : last * _HOP + _FRAME])
    ]


def _is_tone(samples: Waveform) -> bool:
    """Return whether one or two lines of the spectrum hold the energy, the strongest above 300 Hz."""
    if len(samples) < _N_SAMPLES:  # at the end of a clip, where the last frame has fewer samples
        return False
    begin = (len(samples) - _N_SAMPLES) // 2
    part = samples[begin : begin + _N_SAMPLES].astype(np.float64)
    power = np.abs(np.fft.rfft(part * np.hanning(_N_SAMPLES))) ** 2
    total, strongest = power.sum(), int(power.argmax())
    for _ in range(_N_LINES):
        line = int(power.argmax())
        power[max(0, line - _LINE_BINS) : line + _LINE_BINS + 1] = 0
    return bool(strongest * _RATE >= _LEAST_HZ * _N_SAMPLES and power.sum() <= _REST * total)
