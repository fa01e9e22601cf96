"""Experiments: a frozen configuration in, a run directory out.

`run` evaluates one model and exports it, `compare` does so for several under identical folds, `side_by_side` under
several protocols, and `evaluate` scores a bundle on other recordings.  Importing this brings neither torch nor
scikit-learn; training does, once it begins.
"""

from emotone.experiment.compare import compare
from emotone.experiment.config import Config
from emotone.experiment.evaluate import evaluate
from emotone.experiment.run import RunSummary, run
from emotone.experiment.side_by_side import side_by_side

__all__ = ["Config", "RunSummary", "compare", "evaluate", "run", "side_by_side"]
