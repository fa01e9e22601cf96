"""A running level, which depends on the past alone, so that a stream and a file give the same."""

import numpy as np

from emotone.audio.reader import Waveform

#: Peaks below this are not amplified any more: -80 dB, about the noise of a good microphone.
FLOOR = 1e-4
#: The level falls by 20 dB in ten seconds without a higher peak.
_FALL_PER_S = 0.1 ** (1 / 10)
#: A peak counts if it lasts for so many frames.
_LASTING_FRAMES = 3
#: Without this limit, the offset of digital silence would become a subnormal number, with which models are slow.
_NO_OFFSET = 1e-12
#: Peak of a scaled signal.
_TARGET = 0.5


class RunningOffset:
    """The mean of the last quarter of a second, which a microphone with an offset adds to every sample."""

    def __init__(self) -> None:
        self._mean: np.float32 | None = None

    def removed(self, frame: Waveform) -> Waveform:
        """Return a frame (n,) without the offset."""
        mean = frame.mean()
        mean = mean if self._mean is None else np.float32(0.9) * self._mean + np.float32(0.1) * mean
        self._mean = mean if abs(mean) > _NO_OFFSET else np.float32(0.0)
        return frame - self._mean


class RunningLevel:
    """The highest peak of the last seconds that three frames in a row reach: a click does not.

    Parameters
    ----------
    frame_s
        Seconds of a frame.

    Examples
    --------
    >>> level = RunningLevel(frame_s=0.032)
    >>> peaks = (0.001, 0.001, 0.1, 0.001, 0.1, 0.1, 0.1, 0.001)
    >>> [round(float(level.scaled(np.array([peak], np.float32))[0]), 2) for peak in peaks]
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.01]
    """

    def __init__(self, *, frame_s: float) -> None:
        self._fall = _FALL_PER_S**frame_s
        self._level = FLOOR
        self._peaks = (0.0,) * _LASTING_FRAMES

    def push(self, frame: Waveform) -> None:
        """Take the next frame (n,)."""
        self._peaks = (*self._peaks[1:], _peak_of(frame))
        self._level = max(FLOOR, min(self._peaks), self._level * self._fall)

    def scaled(self, frame: Waveform) -> Waveform:
        """Take the next frame, and return it at a level that does not depend on the gain of the recording."""
        self.push(frame)
        return np.asarray(frame * np.float32(_TARGET / max(self._level, self._peaks[-1])), np.float32)

    def is_within(self, db: float, frame: Waveform | None = None) -> bool:
        """Say whether the peak of a frame, or of the last one, is at most this much below the level."""
        peak = self._peaks[-1] if frame is None else _peak_of(frame)
        return peak > FLOOR and peak >= self._level * 10 ** (-db / 20)


def _peak_of(frame: Waveform) -> float:
    return max(float(frame.max()), -float(frame.min()))
