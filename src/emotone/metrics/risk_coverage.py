"""Selective prediction: the error rate among the most confident predictions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emotone.metrics._arrays import Counts, Floats, scored


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """A risk-coverage curve: the error rate if only the most confident predictions are kept.

    Attributes
    ----------
    confidence
        (m,) distinct confidences, the greatest first.
    coverage
        (m,) share of the clips that are at least as confident, in (0, 1], ascending; the last is 1.
    risk
        (m,) share of these clips whose prediction is wrong, in [0, 1]; the last is the error rate.
    aurc
        Area under the curve: the mean risk over the coverages 1/n, 2/n, ..., 1, in [0, 1].
    best_aurc
        The area if every wrong prediction were less confident than every right prediction.
    """

    confidence: Floats
    coverage: Floats
    risk: Floats
    aurc: float
    best_aurc: float

    @property
    def e_aurc(self) -> float:
        """Excess of the area over the best possible area, at least 0: the cost of the order of confidences."""
        return max(0.0, self.aurc - self.best_aurc)


def risk_coverage(truth: ArrayLike, scores: ArrayLike) -> RiskCoverage:
    """Sort clips by confidence, the largest score, and return the error rate among the c most confident, for every c.

    AURC: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NIPS 2017.  E-AURC: Geifman, Uziel
    and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019.

    Equally confident clips enter the curve together, since no threshold separates them.  The areas are then the means
    over all orders of such clips, which is exact: among the first j of g clips with e errors, j e / g errors are
    expected.

    Examples
    --------
    >>> curve = risk_coverage([0, 0, 1], [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])  # the clip of 0.8 is wrong
    >>> curve.risk.round(3).tolist()
    [0.0, 0.5, 0.333]
    >>> round(curve.aurc, 3), round(curve.best_aurc, 3)
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
    """Return the mean risk over all numbers of clips, from the ``errors`` (m,) among the first ``kept`` (m,) clips."""
    number = np.arange(1, kept[-1] + 1)
    return float((np.interp(number, np.append(0, kept), np.append(0, errors)) / number).mean())
