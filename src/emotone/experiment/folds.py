"""One fold of an experiment: choose settings, predict held-out clips, predict the test, and keep the answer on disk.

No model of a fold is fitted on a row that was made from one of the clips that it is asked about.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import augment, metrics, protocols
from emotone._version import __version__
from emotone.augment.conditions import CONDITIONS
from emotone.augment.copies import Augmentation
from emotone.experiment.analyses.adaptation import adapted_scores
from emotone.experiment.analyses.permutation_importance import importance
from emotone.experiment.config import MIXUP_ALPHA, Config
from emotone.experiment.fold_result import Adapted, FoldResult, Scores, with_tuples
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.models import registry
from emotone.progress import Progress, named, part

#: Folds within a training part, for validation and for the search of settings.
N_INNER_FOLDS = 4
#: The fits of a fold that hold clips out inside its training part.
FITS = ("validation", "test")
# not all that the machine has, where a container or taskset allows fewer
_N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """One fold and what is held out inside its training part.

    Attributes
    ----------
    number
        From 1.
    fold
        Rows of the corpus.
    inner
        Pairs (train, held out) of rows, all of them in ``fold.train``: what a search of settings goes by.
    validated
        The pair whose held-out rows give the validation predictions; None where the fold has development rows.
    speaker_disjoint
        Whether the inner folds keep speakers apart.
    """

    number: int
    fold: protocols.Fold
    inner: tuple[tuple[Rows, Rows], ...]
    validated: tuple[Rows, Rows] | None
    speaker_disjoint: bool

    def training_sets(self) -> list[Rows]:
        """Every set of clips that a model of this fold is fitted on."""
        pairs = self.inner if self.validated is None else (*self.inner, self.validated)
        return [self.fold.train, *(train for train, _ in pairs)]


def plan(protocol: protocols.Protocol, material: TrainingSet, config: Config) -> list[FoldPlan]:
    """Lay the inner folds of every fold, before anything is fitted.

    A fold with development rows is validated on those.  Another holds out what the next fold tests, so that over all
    folds every clip is validated once, for one further fit a fold; where that is not part of its training rows, or
    would leave nothing to learn from, it holds out one inner fold.  Where a
    speaker-disjoint protocol trains on a single speaker (two-speaker corpora), the inner folds hold out clips instead.
    """
    speakers = np.asarray(material.speakers)
    plans = []
    for number, fold in enumerate(protocol.folds, start=1):
        disjoint = protocol.speaker_disjoint and np.unique(speakers[fold.train]).size > 1
        inner = _inner(material, fold.train, disjoint=disjoint, seed=config.seed) if config.tune else ()
        validated = None
        if not fold.dev.size:
            validated = _next_test(protocol, number, labels=material.labels)
            if validated is None:
                validated = (inner or _inner(material, fold.train, disjoint=disjoint, seed=config.seed))[0]
        plans.append(FoldPlan(number, fold, inner, validated, disjoint))
    return plans


def _next_test(protocol: protocols.Protocol, number: int, *, labels: Rows) -> tuple[Rows, Rows] | None:
    """What fold ``number`` learns from and holds out if the next fold's test is held out of its training rows.

    None where that test is not among the training rows, or an emotion would have no clip left to learn from.
    """
    train = protocol.folds[number - 1].train
    held_out = protocol.folds[number % len(protocol.folds)].test
    rest = np.setdiff1d(train, held_out)
    if not np.isin(held_out, train).all() or set(labels[rest]) != set(labels[train]):
        return None
    return rest, held_out


def _inner(material: TrainingSet, rows: Rows, *, disjoint: bool, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    folds = protocols.inner_folds(material.corpus, rows, n_folds=N_INNER_FOLDS, speaker_disjoint=disjoint, seed=seed)
    return tuple(folds)


def validation_words(plans: Sequence[FoldPlan], *, deep: bool = False) -> str:
    """Say how the validation predictions of these folds come about; a deep model's number of epochs goes by them."""
    chosen = "; its number of epochs was chosen on them" if deep else ""
    if any(plan.fold.dev.size for plan in plans):
        return f"development clips, predicted by a model of the training clips{chosen}"
    shared = [str(plan.number) for plan in plans if not plan.speaker_disjoint]
    how = f"clips of each training part that a model of its other clips predicts{chosen}"
    if not shared:
        return f"{how}; no voice is both learnt from and held out"
    where = "" if len(shared) == len(plans) else f" in fold {', '.join(shared)}"
    return f"{how}; speakers are NOT kept apart{where}"


