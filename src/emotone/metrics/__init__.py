"""Measure predictions: pure functions of class numbers and probabilities."""

from emotone.metrics._bootstrap import Interval
from emotone.metrics.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
    softmax,
)
from emotone.metrics.names import ScoreName
from emotone.metrics.risk_coverage import RiskCoverage, risk_coverage
from emotone.metrics.scores import (
    NAMES,
    SCORES,
    accuracy,
    bootstrap_intervals,
    chance_uar,
    confusion,
    macro_f1,
    per_class,
    summary,
    unweighted_average_recall,
    wilson,
)
from emotone.metrics.significance import PairedResult, holm, mcnemar, paired_test

__all__ = [
    "NAMES",
    "SCORES",
    "Interval",
    "PairedResult",
    "RiskCoverage",
    "ScoreName",
    "accuracy",
    "apply_temperature",
    "bootstrap_intervals",
    "chance_uar",
    "confusion",
    "expected_calibration_error",
    "fit_temperature",
    "holm",
    "macro_f1",
    "mcnemar",
    "paired_test",
    "per_class",
    "reliability",
    "risk_coverage",
    "softmax",
    "summary",
    "unweighted_average_recall",
    "wilson",
]
