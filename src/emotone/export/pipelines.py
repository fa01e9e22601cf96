"""Export a fitted classic pipeline as an ONNX graph from features to probabilities.

A function per kind of step writes the nodes; no general converter is used.  So the graphs hold no unused labels, maps
or casts, forests leave out the zeros of their leaves (a tenth of the size), and every step agrees with scikit-learn to
a few units in the last place.  Binary classifiers return two columns, like all others.

To export a new kind of estimator, write its function and add it to the table `_WRITERS`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from emotone.errors import ExportError
from emotone.export.networks import network_graph
from emotone.export.trees import booster_attributes, forest_attributes
from emotone.models.classic.estimators import DiscriminantAxes, MarginProbability, Weighted, pair_signs
from emotone.models.classic.kernel import KernelMachine
from emotone.models.classic.pipelines import closeness
from emotone.models.deep.classifier import NeuralClassifier

OPSET = 18
ML_OPSET = 3
IR_VERSION = 8  # read by every onnxruntime since 1.14


def to_onnx(pipeline: Pipeline, n_features: int) -> onnx.ModelProto:
    """Build the graph of a fitted pipeline.

    Parameters
    ----------
    pipeline
        A fitted pipeline that `emotone.models.classic.pipelines` or `emotone.models.deep.classifier` built.
    n_features
        d, the number of columns that it was fitted on.

    Returns
    -------
    onnx.ModelProto
        Input ``features`` float32 [N, d]; output ``probabilities`` float32 [N, k], columns in the order of `classes_`.
        For networks, see `emotone.export.networks.network_graph`.

    Raises
    ------
    ExportError
        A kind of step has no graph here, or the pipeline was fitted on a different number of columns.
    """
    if isinstance(pipeline[-1], NeuralClassifier):
        return network_graph(pipeline[-1], n_features)
    n_fitted = getattr(pipeline, "n_features_in_", n_features)
    if n_fitted != n_features:
        raise ExportError(
            f"the model was fitted on {n_fitted} features, not on {n_features}: export it with its own extractor"
        )
    graph = _Graph()
    result = _pipeline(graph, pipeline, "features")
    graph.node("Identity", result, output="probabilities")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "classifier",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", n_features])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(pipeline.classes_)])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="emotone",
    )
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants of a graph under construction; every output has a different name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, output: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Append a node; return the name of its first output."""
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        # an attribute that is an array is stored as its list
        attributes = {
            key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in attributes.items()
        }
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, value: Any, *, dtype: type[np.generic] = np.float32) -> str:
        """Store an array; return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def affine(self, x: str, weights: np.ndarray, bias: np.ndarray, *, dtype: type[np.generic] = np.float32) -> str:
        """Append x (N, d) @ weights (d, m) + bias (m,)."""
        return self.node("Gemm", x, self.constant(weights, dtype=dtype), self.constant(bias, dtype=dtype))

    def softmax(self, logits: str) -> str:
        """Append the probabilities (N, k) of logits (N, k)."""
        return self.node("Softmax", logits, axis=1)


def _pipeline(graph: _Graph, pipeline: Pipeline, x: str) -> str:
    for _, step in pipeline.steps:
        x = _step(graph, step, x)
    return x


def _step(graph: _Graph, step: Any, x: str) -> str:
    for kind, write in _WRITERS.items():
        if isinstance(step, kind):
            return write(graph, step, x)
    known = ", ".join(kind.__name__ for kind in _WRITERS)
    raise ExportError(f"{type(step).__name__} has no graph; the steps that have one are {known}")


def _scaler(graph: _Graph, scaler: StandardScaler, x: str) -> str:
    # in float32, as in scikit-learn for float32 features, so that both round in the same way
    if scaler.mean_ is not None:
        x = graph.node("Sub", x, graph.constant(scaler.mean_))
    return x if scaler.scale_ is None else graph.node("Div", x, graph.constant(scaler.scale_))


def _axes(graph: _Graph, axes: DiscriminantAxes, x: str) -> str:
    x = graph.node("Cast", x, to=TensorProto.DOUBLE)
    projected = graph.affine(x, axes.weights_, -axes.offset_, dtype=np.float64)
    return graph.node("Cast", projected, to=TensorProto.FLOAT)


def _components(graph: _Graph, pca: PCA, x: str) -> str:
    if pca.whiten:
        raise ExportError("PCA(whiten=True) has no graph; fit it with whiten=False")
    return graph.affine(x, pca.components_.T, -pca.mean_ @ pca.components_.T)


def _two_columns(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add a first column of zeros to a binary classifier's (d, 1) and (1,): softmax then equals the logistic."""
    if weights.shape[1] > 1:
        return weights, bias
    return np.hstack([np.zeros_like(weights), weights]), np.append(0.0, bias)


