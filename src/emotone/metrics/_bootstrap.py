"""Resampling for `emotone.metrics`: bootstrap draws of speakers or clips, and sign flips."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from emotone.errors import ConfigError
from emotone.metrics._arrays import Counts, Floats


class Interval(TypedDict):
    """A confidence interval, and the unit that was resampled: ``"speaker"`` or ``"clip"``."""

    low: float
    high: float
    unit: str


def owners(speakers: Sequence[str] | None, *, n_clips: int) -> Counts | None:
    """Return the number of each clip's speaker (n,), or None where clips must be drawn instead."""
    if speakers is None:
        return None
    names = np.asarray(speakers, dtype=str)
    if names.shape != (n_clips,):
        raise ConfigError(f"speakers have shape {names.shape}, expected ({n_clips},): one name for each clip")
    known, owner = np.unique(names, return_inverse=True)
    return None if len(known) < 2 or "" in known else owner.astype(np.int64)


def resampled(rows: Counts, copies: Counts | None, *, n_resamples: int, seed: int) -> Counts:
    """Draw all units with replacement and sum their rows: (u, m) rows, (u,) copies -> (n_resamples, m)."""
    copies = np.ones(len(rows), dtype=np.int64) if copies is None else copies
    rng = np.random.default_rng(seed)
    times = rng.multinomial(copies.sum(), copies / copies.sum(), size=n_resamples)
    return np.asarray(np.rint(times.astype(np.float64) @ rows), dtype=np.int64)  # floats: BLAS has no integer product


def gain_by_owner(truth: Counts, gain: Counts, owner: Counts, *, k: int) -> Counts:
    """Count, per speaker and class, the hits that the first model gains and the support: (g, 2 k)."""
    rows = np.zeros((owner.max() + 1, 2, k), dtype=np.int64)
    np.add.at(rows[:, 0], (owner, truth), gain)
    np.add.at(rows[:, 1], (owner, truth), 1)
    return rows.reshape(len(rows), 2 * k)


def gain_rows(truth: Counts, gain: Counts, *, k: int) -> tuple[Counts, Counts]:
    """List the 3 k kinds of clip (class, and gain of -1, 0 or 1): (3 k, 2 k) rows, and (3 k,) clips of each kind."""
    kinds = np.arange(3 * k)
    rows = np.zeros((3 * k, 2, k), dtype=np.int64)
    rows[kinds, 0, kinds // 3] = kinds % 3 - 1
    rows[kinds, 1, kinds // 3] = 1
    return rows.reshape(3 * k, 2 * k), np.bincount(truth * 3 + gain + 1, minlength=3 * k)


def interval(values: Floats, *, level: float, unit: str) -> Interval:
    """Return the percentile interval of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), unit=unit)


def sign_flip_p(terms: Floats, *, n_resamples: int, seed: int) -> float:
    """Return the two-sided p value of sum(terms) among the sums with flipped signs; (g,) terms."""
    observed, tolerance = abs(terms.sum()), 1e-12
    if 2**terms.size <= n_resamples:
        signs = 1 - 2 * ((np.arange(2**terms.size)[:, None] >> np.arange(terms.size)) & 1)
        return float((np.abs(signs @ terms) >= observed - tolerance).mean())
    signs = 1 - 2 * np.random.default_rng(seed).integers(0, 2, size=(n_resamples, terms.size), dtype=np.int8)
    extreme = int((np.abs(signs @ terms) >= observed - tolerance).sum())
    return (1 + extreme) / (1 + n_resamples)  # the observed order is one of the permutations (Phipson and Smyth 2010)