def fingerprint(plan: FoldPlan, material: TrainingSet, config: Config, *, extractor_digest: str) -> str:
    """Digest everything that decides what a fold finds, so that a result on disk is used for no other fold."""
    spec = registry.get(config.model)
    described = {
        "version": __version__,
        "model": [spec.name, {name: list(values) for name, values in spec.grid.items()}],
        "settings": [config.balance, config.tune, config.seed, config.copies, config.mixup, *config.train_also],
        "networks": config.of_networks if spec.family == "deep" else {},
        "preprocessing": config.preprocessing.key,
        "transforms": Augmentation(config.transforms, copy=0).spec,
        "extractor": extractor_digest,
        "recordings": list(material.digests),
        "table": material.corpus.table[["emotion", "speaker", "gender", "corpus"]].to_numpy().tolist(),
        "fold": [rows.tolist() for rows in (plan.fold.train, plan.fold.dev, plan.fold.test)],
        "inner": [[train.tolist(), held_out.tolist()] for train, held_out in plan.inner],
        "validated": [rows.tolist() for rows in plan.validated or ()],
    }
    if config.conditions:  # a run without them is what it was before there were any
        described["conditions"] = [CONDITIONS[name].spec for name in config.conditions]
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def run_fold(
    plan: FoldPlan,
    material: TrainingSet,
    config: Config,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> FoldResult:
    """Choose settings, predict the validation clips, fit on the training part, and predict the test.

    Every step sees rows of ``plan.fold.train`` alone, except the two predictions themselves; and a deep model sees
    development rows, to stop early by.  Where there are none, it stops early by the validation clips, and is then
    trained on the whole training part for as many epochs as it did best with.
    """
    what = f"fold {plan.number}"
    settings: dict[str, Any] = {}
    search: list[dict[str, Any]] = []
    if config.tune:
        settings, search = _search(plan, material, config, progress=part(progress, 0, 0.7))
    stage = named(part(progress, 0.7 if config.tune else 0, 1), what)
    halves = [part(stage, start, start + 0.5) for start in (0, 0.5)]
    keep = [None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{fit}") for fit in FITS]
    if plan.validated is None:
        rows = plan.fold.dev
        fitted = fit(
            plan.fold.train, material, config, settings=settings, held_out=rows, checkpoint=keep[1], progress=stage
        )
        held_out_scores = scores(fitted.model, rows, material)
        held_out_adapted = _adapted(fitted.model, rows, material, config)
        history = fitted.history("test")
    else:
        train, rows = plan.validated
        first = fit(train, material, config, settings=settings, held_out=rows, checkpoint=keep[0], progress=halves[0])
        held_out_scores = scores(first.model, rows, material)
        held_out_adapted = _adapted(first.model, rows, material, config)
        halves[0](1, 1, "validated")
        fitted = fit(
            plan.fold.train,
            material,
            config,
            settings=settings | epochs_setting(first.epochs),
            checkpoint=keep[1],
            progress=halves[1],
        )
        history = first.history("validation") + fitted.history("test")
    test_scores = scores(fitted.model, plan.fold.test, material)
    test_adapted = _adapted(fitted.model, plan.fold.test, material, config)
    stage(1, 1, "done")
    classes = np.unique(material.labels[plan.fold.train])
    known = np.isin(material.labels[rows], classes)
    number = np.searchsorted(classes, material.labels[rows[known]])
    temperature = metrics.fit_temperature(_over(held_out_scores[known], classes), number)
    return FoldResult(
        test_rows=plan.fold.test,
        test_scores=test_scores,
        validation_rows=rows,
        validation_scores=held_out_scores,
        classes=classes,
        temperature=temperature,
        settings=settings,
        search=search,
        fit_s=fitted.seconds,
        epochs=fitted.epochs,
        history=history,
        validation_adapted=held_out_adapted,
        test_adapted=test_adapted,
        test_conditions={
            name: _scores_of(fitted.model, features(plan.fold.test), material)
            for name, features in material.conditions.items()
        },
        importance=_importance(fitted.model, plan.fold.test, material, config),
    )


def _importance(model: registry.Estimator, rows: Rows, material: TrainingSet, config: Config) -> list[dict[str, Any]]:
    """What a classic model goes by on these held-out clips; empty of a network."""
    if registry.get(config.model).family == "deep":
        return []
    values, labels = material.values[rows], material.labels[rows]
    return importance(model, values, labels, columns=material.columns, seed=config.seed)


def _adapted(model: registry.Estimator, rows: Rows, material: TrainingSet, config: Config) -> Adapted:
    return adapted_scores(model, rows, material, seed=config.seed) if registry.get(config.model).adaptive else {}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model and the seconds that its fit took."""

    model: registry.Estimator
    seconds: float

    @property
    def epochs(self) -> list[int]:
        """For how many epochs each network of a deep model was trained; empty of others."""
        return list(getattr(_classifier(self.model), "n_epochs_", []))

    def history(self, fit: str) -> list[dict[str, Any]]:
        """One row an epoch of a deep model; empty of others."""
        return [{"fit": fit, **row} for row in getattr(_classifier(self.model), "history_", [])]


def _classifier(model: registry.Estimator) -> Any:
    return getattr(model, "named_steps", {}).get("classifier")


def epochs_setting(epochs: Sequence[int]) -> dict[str, Any]:
    """Settings that train for as many epochs as others found best, the middle one of them; none of a classic model."""
    return {"classifier__max_epochs": int(np.median(epochs))} if len(epochs) else {}


def fit(
    rows: Rows,
    material: TrainingSet,
    config: Config,
    *,
    settings: dict[str, Any],
    held_out: Rows | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit the model on these clips and their augmented copies.

    Parameters
    ----------
    held_out
        Rows that a deep model stops early by; a classic one doesn't see them.
    checkpoint
        Where a deep model keeps its state after each epoch, and goes on from.
    """
    taken = material.training(rows, balanced=config.balance == "augment", seed=config.seed)
    weighted = config.balance == "weights"
    spec = registry.get(config.model)
    model = spec.build(seed=config.seed, n_jobs=_N_CORES, class_weight=weighted)
    if spec.family == "deep":
        settings = config.of_networks | settings  # those of this fit come first
    model.set_params(**settings)
    X, y = material.values[taken], material.labels[material.origin[taken]]
    given: dict[str, Any] = {}
    if spec.family == "deep":
        # an epoch shows as many rows as there are clips, whatever copies they have
        n_clips = int((material.copy[taken] == 0).sum())
        given = {
            "classifier__epoch_size": n_clips,
            "classifier__checkpoint": checkpoint,
            "classifier__progress": progress,
        }
        if spec.adaptive:
            given["classifier__extras"] = material.extras(taken)
        if held_out is not None:
            given["classifier__held_out"] = (material.values[held_out], material.labels[held_out])
    elif config.mixup:
        X, y = _with_mixed(X, y, seed=config.seed)
    started = time.perf_counter()
    model.fit(X, y, **given)
    return Fitted(model, time.perf_counter() - started)


def _with_mixed(X: NDArray[np.float32], y: Rows, *, seed: int) -> tuple[NDArray[np.float32], Rows]:
    """Append a mixed row for each row of a training set; networks mix every batch afresh instead."""
    mixed, labels = augment.mixed_rows(X, y, alpha=MIXUP_ALPHA, rng=np.random.default_rng(seed))
    return np.concatenate([X, mixed]), np.concatenate([y, labels])


def scores(model: registry.Estimator, rows: Rows, material: TrainingSet) -> Scores:
    """Probabilities (r, k) of the clips themselves, not of copies; a class that the model never met has 0."""
    return _scores_of(model, material.values[rows], material)


def _scores_of(model: registry.Estimator, values: NDArray[Any], material: TrainingSet) -> Scores:
    result = np.zeros((len(values), len(material.emotions)))
    result[:, model.classes_] = model.predict_proba(values)
    return result


def _over(values: Scores, classes: Rows) -> Scores:
    """Take some columns of probabilities, and make their sum 1 again."""
    chosen = values[:, classes]
    return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))


