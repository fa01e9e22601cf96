"""States of Whisper encoders as features, 8-bit encoders, and several encoders side by side."""

import hashlib
import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from emotone.features import descriptors, spectral
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn
from emotone.features.encoders import pooling, quantize, whisper
from emotone.features.encoders.names import INT8, THIRDS, EncoderName
from emotone.features.encoders.weights import whisper_weights

#: Every clip is first scaled to this root mean square, about that of the speech the encoders were trained on.
LEVEL = 0.08
#: From one state to the next of the pooling ``"thirds"``.
STEP = 3


class WhisperStates(Extractor):
    """States after some blocks of a Whisper encoder, as frames or as statistics over time.

    A clip keeps its length, without padding; a state covers 20 ms.

    Parameters
    ----------
    name
        Encoder, layers and pooling.  Blocks after the last layer are not loaded.

    Raises
    ------
    FeatureError, MissingExtraError
        The weights can't be loaded, see `emotone.features.encoders.weights.whisper_weights`.
    """

    def __init__(self, name: EncoderName) -> None:
        n_blocks = max(name.layers)
        weights = whisper_weights(name.size, n_blocks)
        super().__init__({"layers": name.layers, "pooling": name.pooling, "weights": weights.digest})
        self.name = str(name)
        self.is_sequence = name.is_sequence
        self.stored_as = "float16" if name.is_sequence else "float32"  # a clip has a hundred thousand numbers
        self.encoder = whisper.WhisperEncoder(weights.width, n_blocks)
        self.encoder.load_state_dict(weights.state)
        self._step = STEP if name.pooling == THIRDS else 1
        if self._step > 1 and n_blocks:
            blocks = self.encoder.blocks
            # Nothing but its layer reads the last block.
            blocks[-1] = whisper.SparseBlock(cast("whisper.Block", blocks[-1]), self._step)
        self.encoder.eval().requires_grad_(False)
        self._of = name
        self._width = weights.width

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """Layer by layer, first all means and then all deviations: ``whisper-base-3-mean-1`` is the first."""
        return pooling.columns(self._of.label, self._of.layers, width=self._width, pooling=self._of.pooling)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; for frames (1, T, width)."""
        states = [self.encoder.start(LEVEL * descriptors.unit_loudness(waveform[0])[None])]
        for block in self.encoder.blocks:
            states.append(block(states[-1]))
        last = len(self.encoder.blocks)
        # The last block is sparse already.
        chosen = [states[layer][:, :: 1 if layer == last and last else self._step] for layer in self._of.layers]
        return pooling.pooled(chosen, self._of.pooling)

    def sources(self) -> tuple[object, ...]:
        """Return this module and the modules whose functions it calls."""
        return (*super().sources(), whisper, pooling, spectral, descriptors)


class EightBit(Extractor):
    """An extractor whose graph has 8-bit weights, see `emotone.features.encoders.quantize`.

    The torch module computes in float.  Only the graph has 8-bit weights; the store runs it, so models are trained on
    its features, and bundles hold it.

    Parameters
    ----------
    of
        An extractor that can become a graph.
    """

    def __init__(self, of: Extractor) -> None:
        super().__init__()
        self.of: Any = of
        self.name = f"{INT8}{of.name}"
        self.is_sequence, self.stored_as = of.is_sequence, of.stored_as

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of the float extractor."""
        columns: tuple[FeatureColumn, ...] = self.of.columns
        return columns

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the extractor's digest and of the code that rounds its weights."""
        return hashlib.sha256(f"{INT8}{self.of.digest}{inspect.getsource(quantize)}".encode()).hexdigest()

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; for frames (1, T, d)."""
        features: Tensor = self.of(waveform)
        return features


class Joined(Extractor):
    """Rows, or frames, of several extractors side by side; a graph if all of them can be one.

    Parameters
    ----------
    parts
        Extractors that all give rows, or all give frames at the same times, with different column names.
    """

    def __init__(self, parts: Sequence[Extractor]) -> None:
        super().__init__()
        self.name = "+".join(part.name for part in parts)
        self.is_graph = all(part.is_graph for part in parts)
        self.is_sequence = parts[0].is_sequence
        self.stored_as = parts[0].stored_as
        self.parts: Any = nn.ModuleList(parts)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of the parts, in order."""
        return tuple(column for part in self.parts for column in part.columns)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the digests of the parts, in order."""
        return hashlib.sha256("+".join(part.digest for part in self.parts).encode()).hexdigest()

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, d) float32; for frames (1, T, d)."""
        return torch.cat([part(waveform) for part in self.parts], dim=-1)
