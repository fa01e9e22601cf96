"""Graphs of strangers: each is a bundle's graph by its description, and does what a bundle's must not do."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper

from support import handmade
from support.graph_parts import (
    BOOL,
    FAIR,
    FLOAT,
    INT64,
    TEXT,
    after_sound,
    circular,
    constant,
    deep,
    endless_when_loud,
    external,
    external_in_a_branch,
    growing,
    info,
    large,
    loop,
    model,
    node,
    product,
    recursive,
    scores_of,
    when_loud,
)

#: Those that compute for ever, and those that ask for gigabytes.
ENDLESS, LARGE = "endless", "large"


def _typed(kind, value, shape=(1, 4)):
    return scores_of(value, outputs=[info("scores", kind, shape), info("embedding", shape=(1, 1))])


def _sequence():
    made = model([node("SequenceConstruct", ["fair_values"], "scores")], constants=[constant("fair_values", FAIR)])
    made.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("scores", FLOAT, [1, 4]))
    return made


def _embedding(value, shape=(1, 1), kind=FLOAT):
    return model(
        [node("Identity", ["inside"], "embedding")],
        constants=[constant("inside", value)],
        outputs=[info("scores"), info("embedding", kind, shape)],
    )


def _speech(value, shape=(1, 1)):
    return model(
        [node("Identity", ["certain"], "speech")],
        constants=[constant("certain", np.asarray(value, np.float32))],
        outputs=[info("scores"), info("embedding", shape=(1, 1)), info("speech", shape=shape)],
    )


def _fails(kind, shape, **attributes):
    """A node that can't take what it gets, which only a run shows."""
    return after_sound(
        node("Cast", ["zero"], "no", to=INT64),
        node("Add", ["wrong", "no"], "computed"),
        node(kind, ["even", "computed"], "moved", **attributes),
        node("Identity", ["moved"], "scores"),
        constants=[constant("wrong", np.array(shape)), constant("even", FAIR)],
    )


def _many_nodes(n):
    nodes = [node("Neg", [f"x{k}" if k else "waveform"], f"x{k + 1}") for k in range(n)]
    return model(
        [*nodes, node("ReduceMean", [f"x{n}", "axis"], "embedding", keepdims=1)],
        constants=[constant("axis", np.array([1]))],
    )


def _unused_inputs(n):
    return model(inputs=[info("waveform", shape=(1, "n")), *(info(f"more{k}") for k in range(n))])


