"""Every third state of Whisper: equal to those of all states, though the last block is computed only there."""

import numpy as np
import onnxruntime
import pytest
import torch

from emotone.errors import ConfigError
from emotone.features import registry
from emotone.features.encoders import names, quantize
from emotone.features.encoders.names import parse
from emotone.features.encoders.whisper import Block, SparseBlock
from emotone.features.graph import extractor_graph
from support import toy_encoders
from support.toy_encoders import WIDTH

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _encoder(monkeypatch, request):
    toy_encoders.install(monkeypatch, request.getfixturevalue("model"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    return toy_encoders.whisper_model(tmp_path_factory.mktemp("models") / "whisper-nano")


def frames_of(name, samples):
    return registry.get(name).extract(torch.from_numpy(samples)).numpy()


@torch.inference_mode()
@pytest.mark.parametrize("n", [1, 2, 3, 10, 31])
def test_block_is_the_same_for_fewer_states(n):
    torch.manual_seed(1)
    block, states = Block(WIDTH).eval(), torch.randn(2, n, WIDTH)
    expected = block(states)[:, ::3]
    found = SparseBlock(block, 3).eval()(states)
    assert found.shape == (2, -(-n // 3), WIDTH)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", ["0", "2", "1,3", "3,1", "0,1,2"])
def test_thirds_are_every_third_of_the_frames(make_voice, layers):
    for seconds in (0.2, 0.21, 0.23, 0.9):
        samples = make_voice(seconds=seconds, seed=3)
        every = frames_of(f"whisper-nano@{layers}:frames", samples)
        thirds = frames_of(f"whisper-nano@{layers}:thirds", samples)
        assert thirds.shape == every[::3].shape
        np.testing.assert_allclose(thirds, every[::3], atol=2e-5)


def test_shortest_clip_has_four_states(make_voice):
    assert len(frames_of("whisper-nano@2:thirds", make_voice(seconds=0.2))) == 4


def test_it_is_a_sequence_with_the_columns_of_the_frames():
    thirds, frames = (registry.get(f"whisper-nano@1,2:{pooling}") for pooling in ("thirds", "frames"))
    assert thirds.is_sequence and thirds.stored_as == "float16" and thirds.is_graph
    assert thirds.feature_names == frames.feature_names and len(thirds.feature_names) == 2 * WIDTH
    assert thirds.digest != frames.digest
    assert thirds.name == "whisper-nano@1,2:thirds" and names.is_sequence(thirds.name)


@pytest.mark.slow
def test_graph_of_eight_bits_is_close_to_the_module(make_voice, monkeypatch):
    monkeypatch.setattr(quantize, "_LEAST_SIDE", 100)  # the encoder is that small
    extractor = registry.get("int8:whisper-nano@1,2:thirds")
    model = extractor_graph(extractor)
    kinds = {node.op_type for node in model.graph.node}
    assert "MatMulInteger" in kinds
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for seconds in (0.2, 1.0):
        samples = make_voice(seconds=seconds, seed=2)
        (found,) = session.run(None, {"waveform": samples[None]})
        expected = extractor.extract(torch.from_numpy(samples)).numpy()
        assert found.shape == (1, *expected.shape)
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


def test_parts_are_joined(make_voice):
    samples = make_voice(seconds=0.5)
    joined = registry.get("whisper-nano@1:thirds+whisper-nano@2:thirds")
    parts = [frames_of(f"whisper-nano@{layer}:thirds", samples) for layer in (1, 2)]
    np.testing.assert_allclose(joined.extract(torch.from_numpy(samples)).numpy(), np.hstack(parts), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whisper-base@3:thirds+whisper-tiny@2:frames", "'thirds' and 'frames' are joined; expected the same pooling"),
        ("whisper-base@3:thirds+whisper-tiny@2", "'thirds' and statistics are joined; expected the same pooling"),
        ("hub:a/b@3:thirds", "'thirds' is for Whisper's encoders alone; take 'frames'"),
        ("whisper-base@3:third", "pooling is 'third'; expected mean.std, mean, frames, thirds"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        parse(name)


def test_name_is_read_and_written():
    (part,) = parse("int8:whisper-base@2,3:thirds")
    assert (part.size, part.layers, part.pooling, part.is_sequence) == ("base", (2, 3), "thirds", True)
    assert str(part) == "whisper-base@2,3:thirds"
