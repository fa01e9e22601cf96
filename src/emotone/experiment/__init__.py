"""Experiments: a frozen configuration in, a run directory out.

`run` evaluates and exports one model, `compare` several models on the same folds, under one protocol or several, and
`evaluate` a bundle on other recordings.  The import needs neither torch nor scikit-learn; training does.
"""

from emotone.experiment.compare import compare
from emotone.experiment.config import Config
from emotone.experiment.evaluate import evaluate
from emotone.experiment.run import RunSummary, run

__all__ = ["Config", "RunSummary", "compare", "evaluate", "run"]
