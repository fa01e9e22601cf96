"""Predictions of a model that no one trained."""

import numpy as np


def made(*, n=400, k=8, skill=1.5, seed=0):
    """Truth, probabilities and speakers of a model with some skill."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    logits = rng.standard_normal((n, k))
    logits[np.arange(n), truth] += skill
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, scores, np.array([f"s{i:02d}" for i in rng.integers(0, 24, n)])
