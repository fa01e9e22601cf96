"""Small encoders with random weights, and packed clips of generated voices, for the benchmark of fine-tuning."""

import sys
from pathlib import Path

import numpy as np
import torch

from emotone.features.encoders.whisper import WhisperEncoder

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import finetune_clips  # noqa: E402
import finetune_network  # noqa: E402

EMOTIONS = ("neutral", "happy", "sad")
WIDTH = 64


def network(*, n_trained=1, seed=0, layers=(1, 2)) -> finetune_network.FineTuned:
    """Two blocks with random weights, and heads for three emotions."""
    torch.manual_seed(seed)
    encoder = finetune_network.StatesEncoder(WhisperEncoder(WIDTH, 2), layers, n_trained)
    return finetune_network.FineTuned([encoder], len(EMOTIONS))


def packed(n_speakers=4, n_each=3, *, seed=0) -> finetune_clips.Packed:
    """Clips of 0.3 to 0.6 s whose emotion is their pitch; every speaker is tested by a fold."""
    rng = np.random.default_rng(seed)
    clips, emotions, speakers = [], [], []
    for speaker in range(n_speakers):
        for number in range(len(EMOTIONS) * n_each):
            time_s = np.arange(int(rng.integers(4800, 9600))) / 16_000
            tone = np.sin(2 * np.pi * (150 + 200 * (number % len(EMOTIONS)) + 10 * speaker) * time_s)
            clips.append(np.round(8000 * tone + 200 * rng.standard_normal(len(time_s))).astype(np.int16))
            emotions.append(EMOTIONS[number % len(EMOTIONS)])
            speakers.append(f"ravdess-{speaker + 1:02}")
    n = len(clips)
    return finetune_clips.Packed(
        samples=np.concatenate(clips),
        offsets=np.cumsum([0, *map(len, clips)]),
        emotions=np.array(emotions),
        speakers=np.array(speakers),
        corpora=np.full(n, "ravdess"),
        channels=np.full(n, "speech"),
        folds=np.array([int(name[-2:]) for name in speakers]),
    )
