"""Whether a model knows when it does not know: the error among its surest answers; public through `emotone.metrics`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emotone.metrics._arrays import Counts, Floats, scored


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """A risk-coverage curve: what share of the answers is wrong where only the surest are given.

    Attributes
    ----------
    confidence
        (m,) distinct confidences, the greatest first.
    coverage
        (m,) share of the clips that are at least as confident, in (0, 1], ascending; the last is 1.
    risk
        (m,) share of those whose answer is wrong, in [0, 1]; the last is the error rate.
    aurc
        Area under the curve: the mean risk over the coverages 1/n, 2/n, ..., 1, in [0, 1].
    best_aurc
        The area if every wrong answer were less confident than every right one.
    """

    confidence: Floats
    coverage: Floats
    risk: Floats
    aurc: float
    best_aurc: float

    @property
    def e_aurc(self) -> float:
        """The excess of the area over the best possible, from 0: what the order of the confidences costs."""
        return max(0.0, self.aurc - self.best_aurc)


def risk_coverage(truth: ArrayLike, scores: ArrayLike) -> RiskCoverage:
    """Sort clips by confidence, the largest score, and tell the error rate among the c most confident, for every c.

    AURC: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NIPS 2017.  E-AURC: Geifman, Uziel
    and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019.

    Equally confident clips enter the curve together, since no threshold parts them.  The areas are then the means over
    all orders of such clips, which is exact: among the first j of g clips with e errors, j e / g errors are expected.

    Parameters
    ----------
    truth
        (n,) class numbers.
    scores
        (n, k) probabilities.

    Examples
    --------
    >>> found = risk_coverage([0, 0, 1], [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])  # the second surest is wrong
    >>> found.risk.round(3).tolist()
    [0.0, 0.5, 0.333]
    >>> round(found.aurc, 3), round(found.best_aurc, 3)
    (0.278, 0.111)
    """
    t, s = scored(truth, scores)
    levels, level = np.unique(-s.max(axis=1), return_inverse=True)
    wrong = (s.argmax(axis=1) != t).astype(np.int64)
    kept = np.cumsum(np.bincount(level))
    errors = np.cumsum(np.bincount(level, weights=wrong)).astype(np.int64)
    n, n_wrong = t.size, int(wrong.sum())
    best = (np.asarray([n - n_wrong, n]), np.asarray([0, n_wrong]))
    return RiskCoverage(
        confidence=-levels, coverage=kept / n, risk=errors / kept, aurc=_area(kept, errors), best_aurc=_area(*best)
    )


def _area(kept: Counts, errors: Counts) -> float:
    """Mean risk over all numbers of clips, from the errors (m,) among the first ``kept`` (m,), linear in between."""
    number = np.arange(1, kept[-1] + 1)
    return float((np.interp(number, np.append(0, kept), np.append(0, errors)) / number).mean())
