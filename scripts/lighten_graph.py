"""Join operators in the graph of a bundle, so that it opens faster and gives the same scores.

    python scripts/lighten_graph.py [BUNDLE]

onnxruntime joins operators each time it opens a graph: normalisations, activations, products with 8-bit weights.  This
script writes the graph as it is after that.  Constants stay packed in 8 bits, so the file does not grow.

The script checks the new graph against the old one, and writes graph and card only if every output is equal within
1e-5: scores, embedding and probability of speech, for sounds of many lengths, with and without a known speaker.  It
leaves a graph as it is if its operators are joined already.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from emotone import files
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.runtime import open_session
from emotone.recognition.session import bundle_folder

_TOLERANCE = 1e-5
_RUNTIME = "com.microsoft"  # the domain of onnxruntime's own operators


def is_joined(model: onnx.ModelProto) -> bool:
    """Whether onnxruntime has joined operators of a graph: the exporter writes standard operators alone."""
    return any(node.domain == _RUNTIME for node in model.graph.node)


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
    del result.opset_import[:], result.graph.value_info[:], result.metadata_props[:]
    result.opset_import.extend(versions)
    result.metadata_props.extend(model.metadata_props)  # in their order
    return result


def largest_difference(before: bytes, after: bytes) -> float:
    """Return the largest difference of any output of two graphs, for noise of many lengths, also with a speaker.

    Raises
    ------
    ValueError
        The graphs have different inputs or outputs.
    """
    sessions = [open_session(graph, threads=1) for graph in (before, after)]
    first, second = (_interface(session) for session in sessions)
    if first != second:
        raise ValueError(f"the inputs and outputs are {second}, expected {first}, as before")
    names, optional = first
    rng, largest = np.random.default_rng(0), 0.0
    for number, n in enumerate([*range(3200, 8000, 321), 16_000, 33_333, 64_000]):
        inputs = {"waveform": (0.1 * rng.normal(size=(1, n)) * np.sin(np.arange(n) / 3000)).astype(np.float32)}
        if number % 2:
            inputs |= {name: _drawn(name, shape, number, rng) for name, shape in optional.items()}
        outputs = [session.run(list(names), inputs) for session in sessions]
        # `np.max` keeps NaN, which `max` may lose
        largest = float(np.max([largest, *(np.abs(old - new).max() for old, new in zip(*outputs, strict=True))]))
    return largest


def _interface(session: onnxruntime.InferenceSession) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Return the names of the outputs, and of the optional inputs with their shapes."""
    optional = {value.name: tuple(value.shape) for value in session.get_overridable_initializers()}
    return tuple(output.name for output in session.get_outputs()), optional


def _drawn(name: str, shape: tuple[int, ...], number: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return values of an optional input: a number of clips, or a mean embedding."""
    return np.full(shape, number, np.float32) if name == cards.HEARD else rng.normal(size=shape).astype(np.float32)


def main() -> None:
    """Join the operators of a bundle's graph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundle", nargs="?", default="default", help="the bundle's folder; without it, the built-in model"
    )
    folder = bundle_folder(parser.parse_args().bundle)
    path = folder / cards.GRAPH
    before = path.read_bytes()
    model = onnx.load_from_string(before)
    if is_joined(model):
        print(f"the operators of {path} are joined already; it stays as it is")
        return
    if "waveform" not in {value.name for value in model.graph.input}:
        raise SystemExit(f"{path} does not start at a waveform; expected a bundle whose features are in the graph")
    after = joined(model).SerializeToString()
    difference = largest_difference(before, after)
    print(f"{len(before)} -> {len(after)} bytes; largest difference of an output {difference:.1e}")
    if not difference <= _TOLERANCE:
        raise SystemExit(f"the outputs differ by {difference:.1e}, expected {_TOLERANCE:g} at most; nothing written")
    write(folder, before, after)


def write(folder: Path, before: bytes, after: bytes) -> None:
    """Write the graph, and its hash and size into the card and its page."""
    card = cards.read(folder)
    if card["sha256"] != hashlib.sha256(before).hexdigest() or card["size_bytes"] != len(before):
        raise SystemExit(f"{folder / cards.CARD} belongs to another graph; nothing was written")
    card |= {"sha256": hashlib.sha256(after).hexdigest(), "size_bytes": len(after)}
    with files.replacing(folder / cards.GRAPH) as temporary:
        temporary.write_bytes(after)
    files.write_json(folder / cards.CARD, card)
    files.write_text(folder / cards.README, model_card.readme(card))


if __name__ == "__main__":
    main()