def _search(
    plan: FoldPlan, material: TrainingSet, config: Config, *, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Search the model's grid on the inner folds; a held-out clip's copies are in no fit that is scored on it."""
    from emotone.models.tune import grid_search

    balanced = config.balance == "augment"
    inner = [
        (material.training(train, balanced=balanced, seed=config.seed), held_out) for train, held_out in plan.inner
    ]
    spec = registry.get(config.model)
    told = [{"classifier__extras": material.extras(train)} for train, _ in inner] if spec.adaptive else None
    return grid_search(
        spec,
        material.values,
        material.labels[material.origin],
        folds=inner,
        seed=config.seed,
        n_jobs=_N_CORES,
        class_weight=config.balance == "weights",
        fit_arguments=told,
        progress=progress,
    )


def best_settings(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Settle what the final model uses: the settings that most folds chose, among equals those of the best mean UAR."""
    if not results[0].search:
        return {}

    def mean_uar(settings: dict[str, Any]) -> float:
        rows = [row for result in results for row in result.search if _same(row, settings)]
        return float(np.mean([row["uar_mean"] for row in rows]))

    chosen = [result.settings for result in results]
    return max(chosen, key=lambda settings: (chosen.count(settings), mean_uar(settings)))


def _same(row: dict[str, Any], settings: dict[str, Any]) -> bool:
    return all(with_tuples(row)[name] == value for name, value in settings.items())
