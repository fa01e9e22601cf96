"""States of any audio encoder on samples that transformers can load: wav2vec 2.0, HuBERT, WavLM and others."""

import hashlib
import inspect
import json
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotone.errors import FeatureError, MissingExtraError
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn
from emotone.features.encoders import pooling
from emotone.features.encoders.names import SIZES, EncoderName
from emotone.features.encoders.weights import first_line, quiet

#: Root mean square of the input, unless the model's settings ask for unit variance.
LEVEL = 0.08
_SETTINGS, _SAMPLES = "config.json", ("preprocessor_config.json", "processor_config.json")
# the first kind that exists; torch reads the second as numbers only, not as a pickle that may run code
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_UNUSED = "masked_spec_embed"  # masks frames in pre-training; some checkpoints lack it
_VOLATILE = frozenset({"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"})


class HubEncoder(Extractor):
    """States after some blocks of a pretrained encoder, as frames or as statistics over time.

    The weights are loaded for the first clip that is not in the store.

    Parameters
    ----------
    name
        Model (a name on the hub, or a folder), layers and pooling.

    Raises
    ------
    FeatureError
        The model can't be loaded, does not take samples at 16 kHz, or has fewer layers.
    MissingExtraError
        The extra ``hub`` is not installed.

    Notes
    -----
    It can't become a graph: a bundle holds its name; prediction needs the extras ``train`` and ``hub``, and the model.
    """

    is_graph = False

    def __init__(self, name: EncoderName) -> None:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError(f"the encoder {name.model!r}", extra="hub") from error
        self._folder = _folder(name.model)
        self._weights = _weight_files(self._folder, name.model)
        config = _config(self._folder, name)
        settings = {key: value for key, value in config.to_dict().items() if key not in _VOLATILE}
        self._normalize = _normalizes(self._folder, name.model)
        super().__init__(
            {
                "model": settings,
                "normalize": self._normalize,
                "layers": name.layers,
                "pooling": name.pooling,
                "transformers": transformers.__version__,
            }
        )
        self.name = str(name)
        self.is_sequence = name.is_sequence
        self._of = name
        self._width, self._n_layers = int(config.hidden_size), int(config.num_hidden_layers)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """Layer by layer, first all means and then all deviations: ``hubert-base-ls960-9-mean-1`` is the first."""
        return pooling.columns(self._of.label, self._of.layers, width=self._width, pooling=self._of.pooling)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights, the settings and the code, but not of the model's name or place."""
        weights = []
        for path in self._weights:
            with path.open("rb") as file:
                weights.append(hashlib.file_digest(file, "sha256").hexdigest())
        text = [inspect.getsource(module) for module in (sys.modules[__name__], pooling)]
        described = json.dumps([weights, self.settings, text], sort_keys=True, default=str)
        return hashlib.sha256(described.encode()).hexdigest()

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; for frames (1, T, width)."""
        samples = waveform - waveform.mean() if self._normalize else waveform
        power = torch.clamp((samples * samples).mean(), min=1e-14)
        samples = samples * torch.rsqrt(power) * (1.0 if self._normalize else LEVEL)
        states = self._model(samples, output_hidden_states=True).hidden_states
        return pooling.pooled([states[layer] for layer in self._of.layers], self._of.pooling)

    @cached_property
    def _model(self) -> Any:
        """The model, with one block more than the last layer needed.

        Some models apply a layer norm after their last block.  That belongs to the state only if the block is the last
        of the whole model.
        """
        from transformers import AutoModel

        n_layers = min(self._n_layers, max(self._of.layers) + 1)
        try:
            with quiet():
                model, info = AutoModel.from_pretrained(
                    self._folder,
                    num_hidden_layers=n_layers,
                    output_loading_info=True,
                    local_files_only=True,
                    trust_remote_code=False,
                )
        except Exception as error:  # damaged files, unknown settings: many kinds
            raise FeatureError(
                f"{self._of.model!r} can't be loaded ({first_line(error)}); get the model again"
            ) from error
        missing = sorted(key for key in info["missing_keys"] if not key.endswith(_UNUSED))
        if missing:  # transformers would continue with random numbers
            raise FeatureError(
                f"{self._of.model!r} lacks {len(missing)} of its weights (the first: {missing[0]}); it is damaged, or "
                "no encoder: get it again, or name another"
            )
        return model.float().eval().requires_grad_(False)


def _folder(model: str) -> Path:
    """Return the folder of a model's files, downloaded from the hub if necessary."""
    local = Path(model).expanduser()
    if local.is_dir():
        return local
    import huggingface_hub

    try:
        # a repository may have both kinds of weights: the second kind is downloaded only if the first is missing
        for pattern in _WEIGHTS:
            folder = Path(huggingface_hub.snapshot_download(model, allow_patterns=["*.json", pattern]))
            if any(folder.glob(pattern)):
                break
    except Exception as error:  # connection, authorisation, an invalid name: they share no base class
        raise FeatureError(
            f"{model!r} is no folder and can't be loaded from the model hub ({first_line(error)}); connect to it once "
            "(it is kept after that), check the name, or name a folder that holds the model"
        ) from error
    return folder


def _weight_files(folder: Path, model: str) -> list[Path]:
    for pattern in _WEIGHTS:
        files = sorted(folder.glob(pattern))
        if files:
            return files
    raise FeatureError(f"{model!r} holds no weights; expected {' or '.join(_WEIGHTS)}: name another model")


def _config(folder: Path, name: EncoderName) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # no file, no JSON, an unknown kind of model
        raise FeatureError(
            f"{name.model!r} has no {_SETTINGS} that transformers understands ({first_line(error)}); name another model"
        ) from error
    if config.model_type == "whisper":
        raise FeatureError(
            f"{name.model!r} is a Whisper, whose features are named whisper-<size>@<layers>; sizes: {', '.join(SIZES)}"
        )
    needed = ("conv_kernel", "hidden_size", "num_hidden_layers")  # convolutions over samples, then blocks
    if not all(hasattr(config, key) for key in needed) or getattr(config, "is_encoder_decoder", False):
        raise FeatureError(
            f"{name.model!r} is a {config.model_type!r}, which is no encoder of samples; expected one such as "
            "wav2vec2, hubert, wavlm, unispeech or data2vec-audio"
        )
    if max(name.layers) > config.num_hidden_layers:
        raise FeatureError(
            f"layer {max(name.layers)} of {name.model!r} is asked for, which has {config.num_hidden_layers} blocks; "
            "name a lower one"
        )
    return config


def _normalizes(folder: Path, model: str) -> bool:
    """Return whether the model needs samples of zero mean and unit variance; False if no file says so."""
    if not any((folder / name).is_file() for name in _SAMPLES):
        return False
    from transformers import AutoFeatureExtractor

    try:
        theirs = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # no JSON, an unknown kind
        raise FeatureError(
            f"{model!r} has a {_SAMPLES[0]} that transformers does not understand ({first_line(error)}); get it again"
        ) from error
    if theirs.sampling_rate != Extractor.sample_rate:
        raise FeatureError(
            f"{model!r} takes samples at {theirs.sampling_rate} Hz, expected {Extractor.sample_rate} Hz; name another"
        )
    return bool(getattr(theirs, "do_normalize", False))