#: Name -> a function that makes the model.
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    f"{ENDLESS}: a loop": lambda: loop(2**62),
    f"{ENDLESS}: a loop while it is opened": lambda: loop(2**62, delayed=False),
    f"{ENDLESS}: loops in loops": lambda: loop(2**20, depth=4),
    f"{ENDLESS}: for loud sound": endless_when_loud,
    f"{ENDLESS}: a product of matrices": lambda: product(7_000),
    f"{LARGE}: 4 GB": lambda: large(2**30),
    f"{LARGE}: 1 TB": lambda: large(2**38),
    f"{LARGE}: more than there are": lambda: large(2**62),
    f"{LARGE}: 4 GB while it is opened": lambda: large(2**30, delayed=False),
    f"{LARGE}: 2.2 GB in pieces": lambda: product(14_000),
    f"{LARGE}: it grows": growing,
    "less than nothing": lambda: large(-5),
    "scores: NaN": lambda: scores_of(FAIR * np.nan),
    "scores: infinity": lambda: scores_of(FAIR * np.inf),
    "scores: one is NaN": lambda: scores_of(np.array([[0.5, 0.5, np.nan, 0]], np.float32)),
    "scores: below 0": lambda: scores_of(np.array([[1.5, -0.5, 0, 0]], np.float32)),
    "scores: sum of 0": lambda: scores_of(FAIR * 0),
    "scores: sum of 4": lambda: scores_of(FAIR * 4),
    "scores: 1e38": lambda: scores_of(FAIR * np.float32(1e38)),
    "scores: three": lambda: scores_of(
        np.full((1, 3), 1 / 3, np.float32), outputs=[info("scores", FLOAT, (1, 3)), info("embedding", shape=(1, 1))]
    ),
    "scores: three for four": lambda: after_sound(
        node("Cast", ["zero"], "no", to=INT64),
        node("Add", ["size", "no"], "three"),
        node("Expand", ["third", "three"], "scores"),
        constants=[constant("size", np.array([1, 3])), constant("third", np.float32(1 / 3))],
    ),
    "scores: two rows": lambda: scores_of(
        np.repeat(FAIR, 2, axis=0), outputs=[info("scores", FLOAT, (2, 4)), info("embedding", shape=(1, 1))]
    ),
    "scores: no row": lambda: scores_of(
        FAIR[:0], outputs=[info("scores", FLOAT, (0, 4)), info("embedding", shape=(1, 1))]
    ),
    "scores: a list": lambda: scores_of(
        FAIR[0], outputs=[info("scores", FLOAT, (4,)), info("embedding", shape=(1, 1))]
    ),
    "scores: any shape": lambda: scores_of(
        FAIR[0], outputs=[info("scores", FLOAT, None), info("embedding", shape=(1, 1))]
    ),
    "scores: a number": lambda: scores_of(
        np.float32(1), outputs=[info("scores", FLOAT, ()), info("embedding", shape=(1, 1))]
    ),
    "scores: of the sound's length": lambda: model(
        [node("Softmax", ["waveform"], "scores")],
        outputs=[info("scores", FLOAT, (1, "n")), info("embedding", shape=(1, 1))],
    ),
    "scores: double": lambda: _typed(TensorProto.DOUBLE, FAIR.astype(np.float64)),
    "scores: half": lambda: _typed(TensorProto.FLOAT16, FAIR.astype(np.float16)),
    "scores: whole numbers": lambda: _typed(INT64, np.array([[1, 0, 0, 0]])),
    "scores: true": lambda: _typed(BOOL, np.array([[True, False, False, False]])),
    "scores: text": lambda: _typed(TEXT, np.array([["a", "b", "c", "d"]], object)),
    "scores: a sequence": _sequence,
    "scores: NaN for loud sound": lambda: when_loud(FAIR * np.nan),
    "scores: 7 for loud sound": lambda: when_loud(FAIR * 7),
    "embedding: NaN": lambda: _embedding(np.array([[np.nan]], np.float32)),
    "embedding: infinity": lambda: _embedding(np.array([[-np.inf]], np.float32)),
    "embedding: 1e38": lambda: _embedding(np.array([[1e38]], np.float32)),
    "embedding: empty": lambda: _embedding(np.zeros((1, 0), np.float32), (1, 0)),
    "embedding: a million": lambda: _embedding(np.zeros((1, 10**6), np.float32), (1, 10**6)),
    "embedding: as long as the sound": lambda: model(
        [node("Concat", ["waveform", "waveform", "waveform", "waveform", "waveform"], "embedding", axis=1)],
        outputs=[info("scores"), info("embedding", shape=(1, "m"))],
    ),
    "embedding: text": lambda: _embedding(np.array([["x"]], object), kind=TEXT),
    "embedding: four dimensions": lambda: _embedding(np.zeros((1, 1, 1, 1), np.float32), (1, 1, 1, 1)),
    "embedding: missing": lambda: model(embedding=False, outputs=[info("scores")]),
    "speech: NaN": lambda: _speech([[np.nan]]),
    "speech: 2": lambda: _speech([[2.0]]),
    "speech: two": lambda: _speech([[0.5, 0.5]], (1, 2)),
    "inputs: none": lambda: model(
        [node("Identity", ["inside"], "embedding")], constants=[constant("inside", FAIR[:, :1])], inputs=[]
    ),
    "inputs: text": lambda: model(
        [node("Identity", ["inside"], "embedding")],
        constants=[constant("inside", FAIR[:, :1])],
        inputs=[info("waveform", TEXT, (1, "n"))],
    ),
    "inputs: double": lambda: model(
        [node("Identity", ["inside"], "embedding")],
        constants=[constant("inside", FAIR[:, :1])],
        inputs=[info("waveform", TensorProto.DOUBLE, (1, "n"))],
    ),
    "inputs: of 7 samples": lambda: model(inputs=[info("waveform", shape=(1, 7))]),
    "inputs: four dimensions": lambda: model(inputs=[info("waveform", shape=(1, 1, 1, "n"))]),
    "inputs: a second one": lambda: _unused_inputs(1),
    "inputs: a thousand": lambda: _unused_inputs(1000),
    "inputs: another name": lambda: model(
        [node("Identity", ["sound"], "waveform")], inputs=[info("sound", shape=(1, "n"))]
    ),
    "run: reshape": lambda: _fails("Reshape", [3, 7]),
    "run: gather": lambda: _fails("Gather", [99]),
    "run: expand": lambda: _fails("Expand", [5, 7]),
    "run: tile by 2^40": lambda: _fails("Tile", [2**40, 2**20]),
    "run: divided by nothing": lambda: after_sound(
        node("Cast", ["zero"], "no", to=INT64),
        node("Div", ["ones", "no"], "whole"),
        node("Cast", ["whole"], "scores", to=FLOAT),
        constants=[constant("ones", np.array([[1, 1, 1, 1]]))],
    ),
    "operator: unknown": lambda: model([node("Conquer", ["waveform"], "scores")]),
    "operator: of a stranger": lambda: model(
        [helper.make_node("Run", ["waveform"], ["scores"], domain="stranger")], domains=[("stranger", 1)]
    ),
    "operator: of python": lambda: model(
        [helper.make_node("PythonOp", ["waveform"], ["scores"], domain="com.microsoft")], domains=[("com.microsoft", 1)]
    ),
    "opset: 9999": lambda: model(opset=9999),
    "opset: 0": lambda: model(opset=0),
    "version of the format: 2^40": lambda: model(ir=2**40),
    "function: calls itself": recursive,
    "nodes: in a circle": circular,
    "nodes: an input that nobody makes": lambda: model([node("Identity", ["nobody"], "scores")]),
    "nodes: the same output twice": lambda: model(
        [node("Identity", ["waveform"], "scores"), node("Identity", ["waveform"], "scores")]
    ),
    "branches: in each other": lambda: deep(4),
    "external: a file beside it": lambda: external("weights.bin"),
    "external: a file above it": lambda: external("../secret.bin"),
    "external: passwords": lambda: external("/etc/passwd"),
    "external: a device": lambda: external("/dev/zero", length=2**33),
    "external: an address in memory": lambda: external("*/_ORT_MEM_ADDR_/*", offset=4096),
    "external: in a branch": lambda: external_in_a_branch("/etc/passwd"),
    "properties: none": lambda: model(properties={}),
    "properties: other emotions": lambda: model(
        properties={"emotions": '["a"]', "sample_rate": "16000", "extractor": '"loudness"'}
    ),
    "properties: 10 MB": lambda: model(properties={"emotions": "x" * 10**7}),
}


