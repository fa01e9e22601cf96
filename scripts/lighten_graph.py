"""Rewrite the graph of the built-in model so that it runs faster and gives the same scores.

    python scripts/lighten_graph.py [BUNDLE]

The graph that the exporter writes computes more than its answers need:

* The classifier reads every third state, and the probability of speech is linear in the mean of the states.  So the
  last layer of each encoder is computed for every third state only, and its part in the mean from the sum of its
  inputs.  Their 8-bit rounding stays as it was.
* The three networks of the classifier are computed one after the other, in a hundred small operators; here at once.
* Attention transposes queries, keys and values; its products can read them where they are.
* Zero points that are zero are left out.

Then onnxruntime joins operators as it would when it opens the graph, so that it opens faster.  No value before a
rounding to 8 bits changes: a change in its seventh digit would change a score in the third.

The script checks the new graph against the old one, and writes graph and card only if scores, embedding and probability
of speech are equal within 1e-5.  A graph that is light already is left as it is.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from emotone import files
from emotone.recognition import card as cards
from emotone.recognition.session import bundle_folder, open_session

Array = npt.NDArray[Any]
STEP = 3  # of the states that the classifier reads
_TOLERANCE = 1e-5
_RUNTIME = "com.microsoft"  # the domain of onnxruntime's own operators
_WIDTHS = (512, 512, 384)  # of the states side by side: whisper-base after blocks 2 and 3, whisper-tiny.en after 2
_HEAD = 64
#: Queries, keys and values side by side -> what attention makes of them; whisper-base has eight heads, tiny has six.
_ATTENTION = {
    "features/linear_2": "features/_unsafe_view",
    "features/linear_6": "features/_unsafe_view_1",
    "features/linear_10": "features/_unsafe_view_2",
    "features/linear_16": "features/_unsafe_view_3",
    "features/linear_20": "features/_unsafe_view_4",
}


class Graph:
    """A graph to edit: nodes by their output, constants by their name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

    def node(self, output: str) -> onnx.NodeProto:
        """Return the node with this output."""
        return next(node for node in self.model.graph.node if output in node.output)

    def constant(self, name: str, value: Any, dtype: type = np.float32) -> str:
        """Add a constant, and return its name."""
        array: Array = np.ascontiguousarray(value, dtype)
        self.constants[name] = array
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node, and return its output."""
        self.model.graph.node.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def remove(self, outputs: Sequence[str]) -> None:
        """Remove the nodes with these outputs; they are computed in another way."""
        for output in outputs:
            self.model.graph.node.remove(self.node(output))

    def finish(self) -> None:
        """Remove what no output needs, and sort the nodes so that each follows its inputs."""
        makers = {output: node for node in self.model.graph.node for output in node.output}
        ordered: list[onnx.NodeProto] = []
        placed: set[str] = set()

        def place(name: str) -> None:
            node = makers.get(name)
            if node is None or node.output[0] in placed:
                return
            for needed in node.input:
                place(needed)
            placed.add(node.output[0])
            ordered.append(node)

        for output in self.model.graph.output:
            place(output.name)
        read = {name for node in ordered for name in node.input} | {each.name for each in self.model.graph.input}
        kept = [each for each in self.model.graph.initializer if each.name in read]
        del self.model.graph.node[:], self.model.graph.initializer[:]
        self.model.graph.node.extend(ordered)
        self.model.graph.initializer.extend(kept)


def lighten(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the light graph of a model that `emotone.export` wrote for the features of the built-in model."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = Graph(result)
    for name in ("first", "last", "axis", "step"):
        graph.constant(f"light/{name}", [{"first": 0, "last": 2**62, "axis": 1, "step": STEP}[name]], np.int64)
    weight = graph.constants["classifier/deployed.gate.weight"][0]
    parts = np.split(weight, np.cumsum(_WIDTHS)[:-1])
    base, base_share, base_bias = _last_layer(graph, "base", states="features/add_444", weight=parts[1])
    tiny, tiny_share, tiny_bias = _last_layer(graph, "tiny", states="features/add_816", weight=parts[2])
    before = "features/add_370"  # after block 2 of whisper-base
    column = graph.constant("light/before/gate", parts[0][:, None])
    mean = _mean(graph, before, "light/mean", "light/before/mean")
    shares = [graph.add("MatMul", [mean, column], "light/before/share"), base_share, tiny_share]
    bias = graph.constants["classifier/deployed.gate.bias"] + base_bias + tiny_bias
    _speech(graph, shares, bias)
    frames = graph.add("Concat", [_every_third(graph, before), base, tiny], "light/frames", axis=2)
    _classifier(graph, frames)
    for number, (packed, mixed) in enumerate(_ATTENTION.items()):
        _attention(graph, f"light/attention/{number}", packed, mixed)
    for node in result.graph.node:
        if node.op_type == "MatMulInteger" and len(node.input) == 4 and not graph.constants[node.input[3]].any():
            del node.input[3]
    graph.finish()
    result.opset_import.append(helper.make_opsetid(_RUNTIME, 1))
    onnx.checker.check_model(result)
    return result


def joined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph in which onnxruntime has joined operators; constants are left packed, so that it stays small."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # on any processor
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "joined.onnx")
        onnxruntime.InferenceSession(
            model.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],
        )
        result = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in result.graph.node}
    versions = [each for each in result.opset_import if each.domain in used]
    del result.opset_import[:], result.graph.value_info[:]
    result.opset_import.extend(versions)
    return result


def _attention(graph: Graph, here: str, packed: str, mixed: str) -> None:
    """Compute attention without copies of keys and values in another order; the products are the same."""
    n_heads = len(graph.constants[graph.node(packed).input[1]]) // (3 * _HEAD)
    graph.remove([mixed])
    names = [f"{here}/{what}" for what in ("query", "key", "value")]
    graph.model.graph.node.append(
        helper.make_node("Split", [packed], names, name=f"{here}/split", axis=2, num_outputs=3)
    )
    shape, row = f"light/heads/{n_heads}", f"light/row/{n_heads}"
    if shape not in graph.constants:
        graph.constant(shape, [-1, n_heads, _HEAD], np.int64)
        graph.constant(row, [1, -1, n_heads * _HEAD], np.int64)
    query, key, value = [graph.add("Reshape", [name, shape], f"{name}/heads") for name in names]
    by_head: dict[str, Any] = {"domain": _RUNTIME, "transA": 0, "transBatchB": 1}
    likeness = graph.add(
        "FusedMatMul", [query, key], f"{here}/likeness", alpha=_HEAD**-0.5, transB=1, transBatchA=1, **by_head
    )
    shares = graph.add("Softmax", [likeness], f"{here}/shares", axis=-1)
    sums = graph.add("FusedMatMul", [shares, value], f"{here}/sums", alpha=1.0, transB=0, transBatchA=0, **by_head)
    graph.add("Reshape", [graph.add("Transpose", [sums], f"{here}/states", perm=[1, 0, 2]), row], mixed)


def _every_third(graph: Graph, name: str) -> str:
    inputs = [name, "light/first", "light/last", "light/axis", "light/step"]
    return graph.add("Slice", inputs, f"light/third/{name}")


def _mean(graph: Graph, values: str, row: str, output: str) -> str:
    """Compute the mean over time of (1, T, width) as a product: a tenth of the time of ReduceMean.

    Parameters
    ----------
    values, output
        Names of the values and of their mean, (1, 1, width).
    row
        Name for T numbers 1 / T, which are made if this name is new.
    """
    if row not in (node.output[0] for node in graph.model.graph.node):
        n = graph.add("Shape", [values], f"{row}/shape", start=1, end=2)
        unit = numpy_helper.from_array(np.ones(1, np.float32))
        ones = graph.add(
            "Unsqueeze", [graph.add("ConstantOfShape", [n], f"{row}/ones", value=unit), "light/first"], f"{row}/row"
        )
        graph.add("Div", [ones, graph.add("Cast", [n], f"{row}/n", to=TensorProto.FLOAT)], row)
    return graph.add("MatMul", [row, values], output)


def _last_layer(graph: Graph, label: str, *, states: str, weight: Array) -> tuple[str, str, float]:
    """Compute the last layer of an encoder for every third state.

    Parameters
    ----------
    label
        A name for new nodes.
    states
        Output of the encoder, (1, T, width): the sum of a residual and of the layer.
    weight
        Weights of the probability of speech, (width,).

    Returns
    -------
    Every third state (1, T / 3, width); the share (1, 1, 1) of these states in the probability of speech, before its
    sigmoid; and a constant to add to that.
    """
    residual, layer = graph.node(states).input
    scaled, bias = graph.node(layer).input
    counts, scales = graph.node(scaled).input
    product = graph.node(graph.node(counts).input[0])
    rounded, matrix, zero = product.input[:3]
    scale, column_scale = graph.node(scales).input
    here = f"light/{label}"
    third = graph.add("MatMulInteger", [_every_third(graph, rounded), matrix, zero], f"{here}/product")
    third = graph.add("Cast", [third], f"{here}/cast", to=TensorProto.FLOAT)
    third = graph.add("Add", [graph.add("Mul", [third, scales], f"{here}/scaled"), bias], f"{here}/layer")
    third = graph.add("Add", [_every_third(graph, residual), third], f"{here}/states")

    exact = graph.constants[matrix].astype(np.float64) * graph.constants[column_scale]
    inner = exact @ weight.astype(np.float64)
    column = graph.constant(f"{here}/inner", inner[:, None])
    offset = graph.constant(f"{here}/offset", inner.sum())
    mean = _mean(graph, graph.add("Cast", [rounded], f"{here}/rounded", to=1), "light/mean", f"{here}/rounded/mean")
    share = graph.add("MatMul", [mean, column], f"{here}/raw")
    shift = graph.add("Mul", [graph.add("Cast", [zero], f"{here}/zero", to=1), offset], f"{here}/shift")
    share = graph.add("Mul", [graph.add("Sub", [share, shift], f"{here}/centred"), scale], f"{here}/inside")
    outer = graph.constant(f"{here}/gate", weight[:, None])
    mean = _mean(graph, residual, "light/mean", f"{here}/outer/mean")
    share = graph.add("Add", [share, graph.add("MatMul", [mean, outer], f"{here}/outside")], f"{here}/share")
    return third, share, float(graph.constants[bias].astype(np.float64) @ weight)


def _speech(graph: Graph, shares: Sequence[str], bias: Array) -> None:
    graph.remove(["classifier/linear_9"])
    total = shares[0]
    for number, share in enumerate(shares[1:]):
        total = graph.add("Add", [total, share], f"light/speech/{number}")
    row = graph.add("Squeeze", [total, "light/first"], "light/speech/row")
    graph.add("Add", [row, graph.constant("light/speech/bias", bias)], "classifier/linear_9")


def _classifier(graph: Graph, frames: str) -> None:
    """Compute the three networks at once, from frames (1, t, 1408) to ``embedding`` and probabilities."""
    constants, here = graph.constants, "light/classifier"
    packed = [f"classifier/val_{number}" for number in (16, 37, 56)]
    members = [f"classifier/deployed.members.{number}" for number in range(3)]
    width = constants[f"{packed[0]}_int8"].shape[1]
    rounded = graph.constant(
        f"{here}/int8", np.concatenate([constants[f"{name}_int8"] for name in packed], axis=1), np.int8
    )
    scale = graph.constant(f"{here}/scale", np.concatenate([constants[f"{name}_scale"] for name in packed], axis=1))
    matrix = graph.add("Mul", [graph.add("Cast", [rounded], f"{here}/cast", to=1), scale], f"{here}/matrix")
    bias = graph.constant(f"{here}/bias", np.concatenate([constants[f"{name}.project.bias"] for name in members]))
    centred = graph.add("Sub", [frames, "classifier/deployed.mean"], f"{here}/centred")
    normal = graph.add("Div", [centred, "classifier/deployed.scale"], f"{here}/normal")
    values = graph.add("Add", [graph.add("MatMul", [normal, matrix], f"{here}/product"), bias], f"{here}/values")

    mean = _mean(graph, values, f"{here}/third", f"{here}/mean")
    away = graph.add("Sub", [values, mean], f"{here}/away")
    square = graph.add("Mul", [away, away], f"{here}/square")
    variance = _mean(graph, square, f"{here}/third", f"{here}/variance")
    deviation = graph.add("Sqrt", [graph.add("Clip", [variance, "classifier/val_36"], f"{here}/clip")], f"{here}/std")
    shape = graph.constant(f"{here}/shape", [1, len(members), width], np.int64)
    both = [graph.add("Reshape", [part, shape], f"{part}/members") for part in (mean, deviation)]
    joined = graph.add("Concat", both, f"{here}/joined", axis=2)
    graph.remove(["classifier/embedding", "classifier/probabilities"])
    row = graph.constant(f"{here}/row", [1, -1], np.int64)
    embedding = graph.add("Reshape", [joined, row], "classifier/embedding")
    _heads(graph, members, embedding)


def _heads(graph: Graph, members: Sequence[str], embedding: str) -> None:
    constants, here = graph.constants, "light/heads"
    size = constants[f"{members[0]}.centre"].size
    shape = graph.constant(f"{here}/shape", [len(members), 1, size], np.int64)
    centre = graph.constant(f"{here}/centre", np.concatenate([constants[f"{name}.centre"].ravel() for name in members]))

    def head(kind: str, values: str) -> str:
        first = graph.node("classifier/getitem" if kind == "head" else "classifier/getitem_3")
        epsilon = next(each.f for each in first.attribute if each.name == "epsilon")
        norms = [
            graph.constant(
                f"{here}/{kind}/{what}", np.concatenate([constants[f"{name}.{kind}.0.{what}"] for name in members])
            )
            for what in ("weight", "bias", "running_mean", "running_var")
        ]
        normal = graph.add("BatchNormalization", [values, *norms], f"{here}/{kind}/normal", epsilon=epsilon)
        split = graph.add("Reshape", [normal, shape], f"{here}/{kind}/split")
        weights = np.stack([constants[f"{name}.{kind}.2.weight"].T for name in members])
        biases = np.stack([constants[f"{name}.{kind}.2.bias"][None] for name in members])
        product = graph.add(
            "MatMul", [split, graph.constant(f"{here}/{kind}/matrix", weights)], f"{here}/{kind}/product"
        )
        return graph.add("Add", [product, graph.constant(f"{here}/{kind}/add", biases)], f"{here}/{kind}/logits")

    known = graph.add("Sub", ["speaker", centre], f"{here}/known")
    moved = graph.add("Add", [centre, graph.add("Mul", ["classifier/sub_34", known], f"{here}/part")], f"{here}/moved")
    plain = head("head", embedding)
    adapted = head("adapted_head", graph.add("Sub", [embedding, moved], f"{here}/away"))
    more = graph.add("Sub", [adapted, plain], f"{here}/more")
    near = graph.add("Add", [plain, graph.add("Mul", ["classifier/sub_37", more], f"{here}/up")], f"{here}/near")
    far = graph.add("Sub", [adapted, graph.add("Mul", [more, "classifier/tmp_4"], f"{here}/down")], f"{here}/far")
    logits = graph.add("Where", ["classifier/tmp", near, far], f"{here}/logits")
    shares = graph.add("Softmax", [logits], f"{here}/softmax", axis=-1)
    axes = graph.constant(f"{here}/axes", [0], np.int64)
    graph.add("ReduceMean", [shares, axes], "classifier/probabilities", keepdims=0)


def largest_difference(before: bytes, after: bytes) -> float:
    """Return the largest difference of any output of two graphs, for noise of many lengths, also with a speaker."""
    sessions = [open_session(graph, threads=1) for graph in (before, after)]
    rng, largest = np.random.default_rng(0), 0.0
    for number, n in enumerate([*range(3200, 8000, 321), 16_000, 33_333, 64_000]):
        inputs = {"waveform": (0.1 * rng.normal(size=(1, n)) * np.sin(np.arange(n) / 3000)).astype(np.float32)}
        if number % 2:
            inputs |= {"speaker": rng.normal(size=(1, 768)).astype(np.float32), "heard": np.array([number], np.float32)}
        outputs = [session.run(["scores", "embedding", "speech"], inputs) for session in sessions]
        largest = max(largest, *(float(np.abs(old - new).max()) for old, new in zip(*outputs, strict=True)))
    return largest


def main() -> None:
    """Rewrite the graph of a bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundle", nargs="?", default="default", help="the bundle's folder; without it, the built-in model"
    )
    folder = bundle_folder(parser.parse_args().bundle)
    before = (folder / cards.GRAPH).read_bytes()
    model = onnx.load_from_string(before)
    if any(each.name.startswith("light/") for each in model.graph.initializer):
        raise SystemExit(f"{folder / cards.GRAPH} is light already")
    after = joined(lighten(model)).SerializeToString()
    difference = largest_difference(before, after)
    print(f"{len(before)} -> {len(after)} bytes; largest difference of an output {difference:.1e}")
    if difference > _TOLERANCE:
        raise SystemExit(f"the outputs differ by {difference:.1e}, expected {_TOLERANCE:g} at most; nothing written")
    write(folder, before, after)


def write(folder: Path, before: bytes, after: bytes) -> None:
    """Write the graph, and its hash and size into the card and its page."""
    card = (folder / cards.CARD).read_text(encoding="utf-8")
    page = (folder / cards.README).read_text(encoding="utf-8")
    digests = [hashlib.sha256(each).hexdigest() for each in (before, after)]
    sizes = [f'"size_bytes": {len(each)}' for each in (before, after)]
    if card.count(digests[0]) != 1 or card.count(sizes[0]) != 1:
        raise SystemExit(f"{folder / cards.CARD} belongs to another graph; nothing was written")
    with files.replacing(folder / cards.GRAPH) as temporary:
        temporary.write_bytes(after)
    files.write_text(folder / cards.CARD, card.replace(digests[0], digests[1]).replace(sizes[0], sizes[1]))
    files.write_text(folder / cards.README, page.replace(digests[0], digests[1]))


if __name__ == "__main__":
    main()
