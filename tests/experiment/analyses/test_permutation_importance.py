"""What a classic model goes by: the group that carries the labels comes out on top, and names fall into groups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from emotone import metrics
from emotone.experiment.analyses.permutation_importance import importance
from emotone.features.columns import FeatureColumn
from emotone.report.figures.permutation_importance import importance_picture, ranked

COLUMNS = tuple(
    FeatureColumn(name, group=group)
    for name, group in [
        ("pitch_q50", "pitch"),
        ("pitch_q95", "pitch"),
        ("mfcc00_mean", "MFCC"),
        ("mfcc01_mean", "MFCC"),
        ("level_mean", "energy"),
    ]
)
PROTOCOL = {"name": "speaker-6fold", "speaker_disjoint": True, "warning": ""}


def clips(*, n=300, carrier="pitch", seed=0):
    """Features of noise in which one group alone tells the label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    values = rng.normal(size=(n, len(COLUMNS))).astype(np.float32)
    for column, feature in enumerate(COLUMNS):
        if feature.name.startswith(carrier):
            values[:, column] += 4 * labels
    return values, labels


@pytest.mark.parametrize(("carrier", "group"), [("pitch", "pitch"), ("mfcc", "MFCC"), ("level", "energy")])
def test_the_group_that_carries_the_labels_is_on_top(carrier, group):
    values, labels = clips(carrier=carrier)
    model = LogisticRegression().fit(values, labels)
    held_out, truth = clips(carrier=carrier, seed=1)
    rows = {row["group"]: row for row in importance(model, held_out, truth, columns=COLUMNS)}
    assert list(rows) == ["pitch", "MFCC", "energy"]
    assert [row["features"] for row in rows.values()] == [2, 2, 1]
    assert rows[group]["uar"] > 0.9
    assert rows[group]["drop"] == pytest.approx(rows[group]["uar"] - 1 / 3, abs=0.12)  # nothing is left but guessing
    assert all(abs(row["drop"]) < 0.03 for name, row in rows.items() if name != group)


def test_the_columns_of_a_group_are_shuffled_together():
    """Two columns that tell the label by their agreement alone: shuffled in one order, they still agree."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], size=200)
    labels = (rng.random(200) < 0.5).astype(np.int64)
    values = np.stack([sign, sign * np.where(labels, 1, -1)], axis=1).astype(np.float32)

    class Agreement:
        classes_ = np.array([0, 1])
        met = []

        def predict_proba(self, X):
            self.met.append(X)
            agree = (X[:, 0] == X[:, 1]).astype(float)
            return np.stack([1 - agree, agree], axis=1)

    model = Agreement()
    (row,) = importance(model, values, labels, columns=COLUMNS[:2], n_repeats=2, most_clips=200)
    assert row["uar"] == 1.0
    pairs = {tuple(pair) for pair in np.concatenate(model.met)}
    assert pairs == {tuple(pair) for pair in values}
    for asked in np.split(model.met[1], 2):
        np.testing.assert_array_equal(np.sort(asked.prod(axis=1)), np.sort(values.prod(axis=1)))
        assert not np.array_equal(asked, values)


def test_the_drop_is_the_mean_over_repeats_and_the_same_each_time():
    values, labels = clips()
    model = LogisticRegression().fit(values, labels)
    first, again = (importance(model, values, labels, columns=COLUMNS, seed=3) for _ in range(2))
    assert first == again != importance(model, values, labels, columns=COLUMNS, seed=4)
    chosen = np.sort(np.random.default_rng(3).choice(300, size=120, replace=False))
    X, truth = values[chosen], labels[chosen]
    uar = metrics.unweighted_average_recall(truth, model.predict(X))
    drops = []
    for repeat in range(2):
        shuffled = X.copy()
        shuffled[:, :2] = X[np.random.default_rng([3, repeat]).permutation(120)][:, :2]
        drops.append(uar - metrics.unweighted_average_recall(truth, model.predict(shuffled)))
    row = first[0]
    assert (row["clips"], row["uar"]) == (120, pytest.approx(uar))
    assert row["drop"] == pytest.approx(np.mean(drops))
    assert (row["drop_low"], row["drop_high"]) == (pytest.approx(min(drops)), pytest.approx(max(drops)))
    np.testing.assert_array_equal(values, clips()[0])  # what is asked about is left as it is


def table():
    drops = {"pitch": (0.1, 0.3), "MFCC": (0.35, 0.25), "energy": (-0.02, 0.01)}
    rows = [
        {"fold": fold, "group": group, "features": 2, "clips": 120, "drop": drop}
        for group, found in drops.items()
        for fold, drop in enumerate(found, start=1)
    ]
    return pd.DataFrame(rows)


def test_groups_are_ranked_by_their_mean_over_folds():
    found = ranked(table())
    assert found["group"].tolist() == ["MFCC", "pitch", "energy"]
    np.testing.assert_allclose(found["mean"], [0.3, 0.2, -0.005])
    np.testing.assert_allclose(found["least"], [0.25, 0.1, -0.02])
    np.testing.assert_allclose(found["most"], [0.35, 0.3, 0.01])


def test_the_picture_has_every_fold_and_the_mean():
    figure = importance_picture(table(), protocol=PROTOCOL)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "MFCC, 2 features",
        "pitch, 2 features",
        "energy, 2 features",
    ]
    lines = [sorted(line.get_xdata()) for line in axes.lines[1:]]
    spans, folds, means = lines[::3], lines[1::3], lines[2::3]
    np.testing.assert_allclose(folds, [[25, 35], [10, 30], [-2, 1]])
    np.testing.assert_allclose(spans, folds)
    np.testing.assert_allclose(np.ravel(means), [30, 20, -0.5])
    assert [note.get_text() for note in axes.texts] == ["30.0", "20.0", "\N{MINUS SIGN}0.5"]
    assert "Most important features: MFCC, 30.0 points" in figure.get_suptitle()


def test_a_model_that_no_group_matters_to_is_not_said_to_go_by_one():
    told = table().assign(drop=-0.01)
    assert "No single group of features" in importance_picture(told, protocol=PROTOCOL).get_suptitle()
