"""Gaussian classes of features."""

import numpy as np

N_FEATURES = 60


def blobs(n_clips=400, *, n_classes=8, seed=0, spread=4.0):
    """Overlapping Gaussian classes in features of very unlike means and scales, as acoustic features are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((n_classes, N_FEATURES))
    y = np.arange(n_clips) % n_classes
    X = centres[y] + spread * rng.standard_normal((n_clips, N_FEATURES))
    columns = np.random.default_rng(98)
    return (X * 10 ** columns.uniform(-3, 3, N_FEATURES) + columns.uniform(-5e3, 5e3, N_FEATURES)).astype(np.float32), y
