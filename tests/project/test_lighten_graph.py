"""The script that makes the graph of the built-in model light."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emotone.recognition.session import DEFAULT_FOLDER

SCRIPT = Path(__file__).parents[2] / "scripts" / "lighten_graph.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("lighten_graph", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_built_in_graph_is_light(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lighten_graph.py"])
    with pytest.raises(SystemExit, match="is light already"):
        script.main()
    model = onnx.load(DEFAULT_FOLDER / "model.onnx")
    # what makes the file light: joined operators, weights still packed, and the last layers for every third state
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("DynamicQuantizeMatMul") == 20 and kinds.count("MatMulIntegerToFloat") == 4
    assert "MatMulInteger" not in kinds and len(kinds) < 300
    assert {each.data_type for each in model.graph.initializer if np.prod(each.dims) > 20_000} == {TensorProto.INT8}


def test_a_mean_over_time_is_a_product(script):
    values = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n", 3])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 1, 3])
    model = helper.make_model(
        helper.make_graph([], "toy", [values], [mean]), opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    )
    graph = script.Graph(model)
    graph.constant("light/first", [0], np.int64)
    graph.add("Exp", ["x"], "unused")
    script._mean(graph, "x", "row", "mean")
    graph.finish()
    assert "Exp" not in {node.op_type for node in model.graph.node}  # no output needs it
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(1, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], x.mean(axis=1, keepdims=True), atol=1e-6)


def test_joined_operators_give_the_same_and_constants_stay_packed(script):
    weight = np.random.default_rng(1).integers(-5, 5, (4, 4)).astype(np.int8)
    nodes = [
        helper.make_node("Cast", ["packed"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    toy = helper.make_graph(nodes, "toy", [x], [y], [numpy_helper.from_array(weight, "packed")])
    joined = script.joined(helper.make_model(toy, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
    assert [each.data_type for each in joined.graph.initializer] == [TensorProto.INT8]
    assert [each.domain for each in joined.opset_import] == [""]  # onnxruntime adds eight that nothing uses
