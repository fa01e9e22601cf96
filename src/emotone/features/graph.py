"""Export an extractor as an ONNX graph, which the store runs for training and a bundle contains for prediction."""

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from emotone.audio import MIN_SAMPLES
from emotone.errors import ExportError
from emotone.features.base import Extractor
from emotone.features.encoders.names import INT8
from emotone.features.encoders.quantize import quantized

#: ai.onnx operator set of every exported graph.
OPSET = 20
_MAX_SAMPLES = 16_000 * 3600 * 10


def extractor_graph(extractor: Extractor) -> onnx.ModelProto:
    """Return the extractor as a graph: ``waveform`` float32 [1, n] -> ``embedding`` float32 [1, d] or [1, frames, d].

    Raises
    ------
    ExportError
        The extractor can't become a graph (openSMILE), or the exporter failed.
    """
    if not extractor.is_graph:
        raise ExportError(f"the extractor {extractor.name!r} can't be an ONNX graph; a bundle names it instead")
    model = module_graph(
        extractor,
        {"waveform": torch.sin(torch.arange(3 * extractor.sample_rate) * 0.05)[None]},
        length=torch.export.Dim("n", min=MIN_SAMPLES, max=_MAX_SAMPLES),
        output_names=["embedding"],
        what=f"the extractor {extractor.name!r}",
    )
    return quantized(model) if extractor.name.startswith(INT8) else model


def module_graph(
    module: nn.Module, examples: Mapping[str, Tensor], *, length: Dim, output_names: list[str], what: str
) -> onnx.ModelProto:
    """Export a torch module; the second axis of its first input may have any length.

    Parameters
    ----------
    module
        Set to evaluation mode.
    examples
        Inputs by name, in the order of the module's arguments: the first (1, n, ...), the others of fixed shapes.
    length
        Name and range of n.
    output_names
        Names of the outputs of the graph.
    what
        Name of the module in the error message.

    Raises
    ------
    ExportError
        The exporter failed.
    """
    noise = io.StringIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            warnings.simplefilter("ignore")  # deprecations inside the exporter
            program = torch.onnx.export(
                module.eval(),
                tuple(examples.values()),
                dynamo=True,
                input_names=list(examples),
                output_names=output_names,
                dynamic_shapes=({1: length}, *({} for _ in range(len(examples) - 1))),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds
        raise ExportError(f"{what} could not be exported: {error}") from error
    if program is None:
        raise ExportError(f"{what} could not be exported: the exporter returned nothing")
    model: onnx.ModelProto = program.model_proto
    del model.graph.value_info[:]  # half of the shapes depend on the length; runtimes infer them again
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces of the exporting machine
        node.doc_string = ""
    return model
