"""Read a finished run.  Files that an older run or a run of another kind lacks give None."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files
from emotone.errors import ConfigError
from emotone.formatting import plain_cell
from emotone.metrics import SCORES
from emotone.runs.layout import CARD, COMPARISON, CONFIG, METRICS, PREDICTIONS

#: Settings that say where files are.  They do not change what a run does.
PLACES = ("data", "out", "cache")
#: Keys that the results of every run must have.
_NEEDED = (*SCORES, "intervals", "per_class", "confusion", "ece", "n_clips")
_SUBSETS = ("validation", "test")
_T = TypeVar("_T")
#: Columns of CSV files that are always text.
_TEXTS = ("path", "file", "corpus", "speaker", "gender", "intensity", "statement", "group", "emotion", "predicted")


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes
    ----------
    path
        The run directory.
    config, metrics
        Contents of ``config.toml`` and ``metrics.json``.
    card
        Contents of the bundle's ``card.json``; empty if there is no bundle.
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
        """Names of the corpora; of the path of a manifest, the name of the file."""
        return [Path(str(name)).name.removesuffix(".csv") for name in self.config.get("corpora", [])]

    @property
    def settings(self) -> dict[str, Any]:
        """Contents of ``config.toml`` without `PLACES`."""
        return {key: value for key, value in (self.config | {"corpora": self.corpora}).items() if key not in PLACES}

    @property
    def emotions(self) -> list[str]:
        """Names of the classes, in their order."""
        return list(self.metrics["test"]["per_class"]["support"])

    @property
    def is_network(self) -> bool:
        """Whether the model is a network: it has training curves, or its features are sequences."""
        return bool(self.card.get("extractor", {}).get("sequence")) or self.table("curves.csv") is not None

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per prediction, see `emotone.experiment.outputs.predictions`."""
        return _read(self.path / PREDICTIONS, pd.read_parquet)

    @cached_property
    def tested(self) -> pd.DataFrame:
        """The predictions of the test clips, sorted by row, with normalised paths."""
        table = self.predictions[self.predictions["subset"] == "test"].sort_values("row").reset_index(drop=True)
        return table.assign(path=table["path"].map(os.path.normpath))  # a folder of corpora can be named in two ways

    def answers(self, subset: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return class numbers (n,) and calibrated probabilities (n, k) of the "validation" or "test" predictions."""
        return truth_and_scores(self.predictions[self.predictions["subset"] == subset], self.emotions)

    def uncalibrated(self, subset: str) -> NDArray[np.float64] | None:
        """Return the probabilities (n, k) before calibration; None if the run did not keep the temperatures.

        The calibrated ones are p^(1/T), normalised, so these are their T-th powers, normalised.
        """
        temperature = {fold["fold"]: fold.get("temperature") for fold in self.metrics.get("folds", [])}
        powers = self.predictions.loc[self.predictions["subset"] == subset, "fold"].map(temperature)
        if powers.isna().any():
            return None
        scores = self.answers(subset)[1] ** powers.to_numpy(dtype=np.float64)[:, None]
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def table(self, name: str) -> pd.DataFrame | None:
        """Read a CSV file of the run; None if it does not exist.  An empty cell of text is an empty text."""
        path = self.path / name
        return _read(path, _table) if path.is_file() else None

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Read an NPZ file of the run; None if it does not exist."""
        path = self.path / name
        return _read(path, _arrays) if path.is_file() else None

    def figure(self, name: str) -> bytes | None:
        """Read a picture of the run; None if it does not exist."""
        path = self.path / "figures" / name
        return path.read_bytes() if path.is_file() else None


def read(path: str | Path) -> RunFolder:
    """Read a run directory.

    Raises
    ------
    ConfigError
        It is not a run directory, the run is not finished, or a file is damaged or incomplete.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is {'a file' if folder.exists() else 'not there'}; expected a run directory")
    if (folder / COMPARISON).is_file():
        runs = sorted(file.parent.name for file in folder.glob(f"*/{METRICS}"))
        example = f", such as {folder / runs[0]}" if runs else ""
        raise ConfigError(f"{folder} holds a comparison, see its comparison.html; name run directories{example}")
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} holds no {CONFIG}; expected the --out folder of 'emotone train'")
    if not (folder / METRICS).is_file():
        raise ConfigError(f"{folder} holds no {METRICS}: the run is not finished; repeat the same 'emotone train'")
    metrics = _read(folder / METRICS, _json)
    lacking = [f"{subset}.{name}" for subset in _SUBSETS for name in _NEEDED if name not in metrics.get(subset, {})]
    lacking += [] if "protocol" in metrics else ["protocol"]
    if lacking:
        raise ConfigError(f"{folder / METRICS} lacks {', '.join(lacking[:3])}; expected the file of 'emotone train'")
    card = _read(folder / CARD, _json) if (folder / CARD).is_file() else {}
    return RunFolder(folder, _read(folder / CONFIG, _toml), metrics, card)


def truth_and_scores(table: pd.DataFrame, emotions: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return class numbers (n,) and probabilities (n, k) of a table of predictions."""
    number = {emotion: index for index, emotion in enumerate(emotions)}
    truth = np.asarray([number[emotion] for emotion in table["emotion"]], dtype=np.int64)
    return truth, table[[f"score_{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)


def _table(path: Path) -> pd.DataFrame:
    # a statement may be called 01, or NA
    table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=[""])
    return table.assign(**{column: table[column].fillna("").map(plain_cell) for column in _TEXTS if column in table})


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as content:
        return dict(content.items())


def _toml(path: Path) -> dict[str, Any]:
    return files.parse_toml(files.read_regular(path).decode())


def _json(path: Path) -> dict[str, Any]:
    content = files.parse_json(files.read_regular(path))
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}")
    return content


def _read(path: Path, parse: Callable[[Path], _T]) -> _T:
    """Read a file of a run; raise ConfigError if it is damaged."""
    try:
        return parse(path)
    except (OSError, ValueError) as error:
        remedy = "expected a file of 'emotone train': copy the folder again"
        raise ConfigError(f"{path} can't be read ({error}); {remedy}") from error
