"""What every extractor is: a stateless torch module from waveform to named features."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from emotone.audio import SAMPLE_RATE


class Extractor(nn.Module):
    """A waveform in, one row of named features out; or, of a sequence, one such row a frame.

    Subclasses set `name` and implement `feature_names` and `forward`.  An extractor learns nothing, so it may run
    before the split, once for all folds.

    Attributes
    ----------
    name
        Its name in the registry.
    sample_rate
        Of the waveform that it takes, Hz.
    is_graph
        Whether it can be part of an ONNX graph.  One that can't (openSMILE) is named by the bundle instead.
    is_sequence
        Whether it gives frames, as many as the clip is long, in place of one row.
    stored_as
        The type in which the store keeps its features, ``"float32"`` or ``"float16"``.
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
    def feature_names(self) -> tuple[str, ...]:
        """One name a column, all different."""
        raise NotImplementedError

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; a sequence (1, frames, d)."""
        raise NotImplementedError

    def sources(self) -> tuple[object, ...]:
        """The modules whose code decides the values; their text is part of the digest."""
        module = inspect.getmodule(type(self))
        return (module,) if module else ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the name, the settings and the code: another value means that features may differ.

        It keys the on-disk store, so that a changed extractor never meets the features of an older one.
        """
        text = [inspect.getsource(source) for source in self.sources()]  # type: ignore[arg-type]
        described = json.dumps([self.name, self.sample_rate, self.settings, text], sort_keys=True, default=str)
        return hashlib.sha256(described.encode()).hexdigest()

    @torch.inference_mode()
    def extract(self, waveform: Tensor) -> Tensor:
        """(n,) -> (d,), without gradients; what the tests and short scripts use."""
        features: Tensor = self(waveform[None])[0]
        return features
