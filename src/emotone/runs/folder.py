"""A run directory, as a report reads it: what a run may lack, because it is older or of another kind, is None."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.errors import ConfigError
from emotone.experiment.fold_result import Scores
from emotone.experiment.training_set import Rows

CONFIG, METRICS, PREDICTIONS, CARD = "config.toml", "metrics.json", "predictions.parquet", "model/card.json"
#: What a score must come with, whatever the run.
_NEEDED = ("uar", "accuracy", "macro_f1", "intervals", "per_class", "confusion", "ece", "n_clips")
SUBSETS = ("validation", "test")
#: Columns of CSV files that are texts, whatever they look like.
_TEXTS = ("path", "file", "corpus", "speaker", "gender", "intensity", "statement", "group", "emotion", "predicted")


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes
    ----------
    path
        The directory.
    config
        What ``config.toml`` holds.
    metrics
        What ``metrics.json`` holds.
    card
        What the bundle's ``card.json`` holds; empty where there is no bundle.
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    card: dict[str, Any]

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.config.get("model", "model"))

    @property
    def corpora(self) -> list[str]:
        """Names of the corpora; of a table's path, what the file is called."""
        return [Path(str(name)).name.removesuffix(".csv") for name in self.config.get("corpora", [])]

    @property
    def emotions(self) -> list[str]:
        """Names of the classes, in their order."""
        return list(self.metrics["test"]["per_class"]["support"])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row an answer, see `emotone.experiment.outputs.predictions`."""
        try:
            return pd.read_parquet(self.path / PREDICTIONS)
        except (OSError, ValueError) as error:
            raise _unreadable(self.path / PREDICTIONS, error) from error

    def answers(self, subset: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Class numbers (n,) and calibrated probabilities (n, k) of the "validation" or "test" answers."""
        table = self.predictions[self.predictions["subset"] == subset]
        number = {emotion: place for place, emotion in enumerate(self.emotions)}
        truth = np.asarray([number[emotion] for emotion in table["emotion"]], dtype=np.int64)
        return truth, table[[f"score_{emotion}" for emotion in self.emotions]].to_numpy(dtype=np.float64)

    def uncalibrated(self, subset: str) -> NDArray[np.float64] | None:
        """Probabilities (n, k) as the folds' models gave them; None where the run did not keep the temperatures.

        The calibrated ones are p^(1/T), normalised, so these are their T-th powers, normalised.
        """
        temperature = {fold["fold"]: fold.get("temperature") for fold in self.metrics.get("folds", [])}
        table = self.predictions[self.predictions["subset"] == subset]
        powers = table["fold"].map(temperature)
        if powers.isna().any():
            return None
        scores = self.answers(subset)[1] ** powers.to_numpy(dtype=np.float64)[:, None]
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def table(self, name: str) -> pd.DataFrame | None:
        """Read a CSV file of the run; None where there is none.  An empty cell of text is an empty text."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            # a statement may be called 01, or NA
            read = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=[""])
            texts = [name for name in _TEXTS if name in read]
            return read.assign(**{name: read[name].fillna("") for name in texts})
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Read an NPZ file of the run; None where there is none."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as found:
                return {key: found[key] for key in found.files}
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def figure(self, name: str) -> bytes | None:
        """Read a picture that the run drew; None where there is none."""
        path = self.path / "figures" / name
        return path.read_bytes() if path.is_file() else None


def read(path: str | Path) -> RunFolder:
    """Open a run directory.

    Raises
    ------
    ConfigError
        It is none, the run is not finished, or a file can't be read or lacks what a report is about.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is {'a file' if folder.exists() else 'not there'}; expected a run directory")
    if (folder / "comparison.json").is_file():
        runs = sorted(one.parent.name for one in folder.glob(f"*/{METRICS}"))
        which = f", such as {folder / runs[0]}" if runs else ""
        raise ConfigError(f"{folder} holds a comparison, and its page is comparison.html; name run directories{which}")
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} holds no {CONFIG}; expected the folder that emotone train was given with --out")
    if not (folder / METRICS).is_file():
        raise ConfigError(
            f"{folder} holds no {METRICS}: the run is not finished; give the same emotone train again, and it goes on"
        )
    metrics = _loaded(folder / METRICS, json.loads)
    lacking = [f"{subset}.{name}" for subset in SUBSETS for name in _NEEDED if name not in metrics.get(subset, {})]
    lacking += [name for name in ("protocol",) if name not in metrics]
    if lacking:
        raise ConfigError(f"{folder / METRICS} lacks {', '.join(lacking[:3])}; expected what emotone train writes")
    card = _loaded(folder / CARD, json.loads) if (folder / CARD).is_file() else {}
    return RunFolder(folder, _loaded(folder / CONFIG, tomllib.loads), metrics, card)


def _loaded(path: Path, parse: Any) -> dict[str, Any]:
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict):
        raise _unreadable(path, ValueError(f"it holds a {type(found).__name__}"))
    return found


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path} can't be read ({error}); expected what emotone train wrote: get the folder again")


#: Settings that say where files are, and not what was done.
PLACES = ("data", "out", "cache")


def is_network(run: RunFolder) -> bool:
    """Say whether the model is a network: it has curves of training, or learns from frames."""
    if run.card:
        return bool(run.card.get("extractor", {}).get("sequence")) or run.table("curves.csv") is not None
    return run.table("curves.csv") is not None


def truth_and_scores(table: pd.DataFrame, emotions: Sequence[str]) -> tuple[Rows, Scores]:
    """Class numbers (n,) and probabilities (n, k) of a table that `predictions` made."""
    number = {emotion: index for index, emotion in enumerate(emotions)}
    truth = np.asarray([number[emotion] for emotion in table["emotion"]], dtype=np.int64)
    return truth, table[[f"score_{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)
