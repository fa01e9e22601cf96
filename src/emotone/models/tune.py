"""Grid search over a model's settings, on folds of the training clips alone."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from emotone.errors import ConfigError, ProtocolError
from emotone.metrics import unweighted_average_recall
from emotone.models.registry import ModelSpec
from emotone.parallel import LocalPool, Pool, limited
from emotone.progress import Progress

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
#: Number of a setting in the grid, and of a fold, from 0.
Place = tuple[int, int]
#: UAR of the held-out rows, and seconds of the fit.
Score = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Search:
    """A search over a model's settings: one fit for each setting and fold, in any order.

    Attributes
    ----------
    spec
        The model.
    X, y, folds
        Features (n, d) float32 and labels (n,) int of the training clips; row numbers (train, held out) of each fold.
    seed, class_weight
        Of every fit, see `emotone.models.registry.ModelSpec`.
    fit_arguments
        Further keyword arguments of ``fit``, for each fold.

    Raises
    ------
    ConfigError, ProtocolError
        The model has no grid; there are no folds, or a fold trains on held-out clips.
    """

    spec: ModelSpec
    X: np.ndarray
    y: np.ndarray
    folds: Folds
    seed: int = 0
    class_weight: bool = True
    fit_arguments: Sequence[Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        _check(self.spec, self.folds)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the grid."""
        grid = self.spec.grid
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]

    @property
    def places(self) -> list[Place]:
        """Every fit of the search."""
        return list(product(range(len(self.settings)), range(len(self.folds))))

    def score(self, place: Place) -> Score:
        """Fit a setting on a fold, on one thread."""
        settings, (train, held_out) = self.settings[place[0]], self.folds[place[1]]
        arguments = self.fit_arguments[place[1]] if self.fit_arguments else {}
        model = self.spec.build(seed=self.seed, n_jobs=1, class_weight=self.class_weight).set_params(**settings)
        started = time.perf_counter()
        with limited(1):
            model.fit(self.X[train], self.y[train], **arguments)
            seconds = time.perf_counter() - started
            predicted = model.classes_[model.predict_proba(self.X[held_out]).argmax(axis=1)]
        return float(unweighted_average_recall(self.y[held_out], predicted)), seconds

    def result(self, scores: Iterable[tuple[Place, Score]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Choose the best setting from the score of every place; see `grid_search`."""
        uar, fit_s = np.full((2, len(self.settings), len(self.folds)), np.nan)
        for place, (value, seconds) in scores:
            uar[place], fit_s[place] = value, seconds
        table = [_row(setting, uar=uar[i], fit_s=fit_s[i]) for i, setting in enumerate(self.settings)]
        return self.settings[int(uar.mean(axis=1).argmax())], table


def grid_search(
    spec: ModelSpec,
    X: np.ndarray,
    y: np.ndarray,
    *,
    folds: Folds,
    seed: int = 0,
    class_weight: bool = True,
    fit_arguments: Sequence[Mapping[str, Any]] | None = None,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Find the settings with the highest mean unweighted average recall (UAR) over the folds.

    Every fit has a single thread, so the result does not depend on the pool.

    Parameters
    ----------
    spec, X, y, folds, seed, class_weight, fit_arguments
        See `Search`.
    pool
        Where the fits run; this process if not given.

    Returns
    -------
    Settings for ``set_params``, the first of equals in the grid; and a row per setting, in the grid's order: settings,
    ``uar_mean``, ``uar_std``, ``uar_1`` ... and ``fit_s``, the mean time of a fit in seconds.

    Raises
    ------
    ConfigError, ProtocolError
        The model has no grid; there are no folds, or a fold trains on held-out clips.
    """
    search = Search(spec, X, y, folds, seed=seed, class_weight=class_weight, fit_arguments=fit_arguments)
    places, pool = search.places, pool or LocalPool(1)
    scores = []
    with closing(pool.map(search.score, places, share=pool.share(len(places)))) as results:
        for done, (number, score) in enumerate(results, start=1):
            scores.append((places[number], score))
            if progress is not None:
                progress(done, len(places), f"tuning {spec.name}")
    return search.result(scores)


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


def _row(settings: Mapping[str, Any], *, uar: np.ndarray, fit_s: np.ndarray) -> dict[str, Any]:
    by_fold = {f"uar_{number}": float(value) for number, value in enumerate(uar, start=1)}
    summary = {"uar_mean": float(uar.mean()), "uar_std": float(uar.std()), **by_fold, "fit_s": float(fit_s.mean())}
    return {**settings, **summary}
