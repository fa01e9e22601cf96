"""Grid search over a model's settings, on folds of the training clips alone."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from emotone.errors import ConfigError, ProtocolError
from emotone.metrics import unweighted_average_recall
from emotone.models.registry import ModelSpec
from emotone.progress import Progress

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


def grid_search(
    spec: ModelSpec,
    X: np.ndarray,
    y: np.ndarray,
    *,
    folds: Folds,
    seed: int = 0,
    n_jobs: int = 1,
    class_weight: bool = True,
    fit_arguments: Sequence[Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Find the settings with the highest mean unweighted average recall (UAR) over the folds.

    Every fit has a single thread, so the result does not depend on ``n_jobs``.

    Parameters
    ----------
    X, y, folds
        Features (n, d) float32 and labels (n,) int of the training clips; row numbers (train, held out) of each fold.
    seed, class_weight
        Of every fit, see `emotone.models.registry.ModelSpec`.
    fit_arguments
        Further keyword arguments of ``fit``, for each fold.

    Returns
    -------
    Settings for ``set_params``, the first of equals in the grid; and a row per setting, in the grid's order: settings,
    ``uar_mean``, ``uar_std``, ``uar_1`` ... and ``fit_s``, the mean time of a fit in seconds.

    Raises
    ------
    ConfigError, ProtocolError
        The model has no grid; there are no folds, or a fold trains on held-out clips.
    """
    _check(spec, folds)
    settings = [dict(zip(spec.grid, values, strict=True)) for values in product(*spec.grid.values())]
    score = delayed(partial(_score, spec, X, y, seed=seed, class_weight=class_weight))
    arguments = fit_arguments or [{}] * len(folds)
    tasks = list(product(enumerate(settings), range(len(folds))))
    results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        score(folds[fold], setting, arguments[fold], place=(row, fold)) for (row, setting), fold in tasks
    )
    uar, fit_s = np.full((2, len(settings), len(folds)), np.nan)
    for done, (place, value, seconds) in enumerate(results, start=1):
        uar[place], fit_s[place] = value, seconds
        if progress is not None:
            progress(done, len(tasks), f"tuning {spec.name}")
    table = [_row(setting, uar=uar[i], fit_s=fit_s[i]) for i, setting in enumerate(settings)]
    return settings[int(uar.mean(axis=1).argmax())], table


def _check(spec: ModelSpec, folds: Folds) -> None:
    if not spec.grid:
        raise ConfigError(f"the model {spec.name!r} has no settings to search: leave --tune out")
    if not folds:
        raise ProtocolError("a search needs at least one fold, found none; make folds with protocols.inner_folds")
    for number, (train, held_out) in enumerate(folds, start=1):
        shared = np.intersect1d(train, held_out).size
        if shared or not len(train) or not len(held_out):
            raise ProtocolError(
                f"fold {number} of the search has {len(train)} training and {len(held_out)} held-out rows, {shared} "
                "of them in both; expected some of each, and none in both"
            )


def _score(
    spec: ModelSpec,
    X: np.ndarray,
    y: np.ndarray,
    fold: tuple[np.ndarray, np.ndarray],
    settings: Mapping[str, Any],
    fit_arguments: Mapping[str, Any],
    *,
    place: tuple[int, int],
    seed: int,
    class_weight: bool,
) -> tuple[tuple[int, int], float, float]:
    """Fit a setting on a fold; return its place in the table, the UAR of the held-out rows, the seconds of the fit."""
    train, held_out = fold
    model = spec.build(seed=seed, n_jobs=1, class_weight=class_weight).set_params(**settings)
    started = time.perf_counter()
    model.fit(X[train], y[train], **fit_arguments)
    seconds = time.perf_counter() - started
    predicted = model.classes_[model.predict_proba(X[held_out]).argmax(axis=1)]
    return place, float(unweighted_average_recall(y[held_out], predicted)), seconds


def _row(settings: Mapping[str, Any], *, uar: np.ndarray, fit_s: np.ndarray) -> dict[str, Any]:
    by_fold = {f"uar_{number}": float(value) for number, value in enumerate(uar, start=1)}
    summary = {"uar_mean": float(uar.mean()), "uar_std": float(uar.std()), **by_fold, "fit_s": float(fit_s.mean())}
    return {**settings, **summary}
