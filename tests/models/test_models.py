"""Models by name: probabilities, seeds, class balance, the search, and graphs that give scikit-learn's answers."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from emotone.errors import ConfigError, CorpusError, ExportError, ProtocolError
from emotone.export.pipelines import to_onnx
from emotone.export.trees import _floor_float32
from emotone.metrics import unweighted_average_recall
from emotone.models import registry
from emotone.models.classic.estimators import DiscriminantAxes, MarginProbability, pair_signs
from emotone.models.classic.kernel import KernelMachine
from emotone.models.tune import grid_search

pytestmark = pytest.mark.filterwarnings("error")
N_FEATURES = 60
TREES = ("random-forest", "extra-trees", "xgboost")
SMALL = {  # fewer trees and a smaller net where the number doesn't matter
    "random-forest": {"classifier__n_estimators": 40},
    "extra-trees": {"classifier__n_estimators": 40},
    "xgboost": {"classifier__estimator__n_estimators": 30},
    "mlp": {"classifier__estimator__hidden_layer_sizes": (32, 16)},
    "ensemble": {
        "classifier__extra-trees__classifier__n_estimators": 40,
    },
}


def blobs(n_clips=400, *, n_classes=8, seed=0, spread=4.0):
    """Overlapping Gaussian classes in features of very unlike means and scales, as acoustic features are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((n_classes, N_FEATURES))
    y = np.arange(n_clips) % n_classes
    X = centres[y] + spread * rng.standard_normal((n_clips, N_FEATURES))
    columns = np.random.default_rng(98)
    return (X * 10 ** columns.uniform(-3, 3, N_FEATURES) + columns.uniform(-5e3, 5e3, N_FEATURES)).astype(np.float32), y


def small(name, *, seed=0, class_weight=True):
    return registry.get(name).build(seed=seed, n_jobs=1, class_weight=class_weight).set_params(**SMALL.get(name, {}))


def run(pipeline, X):
    session = onnxruntime.InferenceSession(
        to_onnx(pipeline, X.shape[1]).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (output,) = session.run(None, {"features": X})
    return output


#: Deep models learn from frames: test_neural.py.
CLASSIC = [name for name, spec in registry.MODELS.items() if spec.family == "classic"]


@pytest.fixture(scope="module", params=CLASSIC)
def fitted(request):
    """Every model at its defaults, fitted on 8 classes."""
    X, y = blobs()
    return request.param, registry.get(request.param).build(seed=0, n_jobs=1, class_weight=True).fit(X, y)


def test_graph_gives_the_same_probabilities(fitted):
    _, pipeline = fitted
    for X in (blobs()[0], blobs(seed=1)[0], blobs(1, seed=2)[0]):
        np.testing.assert_allclose(run(pipeline, X), pipeline.predict_proba(X), atol=1e-5)


def test_graph_has_one_input_one_output_and_standard_operators(fitted):
    _, pipeline = fitted
    model = to_onnx(pipeline, N_FEATURES)
    assert [value.name for value in model.graph.input] == ["features"]
    assert [value.name for value in model.graph.output] == ["probabilities"]
    shape = model.graph.output[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value) == ("N", 8)
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {("", 18), ("ai.onnx.ml", 3)}


def test_model_learns_and_its_probabilities_are_probabilities(fitted):
    _, pipeline = fitted
    X, y = blobs(800, seed=1)
    scores = pipeline.predict_proba(X)
    np.testing.assert_array_equal(pipeline.classes_, np.arange(8))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)
    assert scores.min() >= 0.0
    assert unweighted_average_recall(y, scores.argmax(axis=1)) > 0.2  # chance is 0.125
    brier = np.mean(np.sum((scores - np.eye(8)[y]) ** 2, axis=1))
    assert brier < 7 / 8  # what equal probabilities score


