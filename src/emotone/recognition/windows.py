"""A long recording as windows, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator

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
    """Each window of a long recording; progress is told of the seconds that are done."""
    return heard(audio.blocks(source, block_s=WINDOW_S), audio.info(source).duration_s, progress)


def windows(
    source: AudioSource, trimmed: Callable[[Vector], Vector], *, progress: Progress | None = None
) -> Iterator[tuple[Vector, int]]:
    """Of each window of a long recording the sound, which is empty where there is silence, and its length."""
    n_samples, any_sound = 0, False
    for window in blocks(source, progress):
        n_samples += len(window)
        is_sound = len(window) >= audio.MIN_SAMPLES and np.abs(window).max() >= audio.SILENT_PEAK
        any_sound |= bool(is_sound)
        yield trimmed(window) if is_sound else window[:0], len(window)
    if not any_sound:
        raise SilenceError(
            f"the recording of {n_samples / SAMPLE_RATE:.0f} s is silent throughout; check the microphone and "
            "record again"
        )


def heard(blocks: Iterable[Vector], duration_s: float, progress: Progress | None) -> Iterator[Vector]:
    """Pass blocks on, and tell of the seconds that they make up."""
    n_samples = 0
    for block in blocks:
        yield block
        n_samples += len(block)
        if progress is not None:
            progress(min(round(n_samples / SAMPLE_RATE), round(duration_s)), round(duration_s), "listening")
