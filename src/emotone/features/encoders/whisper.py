"""The encoder of Whisper, or its first blocks, for sound of any length.

A. Radford et al., Robust speech recognition via large-scale weak supervision, ICML 2023; https://github.com/openai/whisper
(MIT licence).  States in the middle of the encoder distinguish emotions better than those of the last block, which is
closest to the words.  A clip need not be padded to the 30 seconds with which the decoder was trained.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotone.audio import SAMPLE_RATE
from emotone.features import spectral

#: Samples from one state to the next, 20 ms.
SAMPLES_A_STATE = 320
_N_FFT, _HOP_LENGTH, _N_MELS = 400, 160, 80
_HEAD = 64  # width of an attention head, in every size


class WhisperMel(nn.Module):
    """Whisper's input: 80 Slaney mel bands of 25 ms frames every 10 ms, log10, 8 decades deep, scaled to about -1 to 1.

    Frames are centred; the sound is mirrored at both ends to fill them.
    """

    mel_filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = spectral.mel_filters(sample_rate=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_N_MELS)
        self.register_buffer("mel_filters", torch.from_numpy(filters).float(), persistent=False)
        self.power = spectral.PowerSpectrogram(n_fft=_N_FFT, win_length=_N_FFT, hop_length=_HOP_LENGTH)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) at 16 kHz, n >= 400 -> (1, n // 160, 80)."""
        half, power = _N_FFT // 2, self.power
        padded = functional.pad(waveform[None], (half, half), mode="reflect")[0, 0]
        frames = spectral.frame(padded, length=_N_FFT, hop=_HOP_LENGTH)[:-1]
        tables = (power.cosine_even, power.cosine_odd, power.sine_even, power.sine_odd)
        low, high = spectral.folded_power(frames, tables)
        spectrum = torch.cat([low, high[:, :-1].flip(-1)], dim=-1)
        log = torch.log10(torch.clamp(spectrum @ self.mel_filters, min=1e-10))
        return ((torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0)[None]


class Attention(nn.Module):
    """Self-attention with heads of width 64; a single product gives queries, keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_heads = width // _HEAD
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """(b, T, width), (b, T) true where sound is -> (b, T, width)."""
        batch, _, width = states.shape
        heads = self.inward(states).reshape(batch, -1, 3, self.n_heads, _HEAD)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)  # each (b, heads, T, 64)
        likeness = (query * _HEAD**-0.5) @ key.transpose(2, 3)
        if mask is not None:
            likeness = likeness.masked_fill(~mask[:, None, None], -1e4)
        mixed = likeness.softmax(-1) @ value
        out: Tensor = self.outward(mixed.transpose(1, 2).reshape(batch, -1, width))
        return out


class Block(nn.Module):
    """A block of a pre-norm transformer: attention, then two layers with GELU between, both with residuals."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width)
        self.inner_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """(b, T, width), (b, T) true where sound is -> (b, T, width)."""
        states = states + self.attention(self.attention_norm(states), mask)
        out: Tensor = states + self.narrow(functional.gelu(self.widen(self.inner_norm(states))))
        return out


class SparseBlock(nn.Module):
    """A block that is computed for every ``step``-th state only; attention reads all states.

    Parameters
    ----------
    block
        Its weights are taken.
    step
        From one state to the next that is computed.
    """

    def __init__(self, block: Block, step: int) -> None:
        super().__init__()
        self.step = step
        self.block = block
        attention = block.attention
        width = attention.outward.in_features
        # Apart, since queries are needed for fewer states than keys and values.
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        for part, rows in ((self.query, slice(0, width)), (self.key_value, slice(width, None))):
            part.weight.data = attention.inward.weight.data[rows].clone()
            part.bias.data = attention.inward.bias.data[rows].clone()
        del attention.inward

    def forward(self, states: Tensor) -> Tensor:
        """(b, T, width) -> (b, ceil(T / step), width)."""
        block, normal = self.block, self.block.attention_norm(states)
        batch, _, width = states.shape
        few, asking = states[:, :: self.step], normal[:, :: self.step]
        n_heads = width // _HEAD
        query = self.query(asking).reshape(batch, -1, n_heads, _HEAD).transpose(1, 2)
        heads = self.key_value(normal).reshape(batch, -1, 2, n_heads, _HEAD)
        key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = ((query * _HEAD**-0.5) @ key.transpose(2, 3)).softmax(-1) @ value
        few = few + block.attention.outward(mixed.transpose(1, 2).reshape(batch, -1, width))
        out: Tensor = few + block.narrow(functional.gelu(block.widen(block.inner_norm(few))))
        return out


class WhisperEncoder(nn.Module):
    """Convolutions and the first blocks of the encoder.

    Parameters
    ----------
    width
        Width of the states: 384 (tiny), 512 (base), 768 (small).
    n_blocks
        Number of blocks.
    """

    frequencies: Tensor

    def __init__(self, width: int, n_blocks: int) -> None:
        super().__init__()
        self.mel = WhisperMel()
        # The convolutions over three frames are matrix products, which 8-bit weights make faster.
        self.first = nn.Linear(3 * _N_MELS, width)
        self.second = nn.Linear(3 * width, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(n_blocks))
        # positions are sinusoids, computed rather than stored: without a table, length has no limit of 30 s
        steps = np.arange(width // 2) * (math.log(10_000) / (width // 2 - 1))
        self.register_buffer("frequencies", torch.from_numpy(np.exp(-steps)).float(), persistent=False)

    def start(self, waveform: Tensor) -> Tensor:
        """(1, n) at 16 kHz, n >= 400 -> input of the first block (1, T, width), a state every 20 ms."""
        mel = functional.pad(self.mel(waveform), (0, 0, 1, 1))
        frames = functional.gelu(self.first(torch.cat([mel[:, :-2], mel[:, 1:-1], mel[:, 2:]], dim=2)))
        frames = functional.pad(frames, (0, 0, 1, 1))
        states = functional.gelu(self.second(torch.cat([frames[:, :-2:2], frames[:, 1:-1:2], frames[:, 2::2]], dim=2)))
        place = torch.arange(states.shape[1], device=states.device, dtype=torch.float32)
        angle = place[:, None] * self.frequencies
        return states + torch.cat([angle.sin(), angle.cos()], dim=1)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """(1, n) at 16 kHz, n >= 400 -> the states (1, T, width) after each block."""
        states = self.start(waveform)
        after = []
        for block in self.blocks:
            states = block(states)
            after.append(states)
        return after
