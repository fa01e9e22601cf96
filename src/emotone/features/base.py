"""The base of every extractor: a stateless torch module from a waveform to named features."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from emotone.audio import SAMPLE_RATE
from emotone.features.columns import FeatureColumn


class Extractor(nn.Module):
    """From a waveform to one row of named features, or, for a sequence, one row per frame.

    Subclasses set `name` and implement `columns` and `forward`.  An extractor learns nothing from data, so it may run
    before the split, once for all folds.

    Attributes
    ----------
    name
        Name in the registry.
    sample_rate
        Sample rate of the waveform, Hz.
    is_graph
        Whether it can become an ONNX graph.  If not (openSMILE), a bundle holds its name instead.
    is_sequence
        Whether it gives one row per frame rather than one row per clip.
    stored_as
        Type of the features in the store, ``"float32"`` or ``"float16"``.
    """

    name: str = "extractor"
    sample_rate: int = SAMPLE_RATE
    is_graph: bool = True
    is_sequence: bool = False
    stored_as: str = "float32"

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.settings = dict(settings or {})

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of a row, with different names."""
        raise NotImplementedError

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; for a sequence (1, frames, d)."""
        raise NotImplementedError

    def sources(self) -> tuple[object, ...]:
        """Return the modules whose code decides the values; their text is part of the digest."""
        module = inspect.getmodule(type(self))
        return (module,) if module else ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the name, the settings and the code: if it differs, the features may differ.

        It is part of the store's key, so that a changed extractor never gets features of an older version.
        """
        text = [inspect.getsource(source) for source in self.sources()]  # type: ignore[arg-type]
        described = json.dumps([self.name, self.sample_rate, self.settings, text], sort_keys=True, default=str)
        return hashlib.sha256(described.encode()).hexdigest()

    @torch.inference_mode()
    def extract(self, waveform: Tensor) -> Tensor:
        """(n,) -> (d,), or (frames, d) for a sequence, without gradients."""
        features: Tensor = self(waveform[None])[0]
        return features

    def compute(self, samples: np.ndarray) -> np.ndarray:
        """(n,) float32 -> (d,) or (frames, d) float32, without the ONNX graph."""
        return np.asarray(self.extract(torch.from_numpy(np.ascontiguousarray(samples))).numpy())
