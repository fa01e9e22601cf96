"""Fitted networks as an ONNX graph: frames in, probabilities and embedding out."""

import onnx
import torch
from torch import Tensor

from emotone.errors import ExportError
from emotone.features.encoders.quantize import pack
from emotone.features.graph import module_graph
from emotone.models.deep.adaptive import AdaptiveClassifier, DeployedAdaptive
from emotone.models.deep.neural import NeuralClassifier

#: A clip of 0.2 s has 10 states of Whisper, 9 of wav2vec 2.0 and 13 frames of a spectrogram.
MIN_FRAMES = 9
SPEAKER_INPUTS = ("speaker", "heard")
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
        Input ``features`` float32 [1, T, d], T >= 9; outputs ``probabilities`` [1, k], columns in the order of
        `classes_`, and ``embedding`` [1, e].  Of an adaptive classifier also the inputs `SPEAKER_INPUTS`: ``speaker``
        [1, e], the mean embedding of clips of the same speaker, and ``heard`` [1], how many they were; and, if it has a
        gate, the output ``speech`` [1, 1], the probability that there is any.

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
    deployed: torch.nn.Module = classifier.deployed()
    examples = {"features": torch.zeros(1, _EXAMPLE_FRAMES, n_columns)}
    if isinstance(classifier, AdaptiveClassifier):
        whole = classifier.deployed()
        deployed, width = _Told(whole), whole.width
        examples |= dict(zip(SPEAKER_INPUTS, (torch.zeros(1, width), torch.ones(1)), strict=True))
    with torch.inference_mode():
        given = deployed(*examples.values())
    model = module_graph(
        deployed,
        examples,
        length=torch.export.Dim("frames", min=MIN_FRAMES, max=_MAX_FRAMES),
        output_names=["probabilities", "embedding", "speech"][: len(given)],
        what=f"the network {classifier.network.__name__}",
    )
    if isinstance(classifier, AdaptiveClassifier):
        _pack_projections(model)
    for output, value in zip(model.graph.output, given, strict=True):
        del output.type.tensor_type.shape.dim[:]
        for size in (1, value.shape[1]):
            output.type.tensor_type.shape.dim.add().dim_value = size
    return model


def _pack_projections(model: onnx.ModelProto) -> None:
    """Store the projections in the 8 bits that they were rounded to; their constants are (columns, width)."""
    constants = {one.name: list(one.dims) for one in model.graph.initializer}
    products = [node.input[1] for node in model.graph.node if node.op_type == "MatMul"]
    pack(model, {name: 1 for name in products if len(constants.get(name, ())) == 2})


class _Told(torch.nn.Module):
    """An adaptive network with inputs in a row, as the exporter takes them."""

    def __init__(self, deployed: DeployedAdaptive) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, frames: Tensor, speaker: Tensor, heard: Tensor) -> tuple[Tensor, ...]:
        answer: tuple[Tensor, ...] = self.deployed(frames, speaker=speaker, heard=heard)
        return answer if self.deployed.gate is None else (*answer, self.deployed.speech(frames))
