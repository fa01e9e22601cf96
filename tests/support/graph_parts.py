"""What the graphs of strangers are made of."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from support import handmade

FLOAT, INT64, TEXT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL


def info(name, kind=FLOAT, shape=(1, 4)):
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind, inputs, *outputs, **attributes):
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


FAIR = np.array([[0.25, 0.25, 0.25, 0.25]], np.float32)


def model(
    nodes=(),
    *,
    constants=(),
    scores="scores",
    inputs=None,
    outputs=None,
    embedding=True,
    opset=20,
    ir=10,
    domains=(),
    functions=(),
    properties=None,
) -> onnx.ModelProto:
    """Return a model; without nodes for them, the scores are even and the embedding is the mean of the sound."""
    nodes, constants = list(nodes), list(constants)
    made = {name for each in nodes for name in each.output}
    if scores == "scores" and "scores" not in made:
        nodes.append(node("Identity", ["fair"], "scores"))
        constants.append(constant("fair", FAIR))
    if embedding and "embedding" not in made:
        nodes.append(node("ReduceMean", ["waveform", "axis"], "embedding", keepdims=1))
        constants.append(constant("axis", np.array([1])))
    graph = helper.make_graph(
        nodes,
        "hostile",
        [info("waveform", shape=(1, "n"))] if inputs is None else inputs,
        [info("scores"), info("embedding", shape=(1, 1))] if outputs is None else outputs,
        constants,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*domain) for domain in domains)]
    made_model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=list(functions))
    stated = {"emotions": handmade.EMOTIONS, "sample_rate": 16_000, "extractor": "loudness"}
    texts = {key: json.dumps(value) for key, value in stated.items()} if properties is None else properties
    helper.set_model_props(made_model, texts)
    return made_model


def scores_of(value, **options):
    """Scores that are always these."""
    return model([node("Identity", ["value"], "scores")], constants=[constant("value", value)], **options)


def after_sound(*nodes, constants=(), **options):
    """Nodes that compute ``scores`` from ``zero``, which only a run makes: it is 0 times the sound."""
    begin = [
        node("ReduceSum", ["waveform"], "sum", keepdims=0),
        node("Mul", ["sum", "nothing"], "zero"),
    ]
    return model([*begin, *nodes], constants=[constant("nothing", np.float32(0)), *constants], **options)


def loop(n_times, *, depth=1, delayed=True):
    """A loop that runs so many times, at ``depth`` levels in each other, which is the exponent."""

    def body(level):
        inner = [] if level == depth else _loop_nodes(level + 1)
        last = "carried_in" if level == depth else f"carried_{level + 1}"
        return helper.make_graph(
            [
                *inner,
                node("Identity", ["condition_in"], "condition_out"),
                node("Sin" if level == depth else "Identity", [last], "carried_out"),
            ],
            f"body_{level}",
            [info("number", INT64, ()), info("condition_in", BOOL, ()), info("carried_in", FLOAT, ())],
            [info("condition_out", BOOL, ()), info("carried_out", FLOAT, ())],
        )

    def _loop_nodes(level):
        start = ("zero" if delayed else "nothing") if level == 1 else "carried_in"
        return [node("Loop", ["times", "true", start], f"carried_{level}", body=body(level))]

    nodes = [*_loop_nodes(1), node("Add", ["even", "carried_1"], "scores")]
    constants = [constant("times", np.int64(n_times)), constant("true", np.bool_(True)), constant("even", FAIR)]
    return after_sound(*nodes, constants=constants)


def endless_when_loud():
    """A loop that never ends, for sound that has a sample above a half."""
    body = helper.make_graph(
        [node("Identity", ["condition_in"], "condition_out"), node("Sin", ["carried_in"], "carried_out")],
        "body",
        [info("number", INT64, ()), info("condition_in", BOOL, ()), info("carried_in", FLOAT, ())],
        [info("condition_out", BOOL, ()), info("carried_out", FLOAT, ())],
    )
    return after_sound(
        node("ReduceMax", ["waveform"], "peak", keepdims=0),
        node("Greater", ["peak", "half"], "loud"),
        node("Cast", ["loud"], "one", to=INT64),
        node("Mul", ["one", "many"], "times"),
        node("Loop", ["times", "true", "zero"], "carried", body=body),
        node("Add", ["even", "carried"], "scores"),
        constants=[
            constant("half", np.float32(0.5)),
            constant("many", np.int64(2**62)),
            constant("true", np.bool_(True)),
            constant("even", FAIR),
        ],
    )


def growing():
    """A loop that makes its values twice as long each time."""
    body = helper.make_graph(
        [
            node("Identity", ["condition_in"], "condition_out"),
            node("Concat", ["carried_in", "carried_in"], "carried_out", axis=0),
        ],
        "body",
        [info("number", INT64, ()), info("condition_in", BOOL, ()), info("carried_in", FLOAT, ("m",))],
        [info("condition_out", BOOL, ()), info("carried_out", FLOAT, ("k",))],
    )
    return after_sound(
        node("Reshape", ["zero", "one"], "row"),
        node("Loop", ["times", "true", "row"], "long", body=body),
        node("ReduceMax", ["long"], "most", keepdims=0),
        node("Add", ["even", "most"], "scores"),
        constants=[
            constant("one", np.array([1])),
            constant("times", np.int64(40)),
            constant("true", np.bool_(True)),
            constant("even", FAIR),
        ],
    )


def large(n_values, *, delayed=True):
    """An array of so many values: the shape is in the file, or computed from the sound."""
    size = [node("Cast", ["zero"], "no", to=INT64), node("Add", ["shape", "no"], "size")]
    nodes = [
        *(size if delayed else []),
        node("ConstantOfShape", ["size" if delayed else "shape"], "many"),
        node("Sin", ["many"], "waves"),
        node("ReduceMax", ["waves"], "most", keepdims=0),
        node("Add", ["even", "most"], "scores"),
    ]
    return after_sound(*nodes, constants=[constant("shape", np.array([n_values])), constant("even", FAIR)])


def product(n):
    """A product of two matrices (n, n): n cubed steps."""
    return after_sound(
        node("Expand", ["zero", "shape"], "matrix"),
        node("MatMul", ["matrix", "matrix"], "squared"),
        node("MatMul", ["squared", "squared"], "again"),
        node("ReduceMax", ["again"], "most", keepdims=0),
        node("Add", ["even", "most"], "scores"),
        constants=[constant("shape", np.array([n, n])), constant("even", FAIR)],
    )


def external(location, *, offset=0, length=16):
    """Scores that are in another file."""
    made = scores_of(FAIR)
    tensor = next(each for each in made.graph.initializer if each.name == "value")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return made


def external_in_a_branch(location):
    """The same in an attribute of a node of a branch."""
    inner = external(location).graph.initializer[0]
    inner.name = "hidden"
    branch = helper.make_graph([node("Constant", [], "chosen", value=inner)], "branch", [], [info("chosen")])
    return after_sound(
        node("Cast", ["zero"], "no", to=BOOL),
        node("If", ["no"], "scores", then_branch=branch, else_branch=branch),
    )


def deep(n_levels):
    """Branches in branches."""
    graph = helper.make_graph([node("Identity", ["value"], "x0")], "leaf", [], [info("x0")])
    for level in range(1, n_levels):
        inner = node("If", ["no"], f"x{level}", then_branch=graph, else_branch=graph)
        graph = helper.make_graph([inner], f"level{level}", [], [info(f"x{level}")])
    return after_sound(
        node("Cast", ["zero"], "no", to=BOOL),
        node("If", ["no"], "scores", then_branch=graph, else_branch=graph),
        constants=[constant("value", FAIR)],
    )


def recursive():
    """A function that calls itself."""
    call = helper.make_node("again", ["x"], ["y"], domain="mine")
    function = helper.make_function("mine", "again", ["x"], ["y"], [call], [helper.make_opsetid("mine", 1)])
    start = helper.make_node("again", ["fair_values"], ["scores"], domain="mine")
    return model([start], constants=[constant("fair_values", FAIR)], functions=[function], domains=[("mine", 1)])


def circular():
    return model([node("Identity", ["a"], "b"), node("Identity", ["b"], "a"), node("Identity", ["a"], "scores")])


def when_loud(value):
    """Even scores, and other ones where the sound is loud."""
    return model(
        [
            node("ReduceMax", ["waveform"], "peak", keepdims=0),
            node("Greater", ["peak", "half"], "loud"),
            node("Where", ["loud", "other", "even"], "scores"),
        ],
        constants=[
            constant("half", np.float32(0.5)),
            constant("other", np.asarray(value, np.float32)),
            constant("even", FAIR),
        ],
    )