def test_steps_are_named_as_the_others_expect(fitted):
    name, pipeline = fitted
    names = [step for step, _ in pipeline.steps]
    assert names[-1] == "classifier"
    assert (names[0] == "scaler") == (name not in (*TREES, "ensemble"))


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("labels", [(0, 1), (2, 5, 7)], ids=["two", "three"])
def test_few_classes_with_gaps_between_their_numbers(name, labels):
    X, y = blobs(150, n_classes=len(labels))
    pipeline = small(name).fit(X, np.asarray(labels)[y])
    np.testing.assert_array_equal(pipeline.classes_, labels)
    fresh = blobs(150, n_classes=len(labels), seed=1)[0]
    assert pipeline.predict_proba(fresh).shape == (150, len(labels))
    np.testing.assert_allclose(run(pipeline, fresh), pipeline.predict_proba(fresh), atol=1e-4)


@pytest.mark.parametrize("name", CLASSIC)
def test_the_same_seed_gives_the_same_model(name):
    X, y = blobs(200, n_classes=4)
    first, again = (small(name, seed=3).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["mlp", *TREES])
def test_another_seed_gives_another_model(name):
    X, y = blobs(200, n_classes=4)
    fresh = blobs(50, n_classes=4, seed=1)[0]
    first, other = (small(name, seed=seed).fit(X, y).predict_proba(fresh) for seed in (3, 4))
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("name", [name for name in CLASSIC if name not in ("knn", "ensemble")])
def test_class_weight_gives_the_rare_class_its_share(name):
    X, y = blobs(600, n_classes=2, spread=8.0)
    kept = (y == 0) | (np.arange(y.size) % 10 == 1)  # one clip of class 1 to five of class 0
    fresh = blobs(600, n_classes=2, spread=8.0, seed=1)[0]
    # a machine of large C separates the training clips, whatever they weigh
    soft = {"classifier__estimator__C": 0.1} if name == "svm" else {}
    share = {
        balanced: small(name, class_weight=balanced)
        .set_params(**soft)
        .fit(X[kept], y[kept])
        .predict_proba(fresh)[:, 1]
        .mean()
        for balanced in (True, False)
    }
    assert share[True] > share[False] + 0.005


