"""One fold of an experiment: choose settings, fit models, and predict the validation and test clips.

No model is fitted on a row that was made from a clip that it predicts.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import augment, metrics, protocols
from emotone._version import __version__
from emotone.augment.conditions import CONDITIONS
from emotone.augment.copies import Augmentation
from emotone.experiment.analyses.adaptation import LEVELS, adapted_scores, embedded
from emotone.experiment.analyses.permutation_importance import importance
from emotone.experiment.config import MIXUP_ALPHA, Config
from emotone.experiment.fold_result import Adapted, Distances, FoldResult, Scores, with_tuples
from emotone.experiment.search import Searched, search
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.models import registry
from emotone.parallel import n_cores
from emotone.progress import Progress, named, part

#: Folds within a training part, for validation and for the search of settings.
N_INNER_FOLDS = 4
#: Raised when training or the results of folds change within a version: folds of an interrupted run are run again.
_REVISION = 3


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """A fold, and what is held out inside its training part.

    Attributes
    ----------
    number
        From 1.
    fold
        Rows of the corpus.
    inner
        Pairs (train, held out) of rows in ``fold.train``, used for the search of settings.
    validated
        The pair whose held-out rows are the validation clips; None if the fold has development rows.
    speaker_disjoint
        Whether the inner folds keep speakers apart.
    """

    number: int
    fold: protocols.Fold
    inner: tuple[tuple[Rows, Rows], ...]
    validated: tuple[Rows, Rows] | None
    speaker_disjoint: bool

    def training_sets(self) -> list[Rows]:
        """Return every set of clips on which a model of this fold is fitted."""
        pairs = self.inner if self.validated is None else (*self.inner, self.validated)
        return [self.fold.train, *(train for train, _ in pairs)]


def plan(protocol: protocols.Protocol, training_set: TrainingSet, config: Config) -> list[FoldPlan]:
    """Choose what every fold holds out inside its training part, before anything is fitted.

    A fold is validated on its development rows.  Without any, it holds out the test rows of the next fold, so that
    every clip is validated once, with one more fit per fold.  If these are not all in its training rows, or include
    all clips of an emotion, it holds out one inner fold.  Inner folds hold out speakers; if a speaker-disjoint
    protocol trains on a single speaker (corpora with two speakers), they hold out clips.
    """
    speakers = np.asarray(training_set.speakers)
    plans = []
    for number, fold in enumerate(protocol.folds, start=1):
        disjoint = protocol.speaker_disjoint and np.unique(speakers[fold.train]).size > 1
        inner = _inner(training_set, fold.train, disjoint=disjoint, seed=config.seed) if config.tune else ()
        validated = None
        if not fold.dev.size:
            validated = _next_test(protocol, number, labels=training_set.labels)
            if validated is None:
                validated = (inner or _inner(training_set, fold.train, disjoint=disjoint, seed=config.seed))[0]
        plans.append(FoldPlan(number, fold, inner, validated, disjoint))
    return plans


def _next_test(protocol: protocols.Protocol, number: int, *, labels: Rows) -> tuple[Rows, Rows] | None:
    """Split the training rows of fold ``number`` into the rest and the test rows of the next fold.

    Return None if those are not all training rows, or if the rest would lack an emotion.
    """
    train = protocol.folds[number - 1].train
    held_out = protocol.folds[number % len(protocol.folds)].test
    rest = np.setdiff1d(train, held_out)
    if not np.isin(held_out, train).all() or set(labels[rest]) != set(labels[train]):
        return None
    return rest, held_out


def _inner(training_set: TrainingSet, rows: Rows, *, disjoint: bool, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    folds = protocols.inner_folds(
        training_set.corpus, rows, n_folds=N_INNER_FOLDS, speaker_disjoint=disjoint, seed=seed
    )
    return tuple(folds)


def validation_words(plans: Sequence[FoldPlan], *, deep: bool = False) -> str:
    """Describe the validation clips of these folds; a deep model's number of epochs is chosen on them."""
    chosen = "; its number of epochs was chosen on them" if deep else ""
    if any(plan.fold.dev.size for plan in plans):
        return f"development clips, predicted by a model of the training clips{chosen}"
    shared = [str(plan.number) for plan in plans if not plan.speaker_disjoint]
    how = f"clips of each training part that a model of its other clips predicts{chosen}"
    if not shared:
        return f"{how}; no speaker is in both parts"
    where = "" if len(shared) == len(plans) else f" in fold {', '.join(shared)}"
    return f"{how}; speakers are NOT kept apart{where}"


