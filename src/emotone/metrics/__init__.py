"""How good an answer is: pure functions of class numbers and probabilities."""

from emotone.metrics._bootstrap import Interval
from emotone.metrics.calibration import apply_temperature, expected_calibration_error, fit_temperature, reliability
from emotone.metrics.risk_coverage import RiskCoverage, risk_coverage
from emotone.metrics.scores import (
    accuracy,
    bootstrap_interval,
    bootstrap_intervals,
    confusion,
    macro_f1,
    per_class,
    summary,
    unweighted_average_recall,
)
from emotone.metrics.significance import PairedResult, mcnemar, paired_test

__all__ = [
    "Interval",
    "PairedResult",
    "RiskCoverage",
    "accuracy",
    "apply_temperature",
    "bootstrap_interval",
    "bootstrap_intervals",
    "confusion",
    "expected_calibration_error",
    "fit_temperature",
    "macro_f1",
    "mcnemar",
    "paired_test",
    "per_class",
    "reliability",
    "risk_coverage",
    "summary",
    "unweighted_average_recall",
]
