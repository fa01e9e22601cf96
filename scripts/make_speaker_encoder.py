"""Convert the GE2E speaker encoder of Resemblyzer into the graph in the package, with 8-bit weights.

    python scripts/make_speaker_encoder.py ge2e-speaker-encoder-fp16.npz

The arrays are those of Resemblyzer 0.1.4 (https://github.com/resemble-ai/Resemblyzer, Apache-2.0), by the names of its
torch module.  The graph takes the power spectrum of a sound and the first frame of each window.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from emotone import files
from emotone.audio import SAMPLE_RATE
from emotone.features.spectral import mel_filters
from emotone.recognition.voices import ENCODER, FRAMES, N_FFT, WIDTH

_N_MELS, _N_LAYERS = 40, 3
_OPSET = 17


def _as_onnx(weight: NDArray[Any]) -> NDArray[np.float32]:
    """Put the gates of an LSTM, torch's input, forget, cell, output, into ONNX's order: input, output, forget, cell."""
    enter, forget, cell, output = np.split(weight.astype(np.float32), 4)
    return np.concatenate([enter, output, forget, cell])


def _eight_bits(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the weights (1, gates, inputs) as 8-bit integers, and the scale of each gate."""
    scale = np.abs(weight).max(axis=2)[0] / 127
    return np.round(weight / scale[:, None]).astype(np.int8), scale


def _layer(
    arrays: dict[str, NDArray[Any]], layer: int, *, is_exact: bool
) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """Return the nodes and constants of a layer of the LSTM."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, NDArray[Any]] = {}
    bias = [_as_onnx(arrays[f"lstm.bias_{side}_l{layer}"]) for side in ("ih", "hh")]
    for name, side in (("w", "ih"), ("r", "hh")):
        constants[f"{name}_{layer}"] = _as_onnx(arrays[f"lstm.weight_{side}_l{layer}"])[None]
    constants[f"b_{layer}"] = np.concatenate(bias)[None]
    if layer == 0 and not is_exact:
        for name in ("w_0", "r_0"):
            weight, scale = _eight_bits(constants.pop(name))
            constants |= {f"small_{name}": weight, f"scale_{name}": scale}
            names = [f"small_{name}", f"scale_{name}"]
            nodes.append(helper.make_node("DequantizeLinear", names, [name], axis=1))
    inputs = [f"sequence_{layer}", f"w_{layer}", f"r_{layer}", f"b_{layer}"]
    outputs = [f"all_{layer}", f"last_{layer}"]
    nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=WIDTH, name=f"lstm_{layer}"))
    nodes.append(helper.make_node("Squeeze", [f"all_{layer}", "last_axis"], [f"sequence_{layer + 1}"]))
    return nodes, constants


def model(arrays: dict[str, NDArray[Any]], *, is_exact: bool = False) -> onnx.ModelProto:
    """Return the graph.

    The first layer has 8-bit weights and computes with 32 bits, unless all is exact: a power spectrum has too wide a
    range for eight bits.  The other layers have 32-bit weights.
    """
    constants: dict[str, NDArray[Any]] = {
        "mel": mel_filters(sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_mels=_N_MELS).astype(np.float32),
        "last_axis": np.array([1]),
        "frames": np.arange(FRAMES)[None],
        "half_weight": arrays["linear.weight"].astype(np.float16),
        "linear_bias": arrays["linear.bias"].astype(np.float32),
        "zero_axis": np.array([0]),
    }
    nodes = [
        helper.make_node("MatMul", ["power", "mel"], ["spectrogram"]),
        helper.make_node("Unsqueeze", ["starts", "last_axis"], ["firsts"]),
        helper.make_node("Add", ["firsts", "frames"], ["rows"]),
        helper.make_node("Gather", ["spectrogram", "rows"], ["windows"], axis=0),
        helper.make_node("Transpose", ["windows"], ["sequence_0"], perm=[1, 0, 2]),
    ]
    for layer in range(_N_LAYERS):
        new_nodes, own = _layer(arrays, layer, is_exact=is_exact)
        nodes, constants = nodes + new_nodes, constants | own
    nodes += [
        helper.make_node("Squeeze", [f"last_{_N_LAYERS - 1}", "zero_axis"], ["state"]),
        helper.make_node("Cast", ["half_weight"], ["linear_weight"], to=TensorProto.FLOAT),
        helper.make_node("Gemm", ["state", "linear_weight", "linear_bias"], ["projected"], transB=1),
        helper.make_node("Relu", ["projected"], ["positive"]),
        helper.make_node("LpNormalization", ["positive"], ["embedding"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "speaker_encoder",
        [
            helper.make_tensor_value_info("power", TensorProto.FLOAT, ["frames", N_FFT // 2 + 1]),
            helper.make_tensor_value_info("starts", TensorProto.INT64, ["windows"]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["windows", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def main() -> None:
    """Write the graph into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="the arrays, NPZ")
    parser.add_argument("--out", type=Path, default=ENCODER, help="the graph; by default in the package")
    parser.add_argument("--exact", action="store_true", help="keep 32-bit weights, to compare")
    chosen = parser.parse_args()
    with np.load(chosen.weights) as stored:
        made = model({name: stored[name] for name in stored.files}, is_exact=chosen.exact)
    with tempfile.TemporaryDirectory() as folder:
        exact, small = Path(folder) / "exact.onnx", Path(folder) / "small.onnx"
        onnx.save(made, exact)
        if not chosen.exact:
            quantize_dynamic(
                exact,
                small,
                op_types_to_quantize=["LSTM"],
                nodes_to_exclude=["lstm_0"],
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
        content = (exact if chosen.exact else small).read_bytes()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(chosen.out) as path:
        path.write_bytes(content)
    print(f"{chosen.out}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
