"""Training data of the detector of non-speech: clean and degraded clips of the corpora, and sounds without speech."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES, SAMPLE_RATE, Waveform
from emotone.augment.conditions import CONDITIONS
from emotone.augment.nonspeech import KINDS, synthesised
from emotone.augment.scene import Scene, excerpt, recordings
from emotone.errors import AudioError
from emotone.features.runner import GraphRunner
from emotone.progress import Progress

#: Conditions of the degraded clips, so that noisy speech counts as speech.
DEGRADED = ("noise-10", "noise-0", "telephone")
#: Number of sounds of each kind, and their least and greatest length in seconds.
N_SOUNDS, LENGTHS_S = 60, (0.5, 4.0)
#: Excerpts of each recorded sound.
N_EXCERPTS = 3
#: Longest excerpt, in seconds: attention takes time and memory with the square of the length.
MOST_S = 10.0
#: Clips in other scenes, for each clip.
N_SCENES = 2

Means = NDArray[np.float32]


def speech_and_other(
    clips: Sequence[Waveform],
    graph: bytes,
    *,
    seed: int,
    sounds: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Means, Means]:
    """Compute mean frames of clips, clean, under `DEGRADED` and in other scenes, and of sounds without speech.

    Parameters
    ----------
    clips
        Speech, each (n,) float32 at 16 kHz, trimmed.
    graph
        The graph of an extractor of frames.
    seed
        Random seed of noises and sounds.
    sounds
        Folder of recordings without speech, searched through; None: synthesised sounds alone.

    Returns
    -------
    Speech (clips * (1 + len(DEGRADED) + N_SCENES), d) and other sounds (kinds * N_SOUNDS + recordings * N_EXCERPTS, d).
    """
    runner, rng = GraphRunner(graph), np.random.default_rng([seed, 1])
    recorded = [] if sounds is None else recordings(sounds)
    total = len(clips) * (1 + len(DEGRADED) + N_SCENES) + len(KINDS) * N_SOUNDS + len(recorded) * N_EXCERPTS
    scene = Scene(folder=sounds)
    means: list[Means] = []

    def add(samples: Waveform) -> None:
        means.append(runner(samples).mean(axis=0))
        if progress is not None:
            progress(len(means), total, "computing frames of speech and other sounds")

    for clip in clips:
        add(clip)
        for name in DEGRADED:
            add(CONDITIONS[name](clip, rng=rng))
        for _ in range(N_SCENES):
            add(_in_another_scene(clip, scene, rng))
    n_speech = len(means)
    for kind in KINDS:
        for _ in range(N_SOUNDS):
            add(synthesised(kind, duration_s=float(rng.uniform(*LENGTHS_S)), rng=rng))
    for recording in recorded:
        lengths_s = (min(recording.size / SAMPLE_RATE, MOST_S), *rng.uniform(*LENGTHS_S, size=N_EXCERPTS - 1))
        for length_s in lengths_s:
            size = max(MIN_SAMPLES, round(float(length_s) * SAMPLE_RATE))
            add(excerpt(recording, size, rng).astype(np.float32))
    return np.stack(means[:n_speech]), np.stack(means[n_speech:])


def _in_another_scene(clip: Waveform, scene: Scene, rng: np.random.Generator) -> Waveform:
    """Return a copy in another scene; the clip itself if it is so short that a faster copy can't be changed further."""
    try:
        return scene(clip, rng=rng)
    except AudioError:
        return clip
