"""8-bit weights: the graph of an encoder at a quarter of its size, and faster.

Large matrix products get 8-bit weights, with a scale per column, and activations that are rounded to 8 bits for each
clip (dynamic quantisation).  Small tables, such as those of the Fourier transform and the mel filters, keep their
precision: rounding them would change the input of every later layer.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emotone.temporary import temporary_folder

#: A product with a constant is quantised if both sides have at least this length, that of three frames of 80 mel bands.
_LEAST_SIDE = 240
_LARGEST = 127  # of a signed byte with zero in the middle


def quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with 8-bit weights.

    Weights use 7 of the 8 bits (onnxruntime's ``reduce_range``).  On processors without instructions for 8-bit
    products, sums of two products of full range would overflow, and results would differ between machines.

    Parameters
    ----------
    model
        Float32, of a single domain, from `emotone.features.graph.module_graph`.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    sides = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    kept = [
        node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and min(sides.get(node.input[1], [0])) < _LEAST_SIDE
    ]
    with temporary_folder("emotone-quantize-") as folder, _silent_root_logger():
        source, target = folder / "float.onnx", folder / "int8.onnx"
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
def _silent_root_logger() -> Iterator[None]:
    """Silence the root logger, to which the quantiser writes advice for other kinds of models.

    The first message would give a root logger without handlers one for good, so it gets a temporary one.
    """
    root, handler = logging.getLogger(), logging.NullHandler()
    before = root.disabled
    root.addHandler(handler)
    root.disabled = True
    try:
        yield
    finally:
        root.disabled = before
        root.removeHandler(handler)


def quantize_int8(values: NDArray[np.float32], *, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights to 8 bits, with one scale along an axis.

    Returns
    -------
    Whole numbers from -127 to 127 in the shape of ``values``, and the scale with as many axes.  Their product is close
    to ``values``.
    """
    others = tuple(number for number in range(values.ndim) if number != axis)
    scale = np.abs(values).max(axis=others, keepdims=True) / _LARGEST
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    return np.round(values / scale).astype(np.int8), scale


def pack(model: onnx.ModelProto, axes: Mapping[str, int]) -> None:
    """Store constants of a graph in 8 bits, each with scales along an axis.

    Plain operators on constants unpack them, and a runtime computes these once when it opens the graph.  onnxruntime
    does not do so for DequantizeLinear, which it keeps for processors with 8-bit arithmetic.

    Parameters
    ----------
    model
        Changed in place.
    axes
        Name of a constant -> axis of its scales.
    """
    graph = model.graph
    unpacking = []
    for weight in [constant for constant in graph.initializer if constant.name in axes]:
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
