"""Graphs of bundles: digests, inputs, outputs and the built-in bundle."""

import hashlib
import json

import pytest

from emotone.errors import BundleError
from emotone.recognition import session
from emotone.recognition.recognizer import Recognizer
from support import handmade


def test_altered_graph_is_refused_with_both_hashes(tmp_path):
    folder = handmade.write(tmp_path / "b")
    content = bytearray((folder / "model.onnx").read_bytes())
    said = json.loads((folder / "card.json").read_text())["sha256"]
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=said) as caught:
        Recognizer(folder)
    assert "altered" in str(caught.value) and "train it again" in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x80\x04\x95pickle"], ids=["empty", "text", "pickle"])
def test_what_is_no_graph_is_refused_even_with_its_hash(tmp_path, content):
    with pytest.raises(BundleError, match="expected an ONNX model"):
        Recognizer(handmade.write(tmp_path / "b", content=content))


def test_graph_with_other_outputs_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"outputs \['logits2', 'embedding'\]"):
        Recognizer(handmade.write(tmp_path / "b", content=handmade.graph(scores="logits2")))


@pytest.mark.parametrize(
    "optional", [{"speaker": [1, 1]}, {"speaker": [1, 2], "heard": [1]}, {"speaker": [1, 1], "heard": [1], "more": [1]}]
)
def test_graph_with_other_optional_inputs_is_refused(tmp_path, optional):
    with pytest.raises(BundleError, match="no optional inputs, or 'speaker' of the embedding's shape"):
        Recognizer(handmade.write(tmp_path / "b", content=handmade.graph(optional=optional)))


def test_without_a_built_in_model_the_error_says_how_to_train_one(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "DEFAULT_FOLDER", tmp_path / "default")
    with pytest.raises(BundleError, match="emotone train ravdess"):
        Recognizer()
    handmade.write(tmp_path / "default")
    assert Recognizer().predict((handmade.tone(0.02), 16_000)).emotion == "sad"