def fingerprint(plan: FoldPlan, training_set: TrainingSet, config: Config, *, extractor_digest: str) -> str:
    """Digest everything that the result of a fold depends on, so that a stored result is used for no other fold."""
    spec = registry.get(config.model)
    described = {
        "version": [__version__, _REVISION],
        "model": [spec.name, {name: list(values) for name, values in spec.grid.items()}],
        "settings": [config.balance, config.tune, config.seed, config.copies, config.mixup, *config.train_also],
        "networks": config.of_networks if spec.family == "deep" else {},
        "preprocessing": config.preprocessing.key,
        "transforms": Augmentation(config.transforms, copy=0).spec,
        "extractor": extractor_digest,
        "recordings": list(training_set.digests),
        "table": training_set.corpus.table[["emotion", "speaker", "gender", "corpus"]].to_numpy().tolist(),
        "fold": [rows.tolist() for rows in (plan.fold.train, plan.fold.dev, plan.fold.test)],
        "inner": [[train.tolist(), held_out.tolist()] for train, held_out in plan.inner],
        "validated": [rows.tolist() for rows in plan.validated or ()],
    }
    if config.conditions:  # not otherwise, so that results from before this setting existed stay valid
        described["conditions"] = [CONDITIONS[name].spec for name in config.conditions]
    if spec.adaptive:
        described["adaptation"] = LEVELS
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def run_fold(
    plan: FoldPlan,
    training_set: TrainingSet,
    config: Config,
    *,
    searched: Searched | None = None,
    checkpoint: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FoldResult:
    """Choose settings, predict the validation clips, fit on the training part, and predict the test clips.

    Only rows of ``plan.fold.train`` are used before the two predictions, with one exception: a deep model uses
    development rows for early stopping.  Without development rows it stops early on the validation clips, and is then
    trained on the whole training part for the best number of epochs.

    Parameters
    ----------
    searched
        Result of the search of settings, if it was done before.
    checkpoint
        Start of the names of the files in which a deep model saves its state.
    threads
        Of each fit; by default one for each core.
    """
    settings, table = searched or ({}, [])
    if config.tune and searched is None:
        settings, table = search(plan, training_set, config, progress=part(progress, 0, 0.7))
    stage = named(part(progress, 0.7 if config.tune and searched is None else 0, 1), f"fold {plan.number}")
    validated, fitted = _fit_both(
        plan, training_set, config, settings=settings, checkpoint=checkpoint, threads=threads, progress=stage
    )
    train, rows = plan.validated or (plan.fold.train, plan.fold.dev)
    validation, test = (
        _scores(each.model, training_set.values[clips], training_set)
        for each, clips in ((validated, rows), (fitted, plan.fold.test))
    )
    stage(1, 1, "done")
    classes = np.unique(training_set.labels[plan.fold.train])
    temperature = _temperature(validation, training_set.labels[rows], classes)
    adapted = partial(_adapted, training_set=training_set, config=config, temperature=temperature)
    validation_adapted, validation_distance = adapted(validated, rows, train=train)
    test_adapted, _ = adapted(fitted, plan.fold.test, train=plan.fold.train)
    return FoldResult(
        test_rows=plan.fold.test,
        test_scores=test,
        validation_rows=rows,
        validation_scores=validation,
        classes=classes,
        temperature=temperature,
        settings=settings,
        search=table,
        fit_s=fitted.seconds,
        epochs=fitted.epochs,
        history=(validated.history("validation") if validated is not fitted else []) + fitted.history("test"),
        validation_adapted=validation_adapted,
        test_adapted=test_adapted,
        validation_distance=validation_distance,
        test_conditions={
            name: _scores(fitted.model, features(plan.fold.test), training_set)
            for name, features in training_set.conditions.items()
        },
        importance=_importance(fitted.model, plan.fold.test, training_set, config),
    )


def _fit_both(
    plan: FoldPlan,
    training_set: TrainingSet,
    config: Config,
    *,
    settings: dict[str, Any],
    checkpoint: Path | None,
    threads: int | None,
    progress: Progress,
) -> tuple["Fitted", "Fitted"]:
    """Return the models for the validation and the test clips; they are the same if there are development clips."""

    def fitted(rows: Rows, kind: str, *, settings: dict[str, Any], held_out: Rows | None, stage: Progress) -> Fitted:
        keep = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{kind}")
        return fit(
            rows,
            training_set,
            config,
            settings=settings,
            held_out=held_out,
            checkpoint=keep,
            threads=threads,
            progress=stage,
        )

    if plan.validated is None:
        model = fitted(plan.fold.train, "test", settings=settings, held_out=plan.fold.dev, stage=progress)
        return model, model
    train, rows = plan.validated
    halves = [part(progress, start, start + 0.5) for start in (0, 0.5)]
    first = fitted(train, "validation", settings=settings, held_out=rows, stage=halves[0])
    halves[0](1, 1, "validated")
    settings = settings | epochs_setting(first.epochs)
    return first, fitted(plan.fold.train, "test", settings=settings, held_out=None, stage=halves[1])


def _adapted(
    fitted: "Fitted", rows: Rows, *, train: Rows, training_set: TrainingSet, config: Config, temperature: float
) -> tuple[Adapted, Distances]:
    """Return the probabilities of clips after adaptation, and their distances; empty if the model does not adapt."""
    if not registry.get(config.model).adaptive:
        return {}, np.zeros(0)
    clips = embedded(fitted.model, rows, training_set, train=train, temperature=temperature)
    levels = adapted_scores(
        fitted.model, rows, training_set, train=train, temperature=temperature, seed=config.seed, clips=clips
    )
    return levels, clips.adapter.distance(clips.embedding)


def _importance(
    model: registry.Estimator, rows: Rows, training_set: TrainingSet, config: Config
) -> list[dict[str, Any]]:
    """Return the importance of the features of a classic model on these held-out clips; empty for a network."""
    if registry.get(config.model).family == "deep":
        return []
    values, labels = training_set.values[rows], training_set.labels[rows]
    return importance(model, values, labels, columns=training_set.columns, seed=config.seed)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model and the seconds that its fit took."""

    model: registry.Estimator
    seconds: float

    @property
    def epochs(self) -> list[int]:
        """The number of epochs of each network of a deep model; empty for a classic one."""
        return list(getattr(_classifier(self.model), "n_epochs_", []))

    def history(self, fit: str) -> list[dict[str, Any]]:
        """Return one row per epoch of a deep model; empty for a classic one."""
        return [{"fit": fit, **row} for row in getattr(_classifier(self.model), "history_", [])]


def _classifier(model: registry.Estimator) -> Any:
    return getattr(model, "named_steps", {}).get("classifier")


def epochs_setting(epochs: Sequence[int]) -> dict[str, Any]:
    """Return the setting for the median of these numbers of epochs; empty for a classic model."""
    return {"classifier__max_epochs": int(np.median(epochs))} if len(epochs) else {}


def fit(
    rows: Rows,
    training_set: TrainingSet,
    config: Config,
    *,
    settings: dict[str, Any],
    held_out: Rows | None = None,
    checkpoint: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit the model on these clips and their augmented copies.

    Parameters
    ----------
    held_out
        Rows for early stopping of a deep model; not used by a classic one.
    checkpoint
        The file in which a deep model saves its state after each epoch, and from which it continues.
    threads
        By default one for each core.
    """
    taken = training_set.training_rows(rows, balanced=config.balance == "augment", seed=config.seed)
    weighted = config.balance == "weights"
    spec = registry.get(config.model)
    model = spec.build(seed=config.seed, n_jobs=threads or n_cores(), class_weight=weighted)
    if spec.family == "deep":
        settings = config.of_networks | settings  # these override the configuration
    model.set_params(**settings)
    X, y = training_set.values[taken], training_set.labels[training_set.origin[taken]]
    arguments: dict[str, Any] = {}
    if spec.family == "deep":
        # an epoch has as many rows as there are clips, whatever the number of copies
        n_clips = int((training_set.copy[taken] == 0).sum())
        arguments = {
            "classifier__epoch_size": n_clips,
            "classifier__checkpoint": checkpoint,
            "classifier__progress": progress,
        }
        if spec.adaptive:
            arguments["classifier__extras"] = training_set.speaker_inputs(taken)
        if held_out is not None:
            arguments["classifier__held_out"] = (training_set.values[held_out], training_set.labels[held_out])
    elif config.mixup:
        X, y = _with_mixed(X, y, seed=config.seed)
    started = time.perf_counter()
    model.fit(X, y, **arguments)
    return Fitted(model, time.perf_counter() - started)


def _with_mixed(X: NDArray[np.float32], y: Rows, *, seed: int) -> tuple[NDArray[np.float32], Rows]:
    """Append a mixed row for each row; networks mix every batch instead."""
    mixed, labels = augment.mixed_rows(X, y, alpha=MIXUP_ALPHA, rng=np.random.default_rng(seed))
    return np.concatenate([X, mixed]), np.concatenate([y, labels])


def _scores(model: registry.Estimator, values: NDArray[Any], training_set: TrainingSet) -> Scores:
    """Return the probabilities (r, k) of features; 0 for a class without training clips."""
    result = np.zeros((len(values), len(training_set.emotions)))
    result[:, model.classes_] = model.predict_proba(values)
    return result


def _temperature(scores: Scores, labels: Rows, classes: Rows) -> float:
    """Fit the temperature on the clips of known classes."""
    known = np.isin(labels, classes)
    return metrics.fit_temperature(_over(scores[known], classes), np.searchsorted(classes, labels[known]))


def _over(values: Scores, classes: Rows) -> Scores:
    """Select columns of probabilities, and normalise their sum to 1."""
    chosen = values[:, classes]
    return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))


def best_settings(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return the settings that most folds chose; in a tie, those with the best mean UAR."""
    if not results[0].search:
        return {}

    def mean_uar(settings: dict[str, Any]) -> float:
        rows = [with_tuples(row) for result in results for row in result.search]
        return float(np.mean([row["uar_mean"] for row in rows if settings.items() <= row.items()]))

    chosen = [result.settings for result in results]
    return max(chosen, key=lambda settings: (chosen.count(settings), mean_uar(settings)))
