"""A bundle written by hand, whose answers can be worked out on paper: quiet is sad, loud is angry."""

import hashlib
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotone.audio import write_wav

EMOTIONS = ["neutral", "happy", "sad", "angry"]
ADAPTS = {"speaker": [1, 1], "heard": [1]}  # the optional inputs of a graph that can be told of a speaker
MIDDLE = 0.1  # mean absolute amplitude at which all four are as likely


def loudness(frame):
    """A speech detector that takes everything for speech that is not silent."""
    return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1


def write_call(path):
    """Write 13 s: 4 s of a soft tone and 3 s of a loud one, with 2 s of silence before, between and after."""
    silence = np.zeros(2 * 16_000, np.float32)
    write_wav(path, np.concatenate([silence, tone(0.02, seconds=4.0), silence, tone(0.2, seconds=3.0), silence]))
    return path


def expected(samples, *, mean=MIDDLE, heard=0):
    """The scores of trimmed samples: softmax of (0, 0, s, -s), s = 40 (0.1 - mean |x|).

    Of a graph that adapts, mean |x| is relative to the speaker's, as far as n clips tell it: n / (n + 1).
    """
    s = 40 * (MIDDLE - np.abs(samples).mean() + (mean - MIDDLE) * heard / (heard + 1))
    powers = np.exp([0, 0, s, -s])
    return powers / powers.sum()


def graph(
    *, emotions=EMOTIONS, sample_rate=16_000, scores="scores", nan=False, nan_above=None, optional=None, speech=False
):
    """The model's bytes; ``optional`` are inputs with zeros for defaults, name -> shape, see `ADAPTS`.

    With ``nan_above``, the scores of sound with a larger mean absolute amplitude are no numbers.
    With ``speech`` it also gives the probability of speech: the mean absolute amplitude over `MIDDLE`, at most 1.
    """
    signs = np.array([[0, 0, 1, -1]], np.float32) * 40
    constants = [
        numpy_helper.from_array(np.float32(MIDDLE), "middle"),
        numpy_helper.from_array(signs * (np.nan if nan else 1), "signs"),
        numpy_helper.from_array(np.array([1]), "axis"),
    ]
    nodes = [
        helper.make_node("Abs", ["waveform"], ["absolute"]),
        helper.make_node("ReduceMean", ["absolute", "axis"], ["embedding"], keepdims=1),
        helper.make_node("Sub", ["middle", "embedding"], ["away"]),
        helper.make_node("MatMul", ["s", "signs"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [scores], axis=1),
    ]
    if speech:
        nodes.append(helper.make_node("Div", ["embedding", "middle"], ["ratio"]))
        nodes.append(helper.make_node("Min", ["ratio", "certain"], ["speech"]))
        constants.append(numpy_helper.from_array(np.float32(1), "certain"))
    if optional == ADAPTS:
        nodes[3:3] = [
            helper.make_node("Sub", ["speaker", "middle"], ["louder"]),
            helper.make_node("Add", ["heard", "one"], ["more"]),
            helper.make_node("Div", ["heard", "more"], ["share"]),
            helper.make_node("Mul", ["louder", "share"], ["usual"]),
            helper.make_node("Add", ["away", "usual"], ["s"]),
        ]
        constants.append(numpy_helper.from_array(np.float32(1), "one"))
    else:
        nodes[2].output[0] = "s"
    if nan_above is not None:
        nodes[2].input[0] = "half_way"
        nodes[2:2] = [
            helper.make_node("Greater", ["embedding", "limit"], ["is_loud"]),
            helper.make_node("Where", ["is_loud", "no_number", "middle"], ["half_way"]),
        ]
        constants += [
            numpy_helper.from_array(np.float32(value), name)
            for name, value in (("limit", nan_above), ("no_number", np.nan))
        ]
    inputs = {"waveform": [1, "n"], **(optional or {})}
    constants += [numpy_helper.from_array(np.zeros(shape, "f"), name) for name, shape in (optional or {}).items()]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "handmade",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [
                helper.make_tensor_value_info(scores, TensorProto.FLOAT, [1, 4]),
                helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 1]),
                *([helper.make_tensor_value_info("speech", TensorProto.FLOAT, [1, 1])] if speech else []),
            ],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    properties = {"emotions": emotions, "sample_rate": sample_rate, "extractor": "loudness"}
    helper.set_model_props(model, {key: json.dumps(value) for key, value in properties.items()})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def card(content, **changes):
    return {
        "format_version": 1,
        "name": "loudness",
        "emotions": EMOTIONS,
        "sample_rate": 16_000,
        "extractor": {"name": "loudness", "digest": "0" * 64, "graph": True},
        "features": 1,
        "model": "by hand",
        "parameters": {},
        "versions": {"emotone": "0.1.0"},
        "protocol": {"name": "none", "words": "none", "speaker_disjoint": False},
        "scores": {},
        "calibration": {"temperature": 1.0, "threshold": 0.5},
        "training": {"corpora": [], "note": ""},
        "preprocessing": {"trim_db": 40.0},
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "created": "2026-01-01T00:00:00+00:00",
        **changes,
    }


def write(folder, *, content=None, **changes):
    """Write the bundle; ``changes`` are put into its card."""
    content = graph() if content is None else content
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "card.json").write_text(json.dumps(card(content, **changes)), encoding="utf-8")
    return folder


def tone(level, *, seconds=1.0):
    """A tone of that mean absolute amplitude, (n,) float32 at 16 kHz."""
    wave = np.sin(2 * np.pi * 200 * np.arange(round(seconds * 16_000)) / 16_000)
    return (level * wave / np.abs(wave).mean()).astype(np.float32)
