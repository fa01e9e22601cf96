"""Load a bundle that ``emotone train --mlflow`` logged, as a model of MLflow.

MLflow finds this module by its name, so nothing is pickled::

    model = mlflow.pyfunc.load_model("runs:/RUN_ID/model")
    model.predict(["clip.wav"])  # one row a recording

The module imports neither MLflow nor pandas before a model is loaded.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer

if TYPE_CHECKING:
    import pandas as pd

#: The column of a table that holds the recordings.
COLUMN = "path"


class BundleModel:
    """A bundle as MLflow calls it.

    Parameters
    ----------
    recognizer
        Predicts.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """Predict the emotion of each recording.

        Parameters
        ----------
        model_input
            Paths of recordings: a list, or a table whose column ``path`` holds them.
        params
            Not used; MLflow passes it.

        Returns
        -------
        A table with a row for each recording, in order: ``emotion`` (None if unsure), ``label``, ``confidence`` and a
        column ``score_<emotion>`` for each emotion.

        Raises
        ------
        AudioError
            A recording can't be read.
        ConfigError
            There are no paths in ``model_input``.
        """
        import pandas as pd

        rows = []
        for path in _paths(model_input):
            prediction = self.recognizer.predict(path)
            scores = {f"score_{emotion}": score for emotion, score in prediction.scores.items()}
            facts = {"label": prediction.label, "confidence": prediction.confidence}
            rows.append({"emotion": prediction.emotion, **facts, **scores})
        return pd.DataFrame(rows)


def _load_pyfunc(path: str) -> BundleModel:
    """Open the bundle in a folder; MLflow calls it by this name."""
    return BundleModel(Recognizer(Path(path)))


def _paths(model_input: Any) -> list[str]:
    paths = model_input
    if hasattr(paths, "columns"):
        if COLUMN not in paths.columns:
            raise ConfigError(f"the table has the columns {list(paths.columns)}; expected {COLUMN!r} with recordings")
        paths = paths[COLUMN]
    is_list = isinstance(paths, Iterable) and not isinstance(paths, str | bytes | Mapping)
    paths = list(paths) if is_list else []
    if not is_list or not all(isinstance(path, str | Path) for path in paths):
        raise ConfigError(
            f"the input is {model_input!r:.80}; expected a list of paths of recordings, or a table with a column "
            f"{COLUMN!r}"
        )
    return [str(path) for path in paths]
