"""Clips of different voices, and small adaptive classifiers of them."""

import numpy as np
import torch

from emotone.models.deep.adaptive import Adaptive, AdaptiveClassifier

N_COLUMNS, N_CLASSES, N_SPEAKERS = 12, 4, 8
QUICK = {
    "max_epochs": 2,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "precision": "float32",
    "device": "cpu",
    "label_smoothing": 0.1,
    "n_time_masks": 0,
    "n_frequency_masks": 0,
    "window": 1000,
}
INFINITE = float("inf")


def toy(n=240, *, seed=0, speaker_spread=3.0):
    """Clips of 9 to 40 frames; voices are further apart than classes: (n,) frames, classes, speakers."""
    rng = np.random.default_rng(seed)
    speakers, y = np.arange(n) % N_SPEAKERS, np.arange(n) // N_SPEAKERS % N_CLASSES
    voice = speaker_spread * rng.standard_normal((N_SPEAKERS, N_COLUMNS))
    emotion = 1.5 * rng.standard_normal((N_CLASSES, N_COLUMNS))
    X = np.empty(n, dtype=object)
    for number in range(n):
        clip = rng.standard_normal((int(rng.integers(9, 41)), N_COLUMNS)) + voice[speakers[number]] + emotion[y[number]]
        X[number] = clip.astype(np.float32)
    return X, y, speakers


def classifier(**settings) -> AdaptiveClassifier:
    return AdaptiveClassifier(Adaptive, **QUICK | settings)


def network(*, seed=0, n_columns=5, n_classes=3, width=4) -> Adaptive:
    """Weights that differ from one another, centre and batch norms too."""
    torch.manual_seed(seed)
    made = Adaptive(n_columns, n_classes, dropout=0.0, width=width).eval()
    with torch.no_grad():
        for values in (*made.head[0].buffers(), *made.adapted_head[0].buffers()):
            if values.is_floating_point():
                values.copy_(0.5 + torch.rand_like(values))
        made.centre.copy_(torch.randn_like(made.centre))
    return made


def given_of(mean, heard, n):
    """As many rows as clips: what `adapted_proba` takes."""
    return {"mean": np.tile(mean, (n, 1)).astype(np.float32), "n_clips": np.full(n, heard)}
