"""Eight-bit weights: what becomes of an encoder's graph, of its answers, and of its name."""

import logging
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from emotone.errors import ConfigError
from emotone.experiment import run
from emotone.features import graph as graphs
from emotone.features import registry
from emotone.features.encoders import names
from emotone.features.encoders.quantize import pack, quantized
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.recognition.recognizer import Recognizer
from support import toy_encoders
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

RATE = 16_000
WIDTH = 256  # the least side that is rounded
NAME = "int8:whisper-nano@1"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_encoders, "WIDTH", WIDTH)
        patch.setattr(toy_encoders, "N_BLOCKS", 1)
        torch.manual_seed(0)
        folder = toy_encoders.whisper_model(tmp_path_factory.mktemp("hub") / "whisper-nano")
    shutil.copytree(folder, folder.parent / "whisper-nano.en")
    return folder


def install(patch, model):
    toy_encoders.install(patch, model)
    for size in ("nano", "nano.en"):
        patch.setitem(names.SIZES, size, names.Size(WIDTH, 1))


@pytest.fixture(autouse=True)
def _nano(monkeypatch, model):
    install(monkeypatch, model)


@pytest.fixture(scope="module")
def both(model):
    """The extractor's graph before and after, of one export, since that is what takes long."""
    before = onnx.ModelProto()

    def kept(exported):
        before.CopyFrom(exported)
        return quantized(exported)

    with pytest.MonkeyPatch.context() as patch:
        install(patch, model)
        patch.setattr(graphs, "quantized", kept)
        after = graphs.extractor_graph(registry.get(NAME))
    return before, after


@pytest.fixture(scope="module")
def runners(both):
    return tuple(GraphRunner(one.SerializeToString()) for one in both)


def weights(model):
    """Name -> array of the constants."""
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def operators(model, kind):
    return [node for node in model.graph.node if node.op_type == kind]


# ---- the graph ----


def test_graph_of_the_extractor_is_the_rounded_one_of_the_same_interface(both):
    before, after = both
    for side in ("input", "output"):
        assert [one.name for one in getattr(before.graph, side)] == [one.name for one in getattr(after.graph, side)]
    onnx.checker.check_model(after, full_check=True)
    assert not after.graph.value_info
    domains = {one.domain for one in after.opset_import}
    assert domains <= {"", "ai.onnx"}  # no operators of one runtime alone


def test_size_shrinks_to_about_a_quarter(both):
    before, after = (len(one.SerializeToString()) for one in both)
    assert 0.25 < after / before < 0.4


def test_large_products_are_of_integers_and_tables_stay_as_they_are(both):
    before, after = both
    floats, bytes_ = weights(before), weights(after)
    large = {
        node.input[1]
        for node in operators(before, "MatMul")
        if node.input[1] in floats and min(floats[node.input[1]].shape) >= 240
    }
    convolutions, block = [(240, 256), (768, 256)], [(256, 256), (256, 768), (256, 1024), (1024, 256)]
    assert sorted(floats[name].shape for name in large) == sorted(convolutions + block)
    whole = [node.input[1] for node in operators(after, "MatMulInteger")]
    assert sorted(bytes_[name].shape for name in whole) == sorted(floats[name].shape for name in large)
    assert {bytes_[name].dtype for name in whole} == {np.dtype(np.int8)}
    assert max(np.abs(bytes_[name]).max() for name in whole) <= 64  # 7 bits: no sum of two products overflows
    tables = {name: values for name, values in floats.items() if ".mel." in name}
    assert {"cosine_even", "sine_odd", "mel_filters"} <= {name.rpartition(".")[2] for name in tables}
    for name, values in tables.items():
        np.testing.assert_array_equal(bytes_[name], values)


def test_packed_weights_are_bytes_that_are_unpacked_once(tmp_path):
    values = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 300])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 40])],
        [numpy_helper.from_array(values, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    pack(model, {"w": 1})
    kept = weights(model)
    assert set(kept) == {"w_int8", "w_scale"}
    rounded, scale = kept["w_int8"], kept["w_scale"]
    assert (rounded.dtype, rounded.shape, scale.shape) == (np.int8, (300, 40), (1, 40))
    assert np.abs(rounded).max(axis=0).tolist() == [127] * 40
    assert (np.abs(rounded * scale - values) <= 0.5001 * scale).all()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "opened.onnx")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    opened = onnx.load(tmp_path / "opened.onnx")
    assert [node.op_type for node in opened.graph.node] == ["MatMul"]
    np.testing.assert_array_equal(session.run(None, {"x": np.eye(300, dtype=np.float32)})[0], rounded * scale)


# ---- the answers ----


def test_answers_stay_near_those_of_the_float_graph(runners, make_voice):
    voices = [make_voice(seconds=0.3 + 0.1 * n, pitch_hz=90 + 17 * n, seed=n) for n in range(16)]
    floats, rounded = (np.array([runner(one) for one in voices]) for runner in runners)
    error = np.abs(rounded - floats) / floats.std(axis=0)
    assert 1e-4 < np.median(error) < 0.1


def test_graph_takes_any_length(runners, make_voice):
    for n in (3200, 3201, 9999, 16_160, 100_001):
        samples = make_voice(seconds=n / RATE, seed=n)
        floats, rounded = (runner(samples) for runner in runners)
        assert rounded.shape == floats.shape == (2 * WIDTH,)
        assert np.corrcoef(floats, rounded)[0, 1] > 0.99


def test_a_clip_is_answered_alike_whatever_came_before_it(runners, make_voice):
    """Activations are rounded by the clip's own range."""
    _, rounded = runners
    samples = make_voice(seconds=0.7)
    first = rounded(samples)
    rounded(make_voice(seconds=2.0, pitch_hz=300))
    np.testing.assert_array_equal(rounded(samples), first)


def test_experiment_learns_from_them_and_its_bundle_answers_alike(both, make_voice, monkeypatch, tmp_path):
    toy.install(monkeypatch)
    monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: both[1].SerializeToString())
    manifest = toy.write_corpus(tmp_path, make_voice)
    summary = run(toy.config(manifest, tmp_path / "run", model="logistic-regression", extractor=NAME))
    assert summary.metrics["test"]["uar"] > 0.6  # of three emotions, which differ in pitch
    recognizer = Recognizer(summary.folder / "model")
    assert recognizer.card["extractor"]["name"] == NAME
    assert recognizer.card["calibration"]["greatest_difference"] < 1e-4
    clip = sorted(tmp_path.glob("*-angry-*.wav"))[0]
    assert recognizer.predict(clip).label == "angry"


