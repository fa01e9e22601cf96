"""Join the parts of a bundle's graph: features, classifier, temperature."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotone._version import __version__
from emotone.errors import ExportError
from emotone.recognition import card as cards
from emotone.recognition.adaptation import PRIOR_ANSWERS, Adapter
from emotone.recognition.temperature import Temperature

_FLOOR = 1e-12  # lower limit of a probability before its logarithm, as in `emotone.metrics.apply_temperature`


def compose(
    front: onnx.ModelProto | None,
    classifier: onnx.ModelProto,
    *,
    temperature: Temperature,
    n_features: int,
    properties: Mapping[str, str],
    adapter: Adapter | None = None,
) -> onnx.ModelProto:
    """Join an extractor's graph, a classifier's graph and the temperature.

    Parameters
    ----------
    front
        ``waveform`` [1, n] -> ``embedding`` [1, d], or frames [1, T, d].  None: the graph starts at ``features``.
    classifier
        ``features`` [N, d] -> ``probabilities`` [N, k].  The graph of networks takes frames, and also returns
        ``embedding`` and perhaps ``speech`` [N, 1].  Further inputs become optional inputs, zero by default.
    temperature
        T of softmax(log p / T).
    adapter
        Of a classifier that adapts, for the distance by which the temperature rises; None: it rises with none.
    properties
        Key -> text to store in the model.

    Returns
    -------
    onnx.ModelProto
        Outputs ``scores`` [1, k], ``embedding`` [1, d], and ``speech`` [1, 1] if the classifier has it.

    Raises
    ------
    ExportError
        The parts don't fit each other.
    """
    parts = [onnx.compose.add_prefix(classifier, "classifier/")]
    if front is not None:
        parts.insert(0, onnx.compose.add_prefix(front, "features/"))
    model = helper.make_model(
        _joined(parts, classifier, temperature=temperature, n_features=n_features, adapter=adapter),
        opset_imports=_newest_opsets(parts),
        ir_version=max(part.ir_version for part in parts),
        functions=[function for part in parts for function in part.functions],
        producer_name="emotone",
        producer_version=__version__,
    )
    helper.set_model_props(model, dict(properties))
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ExportError(f"the parts of the graph don't fit each other: {error}") from error
    return model


def _joined(
    parts: Sequence[onnx.ModelProto],
    classifier: onnx.ModelProto,
    *,
    temperature: Temperature,
    n_features: int,
    adapter: Adapter | None,
) -> onnx.GraphProto:
    """Join the prefixed graphs of extractor, if any, and classifier; ``classifier`` has its own names."""
    *front, last = [part.graph for part in parts]
    probabilities, *more = last.output
    embedding, speech = more[:1], more[1:]
    if front:
        start = _float_value("waveform", [1, "n"])
        _rename(front[0], {"features/waveform": "waveform"})
    else:
        start = _float_value("features", [1, "frames", n_features] if embedding else [1, n_features])
    source = front[0].output[0].name if front else "features"
    # networks return an embedding of their own; elsewhere it is the features
    link = "frames" if embedding else "embedding"
    optional = [_optional_input(value) for value in classifier.graph.input[1:]]
    names = {f"classifier/{value.name}": value.name for value, _ in optional}
    _rename(last, {"classifier/features": link})
    for output, name in zip(more, ("embedding", cards.SPEECH), strict=False):
        last.node.append(helper.make_node("Identity", [output.name], [name], name=name))
    _rename(last, names)
    width = embedding[0].type.tensor_type.shape.dim[1].dim_value if embedding else n_features
    is_constant = temperature.is_constant or not optional
    tail, constants = _constant(temperature) if is_constant else _varying(temperature, adapter)
    more_nodes, more_constants = _softmax_nodes(probabilities.name)
    tail, constants = tail + more_nodes, constants + more_constants
    nodes = [node for graph in front for node in graph.node]
    nodes += [helper.make_node("Identity", [source], [link], name=link), *last.node, *tail]
    stored = [constant for part in parts for constant in part.graph.initializer] + constants
    return helper.make_graph(
        nodes,
        "emotone",
        [start, *(value for value, _ in optional)],
        [
            _float_value("scores", [1, probabilities.type.tensor_type.shape.dim[1].dim_value]),
            _float_value("embedding", [1, width]),
            *(_float_value(cards.SPEECH, [1, 1]) for _ in speech),
        ],
        # defaults of optional inputs come last: an equal constant must not be replaced by one of them
        [*_deduplicated(stored, nodes), *(default for _, default in optional)],
    )


def _float_value(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _optional_input(value: onnx.ValueInfoProto) -> tuple[onnx.ValueInfoProto, onnx.TensorProto]:
    """Return an input of the whole graph and its default, zeros."""
    shape = [size.dim_value for size in value.type.tensor_type.shape.dim]
    return _float_value(value.name, shape), numpy_helper.from_array(np.zeros(shape, dtype=np.float32), value.name)


#: A node's operator, inputs and output.
_Step = tuple[str, Sequence[str], str]
#: Names of the nodes and constants of the temperature, and of its value.
_T = "temperature/"
_VALUE = f"{_T}temperature"


_Parts = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _constant(temperature: Temperature) -> _Parts:
    """Return no node, and the temperature of unknown speakers, which is that of all clips."""
    return [], [_stored(_VALUE, temperature.plain)]


def _varying(temperature: Temperature, adapter: Adapter | None) -> _Parts:
    """Return nodes that compute `Temperature.at` from the outputs and inputs of the graph, and their constants."""
    values: dict[str, float | np.ndarray] = {
        "log_plain": np.log(temperature.plain),
        "log_adapted": np.log(temperature.adapted),
        "prior": PRIOR_ANSWERS,
    }
    steps: list[_Step] = []
    if adapter is not None and adapter.usual is not None:
        steps, more = _rising(temperature, adapter)
        values |= more
    else:  # all clips count as usual
        steps = [("Identity", [f"{_T}log_plain"], "log_unknown")]
    steps += [
        ("Add", [cards.HEARD, f"{_T}prior"], "clips"),
        ("Div", [f"{_T}prior", f"{_T}clips"], "unknown"),  # share of the plain head
        ("Sub", [f"{_T}log_unknown", f"{_T}log_adapted"], "log_between"),
        ("Mul", [f"{_T}log_between", f"{_T}unknown"], "log_part"),
        ("Add", [f"{_T}log_part", f"{_T}log_adapted"], "log_temperature"),
        ("Exp", [f"{_T}log_temperature"], "temperature"),
    ]
    nodes = [helper.make_node(kind, inputs, [f"{_T}{output}"]) for kind, inputs, output in steps]
    return _named(nodes), [_stored(f"{_T}{name}", value) for name, value in values.items()]


def _rising(temperature: Temperature, adapter: Adapter) -> tuple[list[_Step], dict[str, float | np.ndarray]]:
    """Return the steps from the embedding to the logarithm of the temperature of an unknown speaker."""
    usual, whitener = cast("np.ndarray", adapter.usual), cast("np.ndarray", adapter.whitener)
    values: dict[str, float | np.ndarray] = {
        "first": np.array([0], dtype=np.int64),
        "width": np.array([usual.size], dtype=np.int64),
        "axis": np.array([1], dtype=np.int64),
        "usual": usual,
        "whitener": whitener,
        "one": 1.0,
        "zero": 0.0,
        "rise": temperature.per_distance,
    }
    steps: list[_Step] = [
        ("Slice", ["embedding", f"{_T}first", f"{_T}width", f"{_T}axis"], "own"),
        ("Sub", [f"{_T}own", f"{_T}usual"], "away"),
        ("MatMul", [f"{_T}away", f"{_T}whitener"], "white"),
        ("Mul", [f"{_T}white", f"{_T}white"], "squares"),
        ("ReduceMean", [f"{_T}squares", f"{_T}axis"], "variance"),
        ("Sqrt", [f"{_T}variance"], "distance"),
        ("Sub", [f"{_T}distance", f"{_T}one"], "further"),
        ("Max", [f"{_T}further", f"{_T}zero"], "beyond"),
        ("Mul", [f"{_T}beyond", f"{_T}rise"], "risen"),
        ("Add", [f"{_T}risen", f"{_T}one"], "factor"),
        ("Log", [f"{_T}factor"], "log_factor"),
        ("Add", [f"{_T}log_factor", f"{_T}log_plain"], "log_unknown"),
    ]
    return steps, values


def _softmax_nodes(probabilities: str) -> _Parts:
    nodes = [
        helper.make_node("Max", [probabilities, f"{_T}floor"], [f"{_T}probabilities"]),
        helper.make_node("Log", [f"{_T}probabilities"], [f"{_T}logits"]),
        helper.make_node("Div", [f"{_T}logits", _VALUE], [f"{_T}scaled"]),
        helper.make_node("Softmax", [f"{_T}scaled"], ["scores"], axis=1),
    ]
    return _named(nodes), [_stored(f"{_T}floor", _FLOOR)]


def _named(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    for node in nodes:
        node.name = f"{node.output[0]}_{node.op_type.lower()}"
    return nodes


def _stored(name: str, value: float | np.ndarray) -> onnx.TensorProto:
    """Return a constant: float32, or the type of whole numbers."""
    array = np.asarray(value)
    return numpy_helper.from_array(array if array.dtype == np.int64 else array.astype(np.float32), name)


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = names.get(name, name)


def _newest_opsets(parts: Sequence[onnx.ModelProto]) -> list[onnx.OperatorSetIdProto]:
    """Return the newest operator set of each domain.

    The classifier's operators mean the same in sets 18 to 20, which only add types.  If that changes, the comparison
    with the pipeline fails.
    """
    newest: dict[str, int] = {}
    for entry in (entry for part in parts for entry in part.opset_import):
        newest[entry.domain] = max(newest.get(entry.domain, 0), entry.version)
    return [helper.make_opsetid(domain, version) for domain, version in newest.items()]


def _deduplicated(constants: Sequence[onnx.TensorProto], nodes: Sequence[onnx.NodeProto]) -> list[onnx.TensorProto]:
    """Keep the first of equal constants and drop those that no node reads; change the inputs of ``nodes`` to match."""
    first: dict[bytes, str] = {}
    name_of: dict[str, str] = {}
    read = {name for node in nodes for name in node.input}
    # If there are nested graphs (If, Loop), constants keep their names: those graphs may read them.
    nested = any(attribute.HasField("g") or attribute.graphs for node in nodes for attribute in node.attribute)
    kept = []
    for constant in constants:
        anonymous = onnx.TensorProto()
        anonymous.CopyFrom(constant)
        anonymous.ClearField("name")
        key = hashlib.sha256(anonymous.SerializeToString(deterministic=True)).digest()
        if nested or (constant.name in read and key not in first):
            first[key] = constant.name
            kept.append(constant)
        name_of[constant.name] = constant.name if nested else first.get(key, constant.name)
    for node in nodes:
        for position, name in enumerate(node.input):
            node.input[position] = name_of.get(name, name)
    return kept
