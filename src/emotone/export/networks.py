"""Export fitted networks as an ONNX graph from frames to probabilities and embedding."""

import onnx
import torch
from torch import Tensor

from emotone.errors import ExportError
from emotone.features.encoders.quantize import pack
from emotone.features.graph import module_graph
from emotone.models.deep.adaptive import AdaptiveClassifier
from emotone.models.deep.adaptive_network import AdaptiveInferenceModule
from emotone.models.deep.classifier import NeuralClassifier

#: A clip of 0.2 s has 10 states of Whisper, or 4 of every third, 9 of wav2vec 2.0 and 13 frames of a spectrogram.
MIN_FRAMES = 4
SPEAKER_INPUTS = ("speaker", "heard")
_MAX_FRAMES = 10 * 3600 * 63
_EXAMPLE_FRAMES = 97  # odd and no multiple of a stride, so that the exporter takes no length for a constant


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
        Input ``features`` float32 [1, T, d], T >= 4; outputs ``probabilities`` [1, k], columns in the order of
        `classes_`, and ``embedding`` [1, e].  An adaptive classifier also has the inputs `SPEAKER_INPUTS`: [1, e], the
        mean embedding of clips of the same speaker, and [1], their number.  A classifier with a gate also has the
        output ``speech`` [1, 1], the probability of speech.

    Raises
    ------
    ExportError
        The exporter failed, or the networks were fitted on a different number of columns.
    """
    if len(classifier.mean_) != n_columns:
        raise ExportError(
            f"the networks were fitted on frames of {len(classifier.mean_)} values, not of {n_columns}: export them "
            "with their own extractor"
        )
    module: torch.nn.Module = classifier.inference_module()
    examples = {"features": torch.zeros(1, _EXAMPLE_FRAMES, n_columns)}
    if isinstance(classifier, AdaptiveClassifier):
        adaptive = classifier.inference_module()
        module = _Positional(adaptive)
        examples |= dict(zip(SPEAKER_INPUTS, (torch.zeros(1, adaptive.width), torch.ones(1)), strict=True))
    with torch.inference_mode():
        outputs = module(*examples.values())
    model = module_graph(
        module,
        examples,
        length=torch.export.Dim("frames", min=MIN_FRAMES, max=_MAX_FRAMES),
        output_names=["probabilities", "embedding", "speech"][: len(outputs)],
        what=f"the network {classifier.network.__name__}",
    )
    if isinstance(classifier, AdaptiveClassifier):
        _pack_projections(model)
    for output, value in zip(model.graph.output, outputs, strict=True):
        del output.type.tensor_type.shape.dim[:]
        for size in (1, value.shape[1]):
            output.type.tensor_type.shape.dim.add().dim_value = size
    return model


def _pack_projections(model: onnx.ModelProto) -> None:
    """Store the projections, constants of (columns, width), in the 8 bits to which they are already rounded."""
    constants = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    products = [node.input[1] for node in model.graph.node if node.op_type == "MatMul"]
    pack(model, {name: 1 for name in products if len(constants.get(name, ())) == 2})


class _Positional(torch.nn.Module):
    """An adaptive network with positional inputs, as the exporter needs them."""

    def __init__(self, module: AdaptiveInferenceModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, frames: Tensor, speaker: Tensor, n_clips: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.module(frames, speaker=speaker, n_clips=n_clips)
        return outputs if self.module.gate is None else (*outputs, self.module.speech(frames))