def _logistic_regression(graph: _Graph, model: LogisticRegression, x: str) -> str:
    return graph.softmax(graph.affine(x, *_two_columns(model.coef_.T, model.intercept_)))


def _mlp(graph: _Graph, network: MLPClassifier, x: str) -> str:
    activations = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
    if network.activation not in activations:
        raise ExportError(f"activation {network.activation!r} has no graph; use {', '.join(activations)}")
    *hidden, last = zip(network.coefs_, network.intercepts_, strict=True)
    for weights, bias in hidden:
        x = graph.node(activations[network.activation], graph.affine(x, weights, bias))
    return graph.softmax(graph.affine(x, *_two_columns(*last)))


def _margin_probability(graph: _Graph, model: MarginProbability, x: str) -> str:
    machine, scale = model.estimator_, model.scale_
    dtype: type[np.generic]
    if isinstance(machine, KernelMachine):
        kernel, coefficients, dtype = _rbf_kernel(graph, machine, x), _pair_coefficients(machine), np.float64
    else:
        kernel, coefficients, dtype = x, machine.coef_.T, np.float32
    n_classes = len(model.classes_)
    weights, bias = scale * coefficients, scale * machine.intercept_
    if n_classes == 2:
        weights, bias = _two_columns(weights, bias)
    margins = graph.node("Cast", graph.affine(kernel, weights, bias, dtype=dtype), to=TensorProto.FLOAT)
    if n_classes == 2 or not model.pairwise:
        return graph.softmax(margins)
    signs = pair_signs(n_classes)
    # log sigmoid(a) = -softplus(-a)
    first = graph.node("MatMul", graph.node("Softplus", graph.node("Neg", margins)), graph.constant(signs > 0))
    second = graph.node("MatMul", graph.node("Softplus", margins), graph.constant(signs < 0))
    return graph.softmax(graph.node("Neg", graph.node("Add", first, second)))


def _rbf_kernel(graph: _Graph, machine: KernelMachine, x: str) -> str:
    """Append exp(-gamma |x - s|^2) for every support vector s, (N, s) in double, by 2 x.s - |x|^2 - |s|^2.

    In double, as in libsvm: a broad kernel is close to 1 everywhere, and margins are small differences of large sums.
    The vectors are stored as float32, the type of scaled features, and converted when the graph is loaded.
    """
    vectors = machine.support_vectors_.astype(np.float32)
    gamma = machine.gamma_
    x = graph.node("Cast", x, to=TensorProto.DOUBLE)
    stored = graph.node("Cast", graph.constant(vectors), to=TensorProto.DOUBLE)
    lengths = graph.constant(-gamma * (vectors.astype(np.float64) ** 2).sum(axis=1), dtype=np.float64)
    products = graph.node("Gemm", x, stored, lengths, alpha=2 * gamma, transB=1)
    squares = graph.node("ReduceSumSquare", x, graph.constant([1], dtype=np.int64), keepdims=1)
    return graph.node(
        "Exp", graph.node("Sub", products, graph.node("Mul", squares, graph.constant(gamma, dtype=np.float64)))
    )


def _pair_coefficients(machine: KernelMachine) -> np.ndarray:
    """Return the weight of each support vector in each one-against-one machine, (s, k (k - 1) / 2).

    For a vector of class i, row j of ``dual_coef_`` in libsvm belongs to the machine of i against its j-th other class.
    """
    counts = machine.n_support_
    n_classes = counts.size
    dual = machine.dual_coef_
    if n_classes == 2:
        return np.asarray(dual.T)
    owner = np.repeat(np.arange(n_classes), counts)
    pairs = np.stack(np.triu_indices(n_classes, k=1), axis=1)
    coefficients = np.zeros((owner.size, len(pairs)))
    for column, (first, second) in enumerate(pairs):
        coefficients[owner == first, column] = dual[second - 1, owner == first]
        coefficients[owner == second, column] = dual[first, owner == second]
    return coefficients


