"""Findings on a feature table."""

import sys

import numpy as np
import pytest

from emotone.errors import ConfigError, MissingExtraError
from emotone.explore import feature_analysis
from emotone.explore.feature_analysis import plane, statistics
from support.exploring import table_of

pytestmark = pytest.mark.slow


def test_a_copy_correlates_at_1_and_is_listed_once(known):
    told = feature_analysis.correlations(known, top=45).table.set_index("feature")
    assert told.loc["hidden", "copy"] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(told.to_numpy(), told.to_numpy().T, atol=1e-12)
    assert (np.diag(told) == 1).all() and told.columns.tolist() == told.index.tolist()
    own = np.corrcoef(statistics.centred(known.values, known.speakers)[:, 1:5].T)
    np.testing.assert_allclose(told.loc["visible", ["copy", "noise0", "noise1"]], own[0, 1:], atol=1e-6)
    ranking = feature_analysis.discriminative(known, top=10).table.set_index("feature")
    assert ranking.loc[["hidden", "copy"], "shown"].sum() == 1
    assert ranking["shown"].sum() == 10
    assert len(ranking) == len(known.names)


def test_the_drawn_features_have_intervals_round_their_effect(known):
    told = feature_analysis.discriminative(known, top=5, seed=3).table
    drawn = told[told["shown"]]
    best = drawn.iloc[0]
    assert best["omega2_within_low"] < best["omega2_within"] < best["omega2_within_high"]
    assert told.loc[~told["shown"], "omega2_within_low"].isna().all()


def test_the_picture_shows_the_numbers_of_the_table(known):
    found = feature_analysis.discriminative(known, top=5)
    axes = found.figure.axes[0]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o" and line.get_markersize() > 6]
    np.testing.assert_allclose(dots, found.table.loc[found.table["shown"], "omega2_within"])


def test_distributions_are_the_quantiles_of_the_clips(known):
    told = feature_analysis.distributions(known, top=3).table.set_index(["feature", "emotion", "scale"])
    assert len(told) == 3 * 3 * 2
    raw = known.values[known.emotions == "sad", 1].astype(float)
    assert told.loc[("visible", "sad", "raw"), "p95"] == pytest.approx(np.quantile(raw, 0.95))
    feature = told.index[0][0]
    column = known.names.index(feature)
    away = statistics.centred(known.values[:, [column]], known.speakers)[:, 0] + known.values[:, column].mean(
        dtype=float
    )
    expected = np.median(away[known.emotions == "sad"])
    assert told.loc[(feature, "sad", "within speaker"), "median"] == pytest.approx(expected, abs=1e-4)


def test_equal_seeds_give_equal_findings(known):
    first, second = (feature_analysis.all_findings(known, seed=4, with_umap=False) for _ in range(2))
    assert [one.name for one in first] == [
        "discriminative-features", "feature-distributions", "feature-correlations", "projection-pca",
    ]  # fmt: skip
    for one, other in zip(first, second, strict=True):
        assert one.text == other.text
        assert one.table.equals(other.table)


def test_findings_tell_how_far_they_are(known):
    steps = []
    feature_analysis.all_findings(known, seed=0, with_umap=False, progress=lambda *step: steps.append(step[:2]))
    assert steps == [(done, 4) for done in range(5)]


@pytest.mark.parametrize("shape", [(3, 1), (6, 2), (12, 300)])
def test_small_tables_are_no_trouble(shape):
    rng = np.random.default_rng(0)
    labels = np.resize(["happy", "sad"], shape[0])
    found = feature_analysis.all_findings(
        table_of(rng.standard_normal(shape), emotions=labels, speakers=["a"] * shape[0]), seed=0, with_umap=False
    )
    assert len(found[0].table) == shape[1]
    assert len(found[-1].table) == shape[0]
    assert np.isfinite(found[-1].table[["x", "y"]].to_numpy()).all()


def test_umap_without_its_library_names_the_extra(known, monkeypatch):
    monkeypatch.setattr(plane, "has_umap", lambda: False)
    with pytest.raises(MissingExtraError, match="UMAP needs the extra 'explore', which is not installed: "):
        feature_analysis.projection(known, method="umap")
    with pytest.raises(ConfigError, match="'tsne'.*'pca' or 'umap'"):
        feature_analysis.projection(known, method="tsne")
    assert [one.name for one in feature_analysis.all_findings(known, seed=0)][-1] == "projection-pca"


def test_umap_starts_from_the_components_with_the_seed(known, monkeypatch):
    class Umap:
        def __init__(self, **settings):
            self.settings = settings

        def fit_transform(self, components):
            assert self.settings["random_state"] == 7 and components.shape == (len(known.values), len(known.names))
            return components[:, 2:4]

    monkeypatch.setitem(sys.modules, "umap", type("module", (), {"UMAP": Umap}))
    monkeypatch.setattr(plane, "has_umap", lambda: True)
    found = feature_analysis.projection(known, method="umap", seed=7)
    components = plane.project(known.values, method="pca", seed=0).components
    np.testing.assert_allclose(found.table[["x", "y"]], components[:, 2:4])
    assert found.figure.axes[0].get_xlabel() == "UMAP 1 (no unit)"
