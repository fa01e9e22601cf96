"""Windows of a long recording, and a buffer of recent samples, in bounded memory."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from emotone import audio
from emotone.audio import SAMPLE_RATE, AudioSource
from emotone.errors import SilenceError
from emotone.progress import Progress

#: Seconds of a window.
WINDOW_S = 10.0

Vector = npt.NDArray[np.float32]


def blocks(source: AudioSource, progress: Progress | None = None) -> Iterator[Vector]:
    """Yield the windows of a recording; report the seconds that are done as progress."""
    n_samples, total_s = 0, round(audio.info(source).duration_s)
    for block in audio.blocks(source, block_s=WINDOW_S):
        yield block
        n_samples += len(block)
        if progress is not None:
            progress(min(round(n_samples / SAMPLE_RATE), total_s), total_s, "listening")


def windows(
    source: AudioSource, preprocess: Callable[[Vector], Vector], *, progress: Progress | None = None
) -> Iterator[tuple[Vector, int]]:
    """Yield the preprocessed samples of each window, empty for silence, and the window's length in samples.

    Raises
    ------
    SilenceError
        All windows are silent.
    """
    n_samples, any_sound = 0, False
    for window in blocks(source, progress):
        n_samples += len(window)
        is_sound = len(window) >= audio.MIN_SAMPLES and np.abs(window).max() >= audio.SILENT_PEAK
        any_sound |= bool(is_sound)
        yield preprocess(window) if is_sound else window[:0], len(window)
    if not any_sound:
        raise SilenceError(
            f"the recording of {n_samples / SAMPLE_RATE:.0f} s is silent throughout; check the microphone and "
            "record again"
        )


class RecentSamples:
    """The last samples of a stream, addressed by their number from the start of the stream."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._first = 0

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def end(self) -> int:
        """The number of the next sample."""
        return self._first + len(self._samples)

    def append(self, samples: Vector) -> None:
        """Add samples (n,) at the end."""
        self._samples = np.concatenate([self._samples, samples])

    def between(self, start: int, stop: int) -> Vector:
        """Return the samples from ``start`` to before ``stop``."""
        return self._samples[start - self._first : stop - self._first]

    def drop_before(self, start: int) -> None:
        """Free the memory of all samples before ``start``."""
        if start > self._first:
            self._samples = self._samples[start - self._first :].copy()
            self._first = start