def _knn(graph: _Graph, model: KNeighborsClassifier, x: str) -> str:
    if model.weights is not closeness or model.effective_metric_ != "euclidean":
        raise ExportError(
            f"neighbours weighted by {model.weights!r} under {model.effective_metric_} have no graph; use `closeness`"
        )
    points = np.asarray(model._fit_X, dtype=np.float64)  # scikit-learn has no public attribute for it
    stored = graph.constant(points)
    # Rank by |p|^2 - 2 x.p: its rounding only matters for ties.
    squares = graph.constant((points**2).sum(axis=1))
    rank = graph.node("Gemm", x, stored, squares, alpha=-2.0, transB=1)
    indices = f"neighbours_{len(graph.nodes)}"
    graph.nodes.append(
        helper.make_node(
            "TopK", [rank, graph.constant([model.n_neighbors], dtype=np.int64)], [indices + "_rank", indices], largest=0
        )
    )
    # Compute the distance of the nearest from the difference itself, which is more precise.
    rows = graph.node("Unsqueeze", x, graph.constant([1], dtype=np.int64))
    difference = graph.node("Sub", graph.node("Gather", stored, indices, axis=0), rows)
    distance = graph.node("ReduceL2", difference, graph.constant([2], dtype=np.int64), keepdims=0)
    weight = graph.node("Reciprocal", graph.node("Add", distance, graph.constant(1.0)))
    one_hot = graph.node("Gather", graph.constant(np.eye(len(model.classes_))[model._y]), indices, axis=0)
    votes = graph.node("Mul", one_hot, graph.node("Unsqueeze", weight, graph.constant([2], dtype=np.int64)))
    total = graph.node("ReduceSum", votes, graph.constant([1], dtype=np.int64), keepdims=0)
    return graph.node("Div", total, graph.node("ReduceSum", total, graph.constant([1], dtype=np.int64), keepdims=1))


def _weighted(graph: _Graph, model: Weighted, x: str) -> str:
    return _step(graph, model.estimator_, x)


def _voting(graph: _Graph, model: VotingClassifier, x: str) -> str:
    if model.voting != "soft":
        raise ExportError("a vote of labels has no probabilities; use voting='soft'")
    weights = np.asarray(model.weights if model.weights is not None else [1.0] * len(model.estimators_), dtype=float)
    terms = [
        graph.node("Mul", _step(graph, member, x), graph.constant(weight))
        for member, weight in zip(model.estimators_, weights / weights.sum(), strict=True)
        if weight > 0  # a member without weight needs no nodes
    ]
    return graph.node("Sum", *terms)


def _forest(graph: _Graph, forest: RandomForestClassifier | ExtraTreesClassifier, x: str) -> str:
    return graph.node("TreeEnsembleRegressor", x, domain="ai.onnx.ml", **forest_attributes(forest))


def _booster(graph: _Graph, model: XGBClassifier, x: str) -> str:
    margins = graph.node("TreeEnsembleRegressor", x, domain="ai.onnx.ml", **booster_attributes(model))
    if len(model.classes_) > 2:
        return graph.softmax(margins)  # the base score is the same for all classes and changes nothing
    positive = graph.node("Sigmoid", margins)  # base_score=0.5 is the margin 0
    return graph.node("Concat", graph.node("Sub", graph.constant(1.0), positive), positive, axis=1)


#: Kind of step -> function that writes its nodes.
_WRITERS: dict[type, Callable[[_Graph, Any, str], str]] = {
    Pipeline: _pipeline,
    StandardScaler: _scaler,
    PCA: _components,
    DiscriminantAxes: _axes,
    LogisticRegression: _logistic_regression,
    MLPClassifier: _mlp,
    MarginProbability: _margin_probability,
    KNeighborsClassifier: _knn,
    Weighted: _weighted,
    VotingClassifier: _voting,
    RandomForestClassifier: _forest,
    ExtraTreesClassifier: _forest,
    XGBClassifier: _booster,
}