def _own() -> bytes:
    return handmade.graph()


def _damaged(at: int, byte: int) -> bytes:
    content = bytearray(_own())
    content[at] = byte
    return bytes(content)


#: Name -> a function that makes the bytes of the file.
FILES: dict[str, Callable[[], bytes]] = {
    "file: empty": lambda: b"",
    "file: text": lambda: b"this is a model, trust me",
    "file: a pickle": lambda: b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "file: an archive": lambda: b"PK\x03\x04" + bytes(200),
    "file: zeros": lambda: bytes(10**6),
    "file: ones": lambda: b"\xff" * 10**6,
    "file: half": lambda: _own()[: len(_own()) // 2],
    "file: all but a byte": lambda: _own()[:-1],
    "file: the format of onnxruntime": lambda: b"\x08\x0a\x12\x00ORTM" + bytes(100),
    "file: a length of 2^60": lambda: b"\x3a" + b"\xff" * 8 + b"\x0f" + bytes(50),
    "file: groups in groups": lambda: b"\x0b" * 100_000,
    "file: messages in messages": lambda: _nested(5_000),
    "file: a million empty nodes": lambda: b"\x3a" + _varint(2 * 10**6) + b"\x0a\x00" * 10**6,
    "file: a type that is none": lambda: _damaged(0, 0x0F),
}


def _varint(value: int) -> bytes:
    content = b""
    while value > 0x7F:
        content, value = content + bytes([value & 0x7F | 0x80]), value >> 7
    return content + bytes([value])


def _nested(n_levels: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on."""
    content = b""
    for _ in range(n_levels):
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            content = tag + _varint(len(content)) + content
    return b"\x3a" + _varint(len(content)) + content


def graphs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the file of each."""
    for name, make in MODELS.items():
        yield name, make().SerializeToString()
    for name, build in FILES.items():
        yield name, build()
