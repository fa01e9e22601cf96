"""Fitted networks as an ONNX graph: frames in, probabilities and embedding out."""

import onnx
import torch

from emotone.errors import ExportError
from emotone.features.graph import module_graph
from emotone.models.neural import NeuralClassifier

#: A clip of 0.2 s has 13 frames.
MIN_FRAMES = 13
_MAX_FRAMES = 10 * 3600 * 63
_EXAMPLE_FRAMES = 97  # odd, and no multiple of a network's strides: so no length is taken for a constant


def network_graph(classifier: NeuralClassifier, n_columns: int) -> onnx.ModelProto:
    """Build the graph of fitted networks.

    Parameters
    ----------
    classifier
        Fitted on clips of (T, n_columns).
    n_columns
        d.

    Returns
    -------
    onnx.ModelProto
        Input ``features`` float32 [1, T, d], T >= 13; outputs ``probabilities`` [1, k], columns in the order of
        `classes_`, and ``embedding`` [1, e].

    Raises
    ------
    ExportError
        The exporter failed, or the networks were fitted on another number of columns.
    """
    if len(classifier.mean_) != n_columns:
        raise ExportError(
            f"the networks were fitted on frames of {len(classifier.mean_)} values, not of {n_columns}: export them "
            "with their own extractor"
        )
    deployed = classifier.deployed()
    example = torch.zeros(1, _EXAMPLE_FRAMES, n_columns)
    model = module_graph(
        deployed,
        example,
        length=torch.export.Dim("frames", min=MIN_FRAMES, max=_MAX_FRAMES),
        input_name="features",
        output_names=["probabilities", "embedding"],
        what=f"the network {classifier.network.__name__}",
    )
    with torch.inference_mode():
        probabilities, embedding = deployed(example)
    for output, width in zip(model.graph.output, (probabilities.shape[1], embedding.shape[1]), strict=True):
        del output.type.tensor_type.shape.dim[:]
        for size in (1, width):
            output.type.tensor_type.shape.dim.add().dim_value = size
    return model
