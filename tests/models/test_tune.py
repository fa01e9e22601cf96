"""Grid search over settings of classic models and networks."""

from dataclasses import replace

import numpy as np
import pytest

from emotone import metrics
from emotone.errors import ConfigError, ProtocolError
from emotone.metrics import unweighted_average_recall
from emotone.models import registry
from emotone.models.tune import grid_search
from emotone.parallel import LocalPool
from support.blobs import blobs
from support.toy_frames import QUICK, toy


def folds_of(n_clips, *, n_folds=3):
    rows = np.arange(n_clips)
    return [(rows[rows // 8 % n_folds != fold], rows[rows // 8 % n_folds == fold]) for fold in range(n_folds)]


def test_search_finds_the_best_setting_and_tells_every_score():
    X, y = blobs(240)
    spec = replace(registry.get("logistic-regression"), grid={"classifier__C": (1e-6, 1e-2)})
    heard = []
    best, table = grid_search(
        spec, X, y, folds=folds_of(240), seed=0, progress=lambda done, total, what: heard.append((done, total, what))
    )
    assert best == {"classifier__C": 1e-2}
    assert [row["classifier__C"] for row in table] == [1e-6, 1e-2]
    assert heard == [(done, 6, "tuning logistic-regression") for done in range(1, 7)]
    for row in table:
        model = spec.build(seed=0, n_jobs=1, class_weight=True).set_params(classifier__C=row["classifier__C"])
        scores = [
            unweighted_average_recall(
                y[held_out], model.fit(X[train], y[train]).predict_proba(X[held_out]).argmax(axis=1)
            )
            for train, held_out in folds_of(240)
        ]
        np.testing.assert_allclose([row["uar_1"], row["uar_2"], row["uar_3"]], scores)
        assert row["uar_mean"] == pytest.approx(np.mean(scores)) and row["uar_std"] == pytest.approx(np.std(scores))


@pytest.mark.slow
def test_search_on_two_processes_gives_the_same_table():
    X, y = blobs(160)
    tables = [
        grid_search(registry.get("linear-svm"), X, y, folds=folds_of(160, n_folds=2), pool=LocalPool(workers))[1]
        for workers in (1, 2)
    ]
    first, second = ([{key: value for key, value in row.items() if key != "fit_s"} for row in t] for t in tables)
    assert first == second


def test_search_refuses_leaking_or_missing_folds_and_an_empty_grid():
    X, y = blobs(80)
    spec = registry.get("linear-svm")
    rows = np.arange(80)
    with pytest.raises(ProtocolError, match="1 of them in both"):
        grid_search(spec, X, y, folds=[(rows[:41], rows[40:])])
    with pytest.raises(ProtocolError, match="found none"):
        grid_search(spec, X, y, folds=[])
    with pytest.raises(ConfigError, match="no settings to search"):
        grid_search(replace(spec, grid={}), X, y, folds=folds_of(80))


def test_search_over_a_networks_settings_tells_every_score():
    X, y = toy(36)
    spec = registry.get("cnn1d")
    rates = (1e-6, 5e-3)

    def build(*, seed, n_jobs, class_weight):
        return spec.build(seed=seed, n_jobs=n_jobs, class_weight=class_weight).set_params(
            **{f"classifier__{name}": value for name, value in QUICK.items()}, classifier__averaging=0.5
        )

    rows = np.arange(36)
    folds = [(rows[rows // 3 % 2 != fold], rows[rows // 3 % 2 == fold]) for fold in (0, 1)]
    quick = replace(spec, build=build, grid={"classifier__learning_rate": rates})
    best, table = grid_search(quick, X, y, folds=folds, seed=1)
    assert best == {"classifier__learning_rate": 5e-3}
    assert [row["classifier__learning_rate"] for row in table] == list(rates)
    train, held_out = folds[1]
    model = build(seed=1, n_jobs=1, class_weight=True).set_params(classifier__learning_rate=5e-3)
    predicted = model.fit(X[train], y[train]).predict(X[held_out])
    assert table[1]["uar_2"] == pytest.approx(metrics.unweighted_average_recall(y[held_out], predicted))
    assert table[1]["uar_mean"] > table[0]["uar_mean"]
