"""All clips on a plane."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from emotone.explore.feature_analysis import plane, statistics
from support.exploring import EMOTIONS


def test_principal_components_are_those_of_the_singular_values():
    values = np.random.default_rng(0).standard_normal((60, 8)) @ np.random.default_rng(1).standard_normal((8, 90))
    for one in (values, values.T[:, :20]):  # more columns than rows, and fewer
        found = plane.project(one.astype(np.float32), method="pca", seed=0)
        left, roots, _ = np.linalg.svd(statistics.standardised(one.astype(np.float32)), full_matrices=False)
        np.testing.assert_allclose(np.abs(found.points), np.abs(left[:, :2] * roots[:2]), atol=1e-8)
        np.testing.assert_allclose(found.shares, roots[:2] ** 2 / (roots**2).sum())


def test_purity_equals_that_of_another_implementation():
    rng = np.random.default_rng(0)
    points, labels = rng.standard_normal((700, 3)), rng.choice(EMOTIONS, 700)
    points[labels == "sad"] += 1
    nearest = NearestNeighbors(n_neighbors=plane.NEIGHBOURS).fit(points).kneighbors(return_distance=False)
    expected = (labels[nearest] == labels[:, None]).mean()
    assert plane.purity(points, labels) == pytest.approx(expected)


def test_purity_does_not_ask_the_own_speaker():
    # two speakers far apart, who mean opposite things by the same place
    points = np.concatenate([np.zeros((20, 2)), np.ones((20, 2))]) + 1e-3 * np.arange(40)[:, None]
    speakers = np.repeat(["a", "b"], 20)
    labels = np.where(speakers == "a", "happy", "sad")
    assert plane.purity(points, labels) == 1
    assert plane.purity(points, labels, apart=speakers) == 0
    assert plane.chance_purity(labels, apart=speakers) == 0
    assert plane.chance_purity(labels) == pytest.approx(19 / 39)
