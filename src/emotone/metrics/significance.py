"""Test whether two models differ on the same clips, and correct p values for the number of tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from emotone.metrics._arrays import Floats, classes
from emotone.metrics._bootstrap import gain_by_owner, gain_rows, interval, owners, resampled, sign_flip_p
from emotone.metrics.scores import confusion, mean_recall


@dataclass(frozen=True)
class PairedResult:
    """Two models on the same clips; ``difference`` is the UAR of the first minus the UAR of the second.

    Attributes
    ----------
    difference, low, high
        UAR difference and its 95 % interval, in [-1, 1].
    p_value
        Two-sided, of the permutation test.
    mcnemar_p
        Two-sided, exact McNemar test on clips.  It assumes independent clips; clips of one speaker are not independent.
    unit
        The unit that was permuted and resampled, ``"speaker"`` or ``"clip"``.
    """

    difference: float
    low: float
    high: float
    p_value: float
    mcnemar_p: float
    unit: str

    def to_dict(self) -> dict[str, float | str]:
        """Return a dictionary that JSON can hold."""
        return asdict(self)


def paired_test(
    truth: ArrayLike,
    first: ArrayLike,
    *,
    second: ArrayLike,
    speakers: Sequence[str] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> PairedResult:
    """Test whether the UARs of two models differ on the same clips.

    Under the null hypothesis the two models' predictions for a speaker can be swapped.  The UAR difference is a sum
    over speakers, and swapping one speaker flips the sign of its term.  So the permutation test flips signs: all 2^g
    combinations if there are at most ``n_resamples``, else ``n_resamples`` random ones (Good, "Permutation, Parametric
    and Bootstrap Tests of Hypotheses", 2005).  The interval is a cluster bootstrap.  If speakers are unknown, both use
    clips.

    Parameters
    ----------
    first, second
        (n,) class numbers that the two models predicted.

    Examples
    --------
    >>> result = paired_test([0, 1, 0, 1], [0, 1, 0, 1], second=[0, 0, 0, 1], speakers=["a", "a", "b", "b"])
    >>> result.difference, result.p_value, result.mcnemar_p
    (0.25, 1.0, 1.0)
    """
    t = classes(truth, name="truth")
    a, b = classes(first, name="first"), classes(second, name="second")
    confusion(t, a), confusion(t, b)  # raises if the lengths differ
    gain = (a == t).astype(np.int64) - (b == t)
    k = int(t.max()) + 1
    owner = owners(speakers, n_clips=t.size)
    support = np.bincount(t, minlength=k)
    terms: Floats = gain / (support[t] * np.count_nonzero(support))
    by_unit = terms[gain != 0] if owner is None else np.bincount(owner, weights=terms).astype(np.float64)
    rows, copies = gain_rows(t, gain, k=k) if owner is None else (gain_by_owner(t, gain, owner, k=k), None)
    drawn = resampled(rows, copies, n_resamples=n_resamples, seed=seed).reshape(-1, 2, k)
    unit = "clip" if owner is None else "speaker"
    spread = interval(mean_recall(drawn[:, 0], drawn[:, 1]), level=0.95, unit=unit)
    return PairedResult(
        difference=float(terms.sum()),
        low=spread["low"],
        high=spread["high"],
        p_value=sign_flip_p(by_unit, n_resamples=n_resamples, seed=seed),
        mcnemar_p=mcnemar(int((gain > 0).sum()), int((gain < 0).sum())),
        unit=unit,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Test whether the clips that only one of two models gets right split evenly: exact two-sided McNemar test.

    McNemar 1947, with the binomial distribution: p = min(1, 2 P(X <= min)), X ~ B(only_first + only_second, 1/2).

    Examples
    --------
    >>> mcnemar(0, 5)
    0.0625
    """
    n = only_first + only_second
    tail = sum(math.comb(n, i) for i in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / int(2**n))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p values for their number, so that the chance of any false alarm stays at the level.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979: the
    i-th smallest of m is multiplied by m - i + 1, and is no smaller than the one before it.

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, least = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = least
    return corrected
