"""Discriminant axes and probabilities from margins."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotone.errors import CorpusError
from emotone.models import registry
from emotone.models.classic.estimators import DiscriminantAxes, MarginProbability, pair_signs
from emotone.models.classic.kernel import KernelMachine
from support.blobs import blobs


def test_discriminant_axes_span_what_sklearns_do():
    rng = np.random.default_rng(4)
    y = np.repeat(np.arange(4), 25)  # as many of each: then both weigh the classes alike
    X = (rng.standard_normal((100, 150)) * rng.uniform(0.1, 50, 150) + 3 * rng.standard_normal((4, 150))[y]).astype("f")
    axes = DiscriminantAxes(shrinkage=0.3).fit(X, y)
    standard = (X - X.mean(0, dtype=float)) / X.std(0, dtype=float)
    theirs = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3).fit(standard, y).transform(standard)
    ours = axes.transform(X)
    assert ours.dtype == np.float32 and ours.shape == (100, 3)
    # the same axes up to sign and length
    for mine, other in zip(ours.T, theirs.T, strict=True):
        assert abs(np.corrcoef(mine, other)[0, 1]) == pytest.approx(1, abs=1e-4)


def test_discriminant_axes_survive_a_constant_column_and_refuse_one_class():
    X, y = np.ones((20, 3), dtype=np.float32), np.repeat([0, 1], 10)
    X[:, 1] = y
    projected = DiscriminantAxes().fit_transform(X, y)
    assert projected[:10].max() < projected[10:].min() or projected[:10].min() > projected[10:].max()
    with pytest.raises(CorpusError, match="one emotion"):
        DiscriminantAxes().fit(X, np.zeros(20))


def test_pair_signs_put_support_vector_machines_in_order():
    X, y = blobs(n_classes=4, spread=2.0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = MarginProbability(KernelMachine(), seed=0).fit(X, y)
    votes = model.estimator_.predict(X)
    assert np.mean(model.predict(X) == votes) > 0.98  # the product of experts, against libsvm's voting
    assert pair_signs(4).sum() == 0 and pair_signs(4).shape == (6, 4)


def test_a_class_of_one_clip_is_refused_by_number():
    X, y = blobs(41, n_classes=4)
    y[40] = 4
    with pytest.raises(CorpusError, match=r"\[10, 10, 10, 10, 1\]"):
        registry.get("svm").build(seed=0, n_jobs=1, class_weight=True).fit(X, y)
    with pytest.raises(CorpusError, match="one emotion"):
        registry.get("xgboost").build(seed=0, n_jobs=1, class_weight=True).fit(X, np.zeros(41, int))
