"""The parts of a bundle's graph joined: features, classifier, temperature."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotone._version import __version__
from emotone.errors import ExportError
from emotone.recognition import card as cards

_FLOOR = 1e-12  # of a probability before its logarithm, as in `emotone.metrics.apply_temperature`


def compose(
    front: onnx.ModelProto | None,
    classifier: onnx.ModelProto,
    *,
    temperature: float,
    n_features: int,
    properties: Mapping[str, str],
) -> onnx.ModelProto:
    """Join an extractor's graph, a classifier's and the temperature.

    Parameters
    ----------
    front
        ``waveform`` [1, n] -> ``embedding`` [1, d], or frames [1, T, d]; without it the graph starts at ``features``
        [1, d] or [1, T, d].
    classifier
        ``features`` [N, d] -> ``probabilities`` [N, k].  One of networks takes frames, and gives ``embedding`` too, and
        perhaps ``speech`` [N, 1].
        Further inputs become optional ones of the whole, zero where they are not given.
    temperature
        T of softmax(log p / T).
    n_features
        d.
    properties
        Key -> text to keep inside the model.

    Returns
    -------
    onnx.ModelProto
        Outputs ``scores`` [1, k] and ``embedding`` [1, d], and ``speech`` [1, 1] where the classifier gives it.

    Raises
    ------
    ExportError
        The parts don't fit each other.
    """
    n_classes = classifier.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    float32 = TensorProto.FLOAT
    parts = [onnx.compose.add_prefix(classifier, "classifier/")]
    if front is None:
        start = helper.make_tensor_value_info("features", float32, [1, n_features])
        link = helper.make_node("Identity", ["features"], ["embedding"], name="embedding")
    else:
        prefixed = onnx.compose.add_prefix(front, "features/")
        parts.insert(0, prefixed)
        start = helper.make_tensor_value_info("waveform", float32, [1, "n"])
        _rename(prefixed.graph, {"features/waveform": "waveform"})
        link = helper.make_node("Identity", [prefixed.graph.output[0].name], ["embedding"], name="embedding")
    probabilities, *more = parts[-1].graph.output
    embedding, speech = more[:1], more[1:]
    width = n_features
    if embedding:
        if front is None:
            start = helper.make_tensor_value_info("features", float32, [1, "frames", n_features])
        width = embedding[0].type.tensor_type.shape.dim[1].dim_value
        link.output[0] = link.name = "frames"
        _rename(parts[-1].graph, {"classifier/features": "frames"})
        parts[-1].graph.node.append(helper.make_node("Identity", [embedding[0].name], ["embedding"], name="embedding"))
    else:
        _rename(parts[-1].graph, {"classifier/features": "embedding"})
    if speech:
        parts[-1].graph.node.append(helper.make_node("Identity", [speech[0].name], [cards.SPEECH], name=cards.SPEECH))
    optional = [_optional_input(value) for value in classifier.graph.input[1:]]
    _rename(parts[-1].graph, {f"classifier/{value.name}": value.name for value, _ in optional})
    nodes = [*(parts[0].graph.node if front is not None else ()), link, *parts[-1].graph.node]
    tail, constants = _temperature_nodes(probabilities.name, temperature)
    merged = helper.make_graph(
        [*nodes, *tail],
        "emotone",
        [start, *(value for value, _ in optional)],
        [
            helper.make_tensor_value_info("scores", float32, [1, n_classes]),
            helper.make_tensor_value_info("embedding", float32, [1, width]),
            *(helper.make_tensor_value_info(cards.SPEECH, float32, [1, 1]) for _ in speech),
        ],
        [
            *_deduplicated(
                [constant for part in parts for constant in part.graph.initializer] + constants, [*nodes, *tail]
            ),
            *(default for _, default in optional),  # last, or equal constants would be read in their place
        ],
    )
    model = helper.make_model(
        merged,
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


def _optional_input(value: onnx.ValueInfoProto) -> tuple[onnx.ValueInfoProto, onnx.TensorProto]:
    """An input of the whole graph, and the zeros that stand in where it is not given."""
    shape = [one.dim_value for one in value.type.tensor_type.shape.dim]
    zeros = numpy_helper.from_array(np.zeros(shape, dtype=np.float32), value.name)
    return helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape), zeros


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
    """Per domain, the newest operator set among the parts.

    The classifier's operators mean the same from set 18 to 20, which only add types; the comparison with the pipeline
    would show it if one day they did not.
    """
    newest: dict[str, int] = {}
    for entry in (entry for part in parts for entry in part.opset_import):
        newest[entry.domain] = max(newest.get(entry.domain, 0), entry.version)
    return [helper.make_opsetid(domain, version) for domain, version in newest.items()]


def _deduplicated(constants: Sequence[onnx.TensorProto], nodes: Sequence[onnx.NodeProto]) -> list[onnx.TensorProto]:
    """Keep one of equal constants, and none that no node reads; the nodes are made to read the one."""
    first: dict[bytes, str] = {}
    stands_for: dict[str, str] = {}
    read = {name for node in nodes for name in node.input}
    # A constant that a nested graph (of an If or a Loop) may read keeps its name.
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
        stands_for[constant.name] = constant.name if nested else first.get(key, constant.name)
    for node in nodes:
        for position, name in enumerate(node.input):
            node.input[position] = stands_for.get(name, name)
    return kept
