"""The result of a fold, in memory and on disk."""

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
Distances = NDArray[np.float64]
SUBSETS = ("validation", "test")
_ARRAYS = ("test_rows", "test_scores", "validation_rows", "validation_scores", "classes")
_PLAIN = ("temperature", "settings", "search", "fit_s", "epochs", "history", "importance")
_NAMED = ("validation_adapted", "test_adapted", "test_conditions")  # each name -> array
_JSON = "plain"
#: Level of adaptation -> probabilities (draws, n, k); see `emotone.experiment.analyses.adaptation`.
Adapted = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The predictions of a fold, and how its models were fitted.

    Attributes
    ----------
    test_rows, test_scores
        (t,) rows of the corpus and their probabilities (t, k), not calibrated.
    validation_rows, validation_scores
        The same for clips held out within the training part.
    classes
        Numbers of the classes in the training part; the scores of others are 0.
    temperature
        Fitted on the validation predictions.
    settings
        Result of the search; empty without a search.
    search
        One row per setting.
    fit_s
        Seconds of the fit on the training part.
    epochs
        Number of epochs on the training part for each network of a deep model; empty for a classic model.
    history
        Of a deep model, one row per epoch of every fit: ``fit`` ("validation": on part of the training clips; "test":
        the model that was tested), and the columns of `emotone.models.deep.classifier.NeuralClassifier.history_`.
    validation_adapted, test_adapted
        Of an adaptive model, the result of `emotone.experiment.analyses.adaptation.adapted_scores`; else empty.
    test_conditions
        Condition -> probabilities (t, k) of the test clips under it.
    validation_distance
        Of an adaptive model, the distance (v,) of each validation clip from the training clips; else empty.
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
    validation_distance: Distances = field(default_factory=lambda: np.zeros(0))
    importance: list[dict[str, Any]] = field(default_factory=list)

    def calibrated(self, scores: Scores) -> Scores:
        """Apply the temperature to the scores of the known classes: (..., k) -> (..., k)."""
        known = scores[..., self.classes]
        result = np.zeros_like(scores)
        flat = metrics.apply_temperature(known.reshape(-1, known.shape[-1]), self.temperature)
        result[..., self.classes] = flat.reshape(known.shape)
        return result

    def save(self, path: Path) -> None:
        """Write the result, atomically."""
        arrays = {name: np.asarray(getattr(self, name)) for name in (*_ARRAYS, "validation_distance")}
        for name in _NAMED:
            arrays |= {f"{name}-{level}": scores for level, scores in getattr(self, name).items()}
        plain = {name: getattr(self, name) for name in _PLAIN}
        files.write_arrays(path, {**arrays, _JSON: np.asarray(json.dumps(plain))})

    @classmethod
    def load(cls, path: Path) -> "FoldResult | None":
        """Read what `save` wrote; return None if the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            plain = json.loads(str(arrays.pop(_JSON)))
            for name in _NAMED:
                levels = [key for key in arrays if key.startswith(f"{name}-")]
                plain[name] = {key.removeprefix(f"{name}-"): arrays.pop(key) for key in levels}
            plain["settings"] = with_tuples(plain["settings"])
            return cls(**arrays, **plain)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None  # the fold is run again


def with_tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn lists, as JSON stores tuples, into tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