# ---- side effects ----


def small(*, side=256):
    """A product and a convolution, both of constants."""
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((side, side)), "c": rng.standard_normal((side, side, 1))}
    constants["c"][0] = 0  # a channel of zeros has no scale
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
        helper.make_node("Conv", ["y", "c"], ["z"], name="first"),
        helper.make_node("Conv", ["z", "c"], ["out"], name="second"),
    ]
    described = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, side, side])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, side, side])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()],
    )
    return helper.make_model(described, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_packed_weights_that_two_nodes_share_and_a_silent_channel():
    after = small()
    pack(after, {"c": 0})
    assert len(operators(after, "Mul")) == 1  # unpacked once for both
    x = np.random.default_rng(1).standard_normal((1, 256, 256)).astype(np.float32)
    found, expected = (
        onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for one in (after, small())
    )
    assert np.isfinite(found).all() and not found[0, 0].any()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


def test_what_is_under_the_least_side_is_left_alone():
    after = quantized(small(side=239))
    assert [node.op_type for node in after.graph.node] == ["MatMul", "Conv", "Conv"]
    for name, values in weights(small(side=239)).items():
        np.testing.assert_array_equal(weights(after)[name], values)


@pytest.mark.parametrize("disabled", [False, True])
def test_root_logger_is_left_as_it_was_and_nothing_is_printed(monkeypatch, capfd, caplog, disabled):
    """With no handler at all, the first message of the quantiser would give the root logger one for good."""
    root, mine = logging.getLogger(), logging.StreamHandler()
    monkeypatch.setattr(root, "disabled", disabled)
    for handlers in ([], [mine]):
        monkeypatch.setattr(root, "handlers", list(handlers))
        quantized(small())
        assert (root.handlers, root.disabled) == (handlers, disabled)
        monkeypatch.undo()
        monkeypatch.setattr(root, "disabled", disabled)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_root_logger_is_left_as_it_was_after_an_error_too(monkeypatch):
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    monkeypatch.setattr("onnxruntime.quantization.quantize_dynamic", None)
    with pytest.raises(TypeError):
        quantized(small())
    assert (root.handlers, root.disabled) == (before, False)


# ---- the name ----


def test_name_is_read_back():
    joined = "int8:whisper-base@2,3:frames+whisper-tiny.en@2:frames"
    assert [str(part) for part in names.parse(joined)] == ["whisper-base@2,3:frames", "whisper-tiny.en@2:frames"]
    assert [names.is_sequence(name) for name in (joined, "int8:whisper-base@2", "int8:whisper-base@2:mean")] == [
        True,
        False,
        False,
    ]
    for name in (NAME, "int8:whisper-nano@1:frames+whisper-nano.en@0:frames"):
        assert (names.is_encoder(name), registry.get(name).name) == (True, name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("int8:hub:facebook/hubert-base-ls960@9", "'int8:' is for Whisper's encoders alone, .*leave it out"),
        ("int8:whisper-base@2+hub:org/model@9", "'int8:' is for Whisper's encoders alone"),
        ("whisper-base@2+int8:whisper-tiny@2", "'int8:' is inside the name; .*put it before the first"),
        ("int8:int8:whisper-base@2", "size of Whisper is 'int8:whisper-base'"),
        ("int8:functionals", "'functionals' names no layers"),
        ("int8:", "names no layers"),
    ],
)
def test_name_that_is_none_is_refused_with_a_remedy(name, said):
    for read in (names.parse, names.is_sequence, registry.get):
        with pytest.raises(ConfigError, match=rf"extractor '.*': .*{said}.* Expected \[int8:\]whisper-<size>@"):
            read(name)


def test_extractor_is_the_one_that_it_rounds_but_for_name_and_digest(make_voice, monkeypatch):
    samples = torch.from_numpy(make_voice(seconds=0.4))
    for name in ("whisper-nano@1", "whisper-nano@1:frames", "whisper-nano@1+whisper-nano.en@1"):
        floats, rounded = registry.get(name), registry.get(f"int8:{name}")
        assert (rounded.is_graph, rounded.is_sequence, rounded.stored_as) == (
            True,
            floats.is_sequence,
            floats.stored_as,
        )
        assert rounded.feature_names == floats.feature_names
        assert rounded.name == f"int8:{floats.name}"
        assert rounded.digest != floats.digest
        assert rounded.digest == registry.get(f"int8:{name}").digest
        np.testing.assert_array_equal(rounded.extract(samples), floats.extract(samples))
    before = registry.get(NAME).digest
    monkeypatch.setattr(
        "emotone.features.encoders.pretrained.inspect.getsource", lambda module: "another way of rounding"
    )
    assert registry.get(NAME).digest != before