@pytest.mark.parametrize("name", TREES)
def test_tree_graphs_send_ties_the_same_way(name):
    X, y = blobs(300, n_classes=4)
    steps = np.round((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)  # few values: many equal a threshold
    pipeline = small(name).fit(steps, y)
    np.testing.assert_allclose(run(pipeline, steps), pipeline.predict_proba(steps), atol=1e-6)


def test_rounding_a_threshold_down_changes_no_comparison():
    rng = np.random.default_rng(0)
    thresholds = rng.standard_normal(2000) * 10.0 ** rng.integers(-6, 6, 2000)
    for towards in (-np.inf, np.inf):
        values = np.nextafter(thresholds.astype(np.float32), np.float32(towards))
        for x in (values, thresholds.astype(np.float32)):
            np.testing.assert_array_equal(x.astype(float) <= thresholds, x <= _floor_float32(thresholds))


def test_forest_graph_leaves_the_zeros_of_its_leaves_out():
    X, y = blobs()
    pipeline = small("extra-trees").fit(X, y)
    nodes = to_onnx(pipeline, N_FEATURES).graph.node
    (node,) = (node for node in nodes if node.op_type == "TreeEnsembleRegressor")
    attributes = {attribute.name: attribute for attribute in node.attribute}
    leaves = sum(tree.get_n_leaves() for tree in pipeline["classifier"].estimators_)
    # a leaf of ten clips holds some classes of the eight, rarely all
    assert leaves <= len(attributes["target_weights"].floats) < 6 * leaves
    assert 0.0 not in attributes["target_weights"].floats


def test_pair_signs_put_support_vector_machines_in_order():
    X, y = blobs(n_classes=4, spread=2.0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = MarginProbability(KernelMachine(), seed=0).fit(X, y)
    votes = model.estimator_.predict(X)
    assert np.mean(model.predict(X) == votes) > 0.98  # the product of experts, against libsvm's voting
    assert pair_signs(4).sum() == 0 and pair_signs(4).shape == (6, 4)


@pytest.mark.parametrize("name", ["svm", "linear-svm"])
def test_support_vector_machines_are_as_sure_as_they_are_right(name):
    X, y = blobs(800)
    fresh, truth = blobs(1600, seed=1)
    scores = small(name).fit(X, y).predict_proba(fresh)
    assert scores.max(axis=1).mean() == pytest.approx(np.mean(scores.argmax(axis=1) == truth), abs=0.05)


def test_a_class_of_one_clip_is_refused_by_number():
    X, y = blobs(41, n_classes=4)
    y[40] = 4
    with pytest.raises(CorpusError, match=r"\[10, 10, 10, 10, 1\]"):
        small("svm").fit(X, y)
    with pytest.raises(CorpusError, match="one emotion"):
        small("xgboost").fit(X, np.zeros(41, int))


def test_what_has_no_graph_is_refused():
    X, y = blobs(80, n_classes=2)
    with pytest.raises(ExportError, match="GaussianNB has no graph"):
        to_onnx(Pipeline([("classifier", GaussianNB())]).fit(X, y), N_FEATURES)
    with pytest.raises(ExportError, match="60 features, not on 12"):
        to_onnx(small("logistic-regression").fit(X, y), 12)


def test_ensemble_is_the_weighted_mean_of_its_members_and_skips_weight_zero():
    X, y = blobs(200, n_classes=4)
    weights = (2.0, 1.0, 0.0)
    pipeline = small("ensemble").set_params(classifier__weights=weights).fit(X, y)
    members = [member.predict_proba(X) for member in pipeline["classifier"].estimators_]
    np.testing.assert_allclose(run(pipeline, X), np.average(members, axis=0, weights=weights), atol=1e-5)
    operators = {node.op_type for node in to_onnx(pipeline, N_FEATURES).graph.node}
    assert "TreeEnsembleRegressor" not in operators  # no trees


@pytest.mark.parametrize("name", registry.MODELS)
def test_grid_has_four_to_nine_points_that_the_model_accepts(name):
    spec = registry.get(name)
    assert 4 <= np.prod([len(values) for values in spec.grid.values()]) <= 9
    pipeline = spec.build(seed=0, n_jobs=1, class_weight=True)
    for setting, values in spec.grid.items():
        for value in values:
            assert pipeline.set_params(**{setting: value}).get_params()[setting] == value


def test_unknown_model_lists_the_known():
    with pytest.raises(ConfigError, match=r"'svn'; known: svm, linear-svm, .*ensemble"):
        registry.get("svn")


def test_names_are_known_without_importing_the_libraries():
    code = "import sys; from emotone.models import registry; print({'sklearn', 'torch', 'xgboost'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


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


def test_search_on_two_processes_gives_the_same_table():
    X, y = blobs(160)
    tables = [
        grid_search(registry.get("linear-svm"), X, y, folds=folds_of(160, n_folds=2), n_jobs=n_jobs)[1]
        for n_jobs in (1, 2)
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


@pytest.mark.parametrize(("n_classes", "gamma"), [(2, "scale"), (5, "scale"), (8, 1e-3)])
def test_kernel_machine_is_libsvms_rbf(n_classes, gamma):
    X, y = blobs(n_classes=n_classes)
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    ours = KernelMachine(C=3.0, gamma=gamma, class_weight="balanced").fit(X[:300], y[:300])
    theirs = SVC(C=3.0, gamma=gamma, class_weight="balanced", decision_function_shape="ovo").fit(X[:300], y[:300])
    margins = theirs.decision_function(X[300:])
    np.testing.assert_allclose(ours.decision_function(X[300:]), margins, atol=2e-3 * np.abs(margins).max())
    assert np.mean(ours.predict(X[300:]) == theirs.predict(X[300:])) > 0.98
    assert ours.support_vectors_.shape == (ours.n_support_.sum(), N_FEATURES)
