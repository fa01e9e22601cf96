"""Join the parts of a bundle's graph: features, classifier, temperature."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotone._version import __version__
from emotone.errors import ExportError
from emotone.recognition import card as cards

_FLOOR = 1e-12  # lower limit of a probability before its logarithm, as in `emotone.metrics.apply_temperature`


def compose(
    front: onnx.ModelProto | None,
    classifier: onnx.ModelProto,
    *,
    temperature: float,
    n_features: int,
    properties: Mapping[str, str],
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
        _joined(parts, classifier, temperature=temperature, n_features=n_features),
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
    parts: Sequence[onnx.ModelProto], classifier: onnx.ModelProto, *, temperature: float, n_features: int
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
    tail, constants = _temperature_nodes(probabilities.name, temperature)
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


def _temperature_nodes(probabilities: str, temperature: float) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    constants = [
        numpy_helper.from_array(np.array(value, dtype=np.float32), f"temperature/{name}")
        for name, value in (("floor", _FLOOR), ("temperature", temperature))
    ]
    nodes = [
        helper.make_node("Max", [probabilities, "temperature/floor"], ["temperature/probabilities"]),
        helper.make_node("Log", ["temperature/probabilities"], ["temperature/logits"]),
        helper.make_node("Div", ["temperature/logits", "temperature/temperature"], ["temperature/scaled"]),
        helper.make_node("Softmax", ["temperature/scaled"], ["scores"], axis=1),
    ]
    for node in nodes:
        node.name = f"{node.output[0]}_{node.op_type.lower()}"
    return nodes, constants


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
