"""One fold of an experiment: choose settings, predict held-out clips, predict the test, and keep the answer on disk.

No model of a fold is fitted on a row that was made from one of the clips that it is asked about.
"""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import __version__, metrics, splits
from emotone.experiment import files
from emotone.experiment.config import Config
from emotone.experiment.material import Material, Rows
from emotone.experiment.steps import part
from emotone.models import registry
from emotone.progress import Progress

Scores = NDArray[np.float64]

#: Folds within a training part, for validation and for the search of settings.
N_INNER_FOLDS = 4
_N_CORES = os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class Plan:
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
    fold: splits.Fold
    inner: tuple[tuple[Rows, Rows], ...]
    validated: tuple[Rows, Rows] | None
    speaker_disjoint: bool

    def training_sets(self) -> list[Rows]:
        """Every set of clips that a model of this fold is fitted on."""
        pairs = self.inner if self.validated is None else (*self.inner, self.validated)
        return [self.fold.train, *(train for train, _ in pairs)]


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

    def calibrated(self, scores: Scores) -> Scores:
        """Apply the temperature to the classes that the model knows: (n, k) -> (n, k)."""
        result = np.zeros_like(scores)
        result[:, self.classes] = metrics.apply_temperature(scores[:, self.classes], self.temperature)
        return result

    def save(self, path: Path) -> None:
        """Write it, atomically."""
        names = ("test_rows", "test_scores", "validation_rows", "validation_scores", "classes")
        told = {"temperature": self.temperature, "settings": self.settings, "search": self.search, "fit_s": self.fit_s}
        arrays = {name: np.asarray(getattr(self, name)) for name in names}
        files.write_arrays(path, {**arrays, "told": np.asarray(json.dumps(told))})

    @classmethod
    def load(cls, path: Path) -> "FoldResult | None":
        """Read what `save` wrote; None where there is nothing, or nothing of use."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                told = json.loads(str(arrays["told"]))
                found = {name: arrays[name] for name in arrays.files if name != "told"}
            told["settings"] = _with_tuples(told["settings"])
            return cls(**found, **told)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None  # it is computed again, and nothing is lost but time


def plan(protocol: splits.Protocol, material: Material, config: Config) -> list[Plan]:
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
        plans.append(Plan(number, fold, inner, validated, disjoint))
    return plans


def _next_test(protocol: splits.Protocol, number: int, *, labels: Rows) -> tuple[Rows, Rows] | None:
    """What fold ``number`` learns from and holds out if the next fold's test is held out of its training rows.

    None where that test is not among the training rows, or an emotion would have no clip left to learn from.
    """
    train = protocol.folds[number - 1].train
    held_out = protocol.folds[number % len(protocol.folds)].test
    rest = np.setdiff1d(train, held_out)
    if not np.isin(held_out, train).all() or set(labels[rest]) != set(labels[train]):
        return None
    return rest, held_out


def _inner(material: Material, rows: Rows, *, disjoint: bool, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    folds = splits.inner_folds(material.corpus, rows, n_folds=N_INNER_FOLDS, speaker_disjoint=disjoint, seed=seed)
    return tuple(folds)


def validation_words(plans: Sequence[Plan]) -> str:
    """Say how the validation predictions of these folds come about."""
    if any(plan.fold.dev.size for plan in plans):
        return "development clips, predicted by a model of the training clips"
    shared = [str(plan.number) for plan in plans if not plan.speaker_disjoint]
    how = "clips of each training part that a model of its other clips predicts"
    if not shared:
        return f"{how}; no voice is both learnt from and held out"
    where = "" if len(shared) == len(plans) else f" in fold {', '.join(shared)}"
    return f"{how}; speakers are NOT kept apart{where}"


def fingerprint(plan: Plan, material: Material, config: Config, *, extractor_digest: str) -> str:
    """Digest everything that decides what a fold finds, so that a result on disk is used for no other fold."""
    spec = registry.get(config.model)
    described = {
        "version": __version__,
        "model": [spec.name, {name: list(values) for name, values in spec.grid.items()}],
        "settings": [config.balance, config.tune, config.seed, config.copies],
        "transforms": [transform.spec for transform in config.transforms],
        "extractor": extractor_digest,
        "recordings": list(material.digests),
        "table": material.corpus.table[["emotion", "speaker", "gender", "corpus"]].to_numpy().tolist(),
        "fold": [rows.tolist() for rows in (plan.fold.train, plan.fold.dev, plan.fold.test)],
        "inner": [[train.tolist(), held_out.tolist()] for train, held_out in plan.inner],
        "validated": [rows.tolist() for rows in plan.validated or ()],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()


def run_fold(plan: Plan, material: Material, config: Config, *, progress: Progress | None = None) -> FoldResult:
    """Choose settings, predict the validation clips, fit on the training part, and predict the test.

    Every step sees rows of ``plan.fold.train`` alone, except the two predictions themselves.
    """
    what = f"fold {plan.number}"
    settings: dict[str, Any] = {}
    search: list[dict[str, Any]] = []
    if config.tune:
        settings, search = _search(plan, material, config, progress=part(progress, 0, 0.8))
    n_fits = 2
    stage = part(progress, 0.8 if config.tune else 0, 1)
    model, fit_s = fit(plan.fold.train, material, config, settings=settings)
    test_scores = scores(model, plan.fold.test, material)
    stage(1, n_fits, what)
    if plan.validated is None:
        rows, held_out_scores = plan.fold.dev, scores(model, plan.fold.dev, material)
    else:
        train, rows = plan.validated
        held_out_scores = scores(fit(train, material, config, settings=settings)[0], rows, material)
    stage(2, n_fits, what)
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
        fit_s=fit_s,
    )


def fit(
    rows: Rows, material: Material, config: Config, *, settings: dict[str, Any]
) -> tuple[registry.Estimator, float]:
    """Fit the model on these clips and their augmented copies; returns it, and the seconds that it took."""
    taken = material.training(rows, balanced=config.balance == "augment", seed=config.seed)
    weighted = config.balance == "weights"
    model = registry.get(config.model).build(seed=config.seed, n_jobs=_N_CORES, class_weight=weighted)
    model.set_params(**settings)
    started = time.perf_counter()
    model.fit(material.values[taken], material.labels[material.origin[taken]])
    return model, time.perf_counter() - started


def scores(model: registry.Estimator, rows: Rows, material: Material) -> Scores:
    """Probabilities (r, k) of the clips themselves; a class that the model never met has 0."""
    result = np.zeros((rows.size, len(material.emotions)))
    result[:, model.classes_] = model.predict_proba(material.values[rows])
    return result


def _over(values: Scores, classes: Rows) -> Scores:
    """Take some columns of probabilities, and make their sum 1 again."""
    chosen = values[:, classes]
    return np.asarray(chosen / chosen.sum(axis=1, keepdims=True))


def _search(
    plan: Plan, material: Material, config: Config, *, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Search the model's grid on the inner folds; a held-out clip's copies are in no fit that is scored on it."""
    from emotone.models.tune import grid_search

    balanced = config.balance == "augment"
    inner = [
        (material.training(train, balanced=balanced, seed=config.seed), held_out) for train, held_out in plan.inner
    ]
    return grid_search(
        registry.get(config.model),
        material.values,
        material.labels[material.origin],
        folds=inner,
        seed=config.seed,
        n_jobs=_N_CORES,
        class_weight=config.balance == "weights",
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
    return all(_with_tuples(row)[name] == value for name, value in settings.items())


def _with_tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """Undo what JSON does to tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
