"""The script that joins operators in the graph of a bundle."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emotone.recognition import card as cards
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER
from support import handmade

SCRIPT = Path(__file__).parents[2] / "scripts" / "lighten_graph.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("lighten_graph", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_built_in_graph_is_joined(script):
    model = onnx.load(DEFAULT_FOLDER / "model.onnx")
    assert script.is_joined(model)
    kinds = [node.op_type for node in model.graph.node]
    # an earlier version of the script also computed the last layers for every third state only
    assert kinds.count("DynamicQuantizeMatMul") == 15
    assert "MatMulInteger" not in kinds and len(kinds) < 300
    # weights are packed; the whitening of the embedding is the only other large table
    large = [each for each in model.graph.initializer if np.prod(each.dims) > 20_000]
    assert {each.data_type for each in large if each.name != "temperature/whitener"} == {TensorProto.INT8}


def graph(*, adapts=True):
    """The graph of a bundle with operators that onnxruntime joins: a transposition and a product."""
    optional = {"optional": handmade.ADAPTS} if adapts else {}
    model = onnx.load_from_string(handmade.graph(speech=True, **optional))
    product = next(node for node in model.graph.node if node.op_type == "MatMul")
    place = list(model.graph.node).index(product)
    model.graph.node.insert(place, helper.make_node("Transpose", ["s"], ["turned"], perm=[1, 0]))
    product.input[0] = "turned"
    return model


def write(folder, model=None):
    content = (model or graph()).SerializeToString()
    handmade.write(folder, content=content, adapts=True, checks_speech=True)
    (folder / cards.README).write_text("of another size")
    return content


def run(script, monkeypatch, folder):
    monkeypatch.setattr(sys, "argv", ["lighten_graph.py", str(folder)])
    script.main()


@pytest.mark.parametrize("adapts", [True, False])
def test_joined_operators_give_every_output_of_before(script, adapts):
    before = graph(adapts=adapts)
    after = script.joined(before)
    assert not script.is_joined(before) and script.is_joined(after)
    assert [each.op_type for each in after.graph.node].count("FusedMatMul") == 1
    assert script.largest_difference(before.SerializeToString(), after.SerializeToString()) == 0
    assert after.metadata_props == before.metadata_props


def test_bundle_is_rewritten_once(script, monkeypatch, tmp_path, capsys):
    content = write(tmp_path)
    card = json.loads((tmp_path / cards.CARD).read_text())
    run(script, monkeypatch, tmp_path)
    after = (tmp_path / cards.GRAPH).read_bytes()
    assert f"{len(content)} -> {len(after)} bytes; largest difference of an output 0.0e+00" in capsys.readouterr().out
    changed = cards.read(tmp_path)
    assert {key for key in changed if changed[key] != card[key]} == {"sha256", "size_bytes"}
    assert changed["sha256"] in (tmp_path / cards.README).read_text()
    samples = handmade.tone(0.15)
    np.testing.assert_allclose(Recognizer(tmp_path).run(samples)[0], handmade.expected(samples), atol=1e-5)
    run(script, monkeypatch, tmp_path)
    assert "joined already; it stays as it is" in capsys.readouterr().out
    assert (tmp_path / cards.GRAPH).read_bytes() == after


@pytest.mark.parametrize("output", ["scores", "embedding", "speech"])
def test_graph_with_another_output_is_not_written(script, monkeypatch, tmp_path, output):
    content, real = write(tmp_path), script.joined

    def wrong(model):
        result = real(model)
        for node in result.graph.node:
            node.output[:] = ["exact" if name == output else name for name in node.output]
            node.input[:] = ["exact" if name == output else name for name in node.input]
        result.graph.initializer.append(numpy_helper.from_array(np.float32(1e-3), "little"))
        result.graph.node.append(helper.make_node("Add", ["exact", "little"], [output]))
        return result

    monkeypatch.setattr(script, "joined", wrong)
    with pytest.raises(SystemExit, match=r"the outputs differ by 1\.0e-03, expected 1e-05 at most; nothing written"):
        run(script, monkeypatch, tmp_path)
    assert (tmp_path / cards.GRAPH).read_bytes() == content


def test_not_a_number_is_a_difference(script):
    broken = onnx.load_from_string(handmade.graph(nan=True)).SerializeToString()
    assert np.isnan(script.largest_difference(handmade.graph(), broken))


def test_graph_with_another_interface_is_refused(script):
    with pytest.raises(ValueError, match="the inputs and outputs are .*speech.*expected .*, as before"):
        script.largest_difference(handmade.graph(), handmade.graph(speech=True))


def test_graph_of_another_card_is_not_written(script, monkeypatch, tmp_path):
    content = write(tmp_path)
    card = json.loads((tmp_path / cards.CARD).read_text())
    (tmp_path / cards.CARD).write_text(json.dumps(card | {"sha256": "1" * 64}))
    with pytest.raises(SystemExit, match="belongs to another graph; nothing was written"):
        run(script, monkeypatch, tmp_path)
    assert (tmp_path / cards.GRAPH).read_bytes() == content


def test_graph_that_starts_at_features_is_refused(script, monkeypatch, tmp_path):
    model = graph(adapts=False)
    model.graph.input[0].name = "features"
    for node in model.graph.node:
        node.input[:] = ["features" if name == "waveform" else name for name in node.input]
    write(tmp_path, model)
    with pytest.raises(SystemExit, match="does not start at a waveform"):
        run(script, monkeypatch, tmp_path)


def test_constants_stay_packed(script):
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
    session = onnxruntime.InferenceSession(joined.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = np.eye(4, dtype=np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": rows})[0], weight)
