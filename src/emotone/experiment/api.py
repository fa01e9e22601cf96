"""`emotone.train` and `emotone.evaluate`: experiments with arguments instead of a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from emotone.experiment.config import Config
from emotone.experiment.evaluate import Adapt
from emotone.experiment.evaluate import evaluate as evaluate_bundle
from emotone.experiment.run import run
from emotone.experiment.tracking import Tracker
from emotone.parallel import open_pool
from emotone.progress import Progress
from emotone.runs import layout


@dataclass(frozen=True)
class Scores:
    """Scores of a model on labelled clips; rates are in [0, 1].

    Attributes
    ----------
    uar
        Unweighted average recall.
    accuracy, macro_f1
        Share of correct predictions, and mean F1 over the emotions.
    ece
        Expected calibration error.
    interval
        95 % interval of the UAR, by bootstrap over speakers: (low, high).
    details
        All scores, as ``metrics.json`` holds it: ``per_class``, ``confusion``, ``intervals`` and more.
    """

    uar: float
    accuracy: float
    macro_f1: float
    ece: float
    interval: tuple[float, float]
    details: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_dict(cls, measured: Mapping[str, Any]) -> Self:
        """Return the scores in a part of ``metrics.json``, such as ``metrics["test"]``."""
        low, high = measured["interval"]["low"], measured["interval"]["high"]
        names = ("uar", "accuracy", "macro_f1", "ece")
        return cls(**{name: measured[name] for name in names}, interval=(low, high), details=measured)


@dataclass(frozen=True)
class TrainedRun:
    """A finished run of `train`.

    Attributes
    ----------
    folder
        The run directory.
    bundle
        The trained model: a folder that `emotone.Recognizer` opens.
    protocol
        Name and description of the folds, and whether they share speakers.
    validation, test
        Scores on clips held out inside the training folds, and on the test folds.
    """

    folder: Path
    bundle: Path
    protocol: Mapping[str, Any] = field(repr=False)
    validation: Scores = field(repr=False)
    test: Scores


def train(
    corpora: str | Path | Sequence[str | Path],
    *,
    data: str | Path,
    out: str | Path,
    model: str = "svm",
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    mlflow: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> TrainedRun:
    """Train a model, evaluate it, and save it; ``emotone train`` does the same.

    Parameters
    ----------
    corpora
        A corpus or several: names (``"ravdess"``), CSV manifests or folders.
    data
        The folder that holds the corpora by name, or the corpus itself.
    out
        The run directory.  A finished run with the same settings is returned as it is; an interrupted one continues.
    model
        A name in `emotone.models.registry.MODELS`.
    engine, address
        Where features and folds are computed: ``"local"``, the processes of this machine, or ``"ray"``, a Ray cluster
        at this address (by default ``RAY_ADDRESS``, or this machine alone).
    workers
        Clips and folds that are worked on at the same time.  Default: one for each core; networks are trained one
        after the other.
    mlflow
        A store of MLflow in which the finished run is logged, such as ``"sqlite:///runs.db"``; None logs nothing.
    progress
        Called with the steps done, the number of steps, and the name of the present step.
    settings
        Any other field of `emotone.experiment.Config`, such as ``protocol``, ``emotions``, ``labels``
        (``{"gioia": "happy"}``), ``augment`` or ``seed``.

    Raises
    ------
    ConfigError
        A setting is unknown or out of range, or ``out`` contains something else.
    CorpusError, FeatureError, ProtocolError, LeakError
        The corpora can't be read or split.
    TrackingError
        The store can't be opened, before the training; or MLflow fails after it, when the run directory is complete:
        the same call then logs the run, and trains nothing.
    """
    names = _names(corpora)
    config = Config.from_dict({"corpora": names, "data": data, "out": out, "model": model, **settings})
    tracker = None if mlflow is None else Tracker(mlflow)
    with open_pool(engine, address=address, workers=workers) as pool:
        summary = run(config, progress=progress, pool=pool)
    if tracker is not None:
        tracker.log(summary.folder)
    return TrainedRun(
        folder=summary.folder,
        bundle=summary.folder / layout.MODEL,
        protocol=summary.metrics["protocol"],
        validation=Scores.from_dict(summary.metrics["validation"]),
        test=Scores.from_dict(summary.metrics["test"]),
    )


def evaluate(
    bundle: str | Path,
    corpora: str | Path | Sequence[str | Path],
    *,
    data: str | Path,
    channel: str = "speech",
    labels: Mapping[str, str] | None = None,
    adapt: Adapt = "none",
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Evaluate a trained model on corpora, over the emotions that both have; ``emotone evaluate`` does the same.

    Parameters
    ----------
    bundle
        A folder that `train` wrote, or ``"default"``.
    corpora, data
        As in `train`.
    channel
        ``"speech"``, ``"song"`` or ``"all"``.
    labels
        What labels of the corpora mean: ``{"gioia": "happy"}``.
    adapt
        What to adapt to first, without labels: ``"none"``; ``"source"``, 20 clips spread evenly over each corpus;
        ``"speaker"``, all clips of each speaker; or ``"both"``, the speaker within the corpus.
    out
        A folder for ``metrics.json``, predictions and pictures; None writes nothing.

    Returns
    -------
    Scores
        Its ``details`` also have ``protocol``, ``unknown`` (emotions that the model lacks, with their clips) and
        ``rejected`` (recordings that could not be read).

    Raises
    ------
    CorpusError
        A corpus can't be read, or fewer than two emotions are shared.
    ConfigError
        ``adapt`` is another word, ``out`` contains something else, or the model can't adapt.
    """
    names = _names(corpora)
    folder = None if out is None else Path(out)
    measured = evaluate_bundle(
        bundle, names, Path(data), channel=channel, labels=labels, adapt=adapt, out=folder, progress=progress
    )
    return Scores.from_dict(measured)


def _names(corpora: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    return (str(corpora),) if isinstance(corpora, str | Path) else tuple(str(name) for name in corpora)
