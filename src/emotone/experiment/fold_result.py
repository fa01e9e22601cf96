"""What a fold found, in memory and on disk."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.experiment.training_set import Rows

Scores = NDArray[np.float64]
_NAMED = ("validation_adapted", "test_adapted", "test_conditions")  # each name -> array


#: Number of clips that were heard -> scores (n, k) or the like; see `emotone.experiment.analyses.adaptation`.
Adapted = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What a fold found.

    Attributes
    ----------
    test_rows, test_scores
        (t,) rows of the corpus and their probabilities (t, k), as the model gave them.
    validation_rows, validation_scores
        The same of clips held out within the training part.
    classes
        Numbers of the classes that the training part has; the scores of others are 0.
    temperature
        Fitted on the validation predictions.
    settings
        What the search chose; empty where there was none.
    search
        One row a setting.
    fit_s
        Seconds that the fit on the training part took.
    epochs
        For how many epochs a deep model was trained on the training part, one number a network of it; empty of others.
    history
        Of a deep model, one row an epoch of every fit: fit ("validation": on part of the training clips; "test": the
        model that was tested), and what `emotone.models.deep.classifier.NeuralClassifier.history_` holds.
    validation_adapted, test_adapted
        Of an adaptive model, what `emotone.experiment.analyses.adaptation.adapted_scores` gives; empty of others.
    test_conditions
        Condition -> probabilities (t, k) of the test clips as it changes them.
    importance
        Rows of `permutation_importance.importance` for the test clips; empty for networks.
    """

    test_rows: Rows
    test_scores: Scores
    validation_rows: Rows
    validation_scores: Scores
    classes: Rows
    temperature: float
    settings: dict[str, Any] = field(default_factory=dict)
    search: list[dict[str, Any]] = field(default_factory=list)
    fit_s: float = 0.0
    epochs: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    validation_adapted: Adapted = field(default_factory=dict)
    test_adapted: Adapted = field(default_factory=dict)
    test_conditions: dict[str, Scores] = field(default_factory=dict)
    importance: list[dict[str, Any]] = field(default_factory=list)

    def calibrated(self, scores: Scores) -> Scores:
        """Apply the temperature to the classes that the model knows: (..., k) -> (..., k)."""
        known = scores[..., self.classes]
        result = np.zeros_like(scores)
        flat = metrics.apply_temperature(known.reshape(-1, known.shape[-1]), self.temperature)
        result[..., self.classes] = flat.reshape(known.shape)
        return result

    def save(self, path: Path) -> None:
        """Write it, atomically."""
        names = ("test_rows", "test_scores", "validation_rows", "validation_scores", "classes")
        plain = ("temperature", "settings", "search", "fit_s", "epochs", "history", "importance")
        told = {name: getattr(self, name) for name in plain}
        arrays = {name: np.asarray(getattr(self, name)) for name in names}
        for name in _NAMED:
            arrays |= {f"{name}-{level}": answers for level, answers in getattr(self, name).items()}
        files.write_arrays(path, {**arrays, "told": np.asarray(json.dumps(told))})

    @classmethod
    def load(cls, path: Path) -> "FoldResult | None":
        """Read what `save` wrote; None where there is nothing, or nothing of use."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                told = json.loads(str(arrays["told"]))
                found = {name: arrays[name] for name in arrays.files if name != "told"}
            for name in _NAMED:
                levels = [key for key in found if key.startswith(f"{name}-")]
                told[name] = {key.removeprefix(f"{name}-"): found.pop(key) for key in levels}
            told["settings"] = with_tuples(told["settings"])
            return cls(**found, **told)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None  # it is computed again, and nothing is lost but time


def with_tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """Undo what JSON does to tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


SUBSETS = ("validation", "test")
