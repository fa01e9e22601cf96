"""Eight-bit weights: an encoder's graph in a quarter of the size, and faster.

The large matrix products take 8-bit weights, each column with a scale of its own, and activations that are rounded to
8 bits clip by clip (dynamic quantisation).  Small tables, such as those of the Fourier transform and the mel filters,
stay as they are: rounding these would change what every layer after them hears.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: A product with a constant is quantised if both of its sides are at least so long: as three frames of 80 mel bands.
_LEAST_SIDE = 240
_LARGEST = 127  # of a signed byte, zero in the middle


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the graph 8-bit weights.

    Weights use 7 of the 8 bits: on processors without instructions for 8-bit products, the sums of two products of
    full range would overflow (onnxruntime's ``reduce_range``), and answers would differ from machine to machine.

    Parameters
    ----------
    model
        Float32, of one domain, as `emotone.features.graph.module_graph` makes it.

    Returns
    -------
    onnx.ModelProto
        Of the same inputs and outputs.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    sides = {one.name: list(one.dims) for one in model.graph.initializer}
    kept = [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and min(sides.get(node.input[1], [0])) < _LEAST_SIDE
    ]
    with tempfile.TemporaryDirectory() as folder, _unheard():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=kept,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        result = onnx.load(target)
    del result.graph.value_info[:]
    return result


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Silence the root logger, on which the quantiser gives advice for models of another kind.

    A root logger without a handler is given one by the first message, for good; so it has one meanwhile.
    """
    root, deaf = logging.getLogger(), logging.NullHandler()
    before = root.disabled
    root.addHandler(deaf)
    root.disabled = True
    try:
        yield
    finally:
        root.disabled = before
        root.removeHandler(deaf)


def quantize_int8(values: NDArray[np.float32], *, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights to 8 bits, with one scale along an axis.

    Returns
    -------
    Whole numbers from -127 to 127 in the shape of ``values``, and the scale, of the same number of axes: their product
    is what the weights become.
    """
    others = tuple(number for number in range(values.ndim) if number != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / _LARGEST
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def pack(model: onnx.ModelProto, axes: Mapping[str, int]) -> None:
    """Store constants of a graph in 8 bits, each with scales along an axis.

    They are unpacked by plain operators on constants, which a runtime computes once when it opens the graph.
    onnxruntime does not do that with DequantizeLinear, which it keeps for processors with arithmetic of its kind.

    Parameters
    ----------
    model
        Is changed.
    axes
        Name of a constant -> the axis.
    """
    graph = model.graph
    unpacking = []
    for weight in [one for one in graph.initializer if one.name in axes]:
        rounded, scale = quantize_int8(numpy_helper.to_array(weight), axis=axes[weight.name])
        names = [f"{weight.name}_{what}" for what in ("int8", "scale", "rounded")]
        graph.initializer.remove(weight)
        graph.initializer.extend([numpy_helper.from_array(rounded, names[0]), numpy_helper.from_array(scale, names[1])])
        unpacking += [
            helper.make_node("Cast", names[:1], names[2:], name=f"{weight.name}_cast", to=TensorProto.FLOAT),
            helper.make_node("Mul", [names[2], names[1]], [weight.name], name=f"{weight.name}_unpack"),
        ]
    for node in reversed(unpacking):
        graph.node.insert(0, node)
