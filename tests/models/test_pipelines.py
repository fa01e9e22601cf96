"""The classic pipelines: probabilities, seeds, class weights, and graphs with the same probabilities."""

import numpy as np
import onnxruntime
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from emotone.errors import ExportError
from emotone.export.pipelines import to_onnx
from emotone.export.trees import _floor_float32
from emotone.metrics import unweighted_average_recall
from emotone.models import registry
from emotone.parallel import limited
from support.blobs import N_FEATURES, blobs

pytestmark = pytest.mark.filterwarnings("error")
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


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["svm", "linear-svm"])
def test_support_vector_machines_are_as_sure_as_they_are_right(name):
    X, y = blobs(800)
    fresh, truth = blobs(1600, seed=1)
    scores = small(name).fit(X, y).predict_proba(fresh)
    assert scores.max(axis=1).mean() == pytest.approx(np.mean(scores.argmax(axis=1) == truth), abs=0.05)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIC)
def test_probabilities_do_not_depend_on_the_number_of_threads(name):
    """Also those of forests, which add up their trees, and of liblinear, whose threads share a random generator."""
    X, y = blobs(240)
    results = []
    for threads in (1, 3):
        with limited(threads):
            model = (
                registry.get(name).build(seed=0, n_jobs=threads, class_weight=True).set_params(**SMALL.get(name, {}))
            )
            results.append(model.fit(X, y).predict_proba(blobs(80, seed=1)[0]))
    np.testing.assert_array_equal(*results)
