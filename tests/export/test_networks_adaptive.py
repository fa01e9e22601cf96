"""The graph of an adaptive classifier."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.pipeline import Pipeline

from emotone.export.compose import compose
from emotone.export.networks import SPEAKER_INPUTS, network_graph
from emotone.export.pipelines import to_onnx
from emotone.models.deep import adaptive_network
from emotone.models.deep.adaptive import AdaptiveClassifier
from emotone.recognition.temperature import Temperature
from support.toy_speakers import INFINITE, N_COLUMNS, classifier, toy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair() -> AdaptiveClassifier:
    """Two members, fitted on all voices."""
    X, y, speakers = toy(96)
    return classifier(n_members=2, dropout=0.2).fit(X, y, extras={"speakers": speakers})


@pytest.fixture(scope="module")
def session(pair) -> onnxruntime.InferenceSession:
    graph = to_onnx(Pipeline([("classifier", pair)]), N_COLUMNS)
    whole = compose(None, graph, temperature=Temperature(), n_features=N_COLUMNS, properties={})
    return onnxruntime.InferenceSession(whole.SerializeToString())


def test_the_speaker_is_an_optional_input_of_the_graph(session):
    assert [value.name for value in session.get_inputs()] == ["features"]
    optional = {value.name: value.shape for value in session.get_overridable_initializers()}
    assert optional == dict(zip(SPEAKER_INPUTS, ([1, 512], [1]), strict=True))


@pytest.mark.parametrize("n_frames", [9, 10, 97, 300])
def test_the_graph_answers_as_the_classifier_with_and_without_a_speaker(pair, session, n_frames):
    rng = np.random.default_rng(n_frames)
    clip = (2 * rng.standard_normal((n_frames, N_COLUMNS))).astype(np.float32)
    embedding = pair.embed([clip])
    scores, seen = session.run(["scores", "embedding"], {"features": clip[None]})
    plain = pair.predict_proba([clip])
    np.testing.assert_allclose(scores, plain, atol=1e-4)
    np.testing.assert_allclose(seen, embedding, atol=1e-4)
    mean = (embedding + rng.standard_normal(embedding.shape)).astype(np.float32)
    for heard in (0, 1, 7, INFINITE):
        told = {"features": clip[None], "speaker": mean, "heard": np.asarray([heard], dtype=np.float32)}
        (scores,) = session.run(["scores"], told)
        expected = pair.adapted_proba(embedding, mean=mean, n_clips=np.asarray([heard]))
        np.testing.assert_allclose(scores, expected, atol=1e-4)
        assert np.abs(expected - plain).max() > 1e-3 or heard == 0


def test_an_optional_input_is_not_taken_for_a_constant_that_equals_its_zeros():
    """Equal constants are merged, and an input whose default equals them must be neither kept for them nor lost."""
    d = 3
    zeros = [numpy_helper.from_array(np.zeros((1, d), dtype=np.float32), name) for name in ("first", "second")]
    axis = numpy_helper.from_array(np.asarray([1], dtype=np.int64), "axis")
    nodes = [
        helper.make_node("ReduceMean", ["features", "axis"], ["mean"], name="mean", keepdims=0),
        helper.make_node("Add", ["mean", "first"], ["shifted"], name="shift"),
        helper.make_node("Add", ["shifted", "second"], ["embedding"], name="again"),
        helper.make_node("Sub", ["embedding", "speaker"], ["away"], name="away"),
        helper.make_node("Softmax", ["away"], ["probabilities"], name="softmax", axis=1),
    ]
    shapes = {"features": [1, "T", d], "speaker": [1, d], "probabilities": [1, d], "embedding": [1, d]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    graph = helper.make_graph(
        nodes,
        "toy",
        [values["features"], values["speaker"]],
        [values["probabilities"], values["embedding"]],
        [*zeros, axis],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    whole = compose(None, model, temperature=Temperature(), n_features=d, properties={})
    names = [constant.name for constant in whole.graph.initializer]
    assert "speaker" in names and sum(name.endswith(("first", "second")) for name in names) == 1
    session = onnxruntime.InferenceSession(whole.SerializeToString())
    frames = np.asarray([[[1.0, 2.0, 3.0], [3.0, 2.0, 4.0]]], dtype=np.float32)
    mean, speaker = np.asarray([2.0, 2.0, 3.5]), np.asarray([1.0, 5.0, -2.0])
    for given, known in (({}, np.zeros(d)), ({"speaker": speaker[None].astype(np.float32)}, speaker)):
        scores, embedding = session.run(["scores", "embedding"], {"features": frames, **given})
        expected = np.exp(mean - known)
        np.testing.assert_allclose(embedding[0], mean, atol=1e-6)
        np.testing.assert_allclose(scores[0], expected / expected.sum(), atol=1e-5)


def test_the_shares_are_those_of_three_and_two_clips():
    assert (adaptive_network.PRIOR_CLIPS, adaptive_network.PRIOR_ANSWERS) == (3.0, 2.0)
    heard = torch.tensor([0.0, 2.0, 6.0, INFINITE])
    torch.testing.assert_close(adaptive_network.share(heard, 2.0), torch.tensor([0.0, 0.5, 0.75, 1.0]))


def test_projection_is_stored_in_eight_bits_without_a_difference():
    X, y, speakers = toy()
    model = classifier(n_members=2, max_epochs=1).fit(X, y, extras={"speakers": speakers})
    weights = [member.project.weight.detach().numpy() for member in model.members_]
    graph = network_graph(model, X[0].shape[1]).graph
    stored = [one for one in graph.initializer if one.data_type == TensorProto.INT8]
    shape = [X[0].shape[1], sum(len(weight) for weight in weights)]  # of all members side by side
    assert [list(one.dims) for one in stored] == [shape]
    assert shape not in [list(one.dims) for one in graph.initializer if one not in stored]
    for weight in weights:
        steps = weight / (np.abs(weight).max(axis=1, keepdims=True) / 127)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
