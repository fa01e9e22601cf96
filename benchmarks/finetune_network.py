"""A speech encoder whose upper blocks train, and the adaptive network on its states, for padded batches of sound.

`WhisperEncoder` computes a single clip.  Here are the same states for batches: whatever combines frames gets a mask, so
that a clip has the same states in a batch as alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from finetune_clips import sound
from torch import Tensor, nn
from torch.nn import functional

from emotone.audio import SAMPLE_RATE
from emotone.errors import ConfigError
from emotone.features import spectral
from emotone.features.encoders import names
from emotone.features.encoders.pretrained import LEVEL
from emotone.features.encoders.weights import whisper_weights
from emotone.features.encoders.whisper import WhisperEncoder
from emotone.models.deep.adaptive import _SIMULATED_CLIPS
from emotone.models.deep.adaptive_network import MOMENTUM, Adaptive, shrunk

_N_FFT, _HOP, _N_MELS = 400, 160, 80
_LEAST_SCALE = 1e-6
_LOUDNESS_FLOOR = 1e-10


class BatchMel(nn.Module):
    """`emotone.features.encoders.whisper.WhisperMel` for padded batches."""

    window: Tensor
    mel_filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = spectral.mel_filters(sample_rate=SAMPLE_RATE, n_fft=_N_FFT, n_mels=_N_MELS)
        self.register_buffer("mel_filters", torch.from_numpy(filters).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(_N_FFT), persistent=False)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n), (b,) at least 201 samples -> (b, n // 160, 80), 0 after the end of a clip, and lengths in frames."""
        size, half = waveforms.shape[1], _N_FFT // 2
        place = torch.arange(-half, size + half, device=waveforms.device).abs()  # mirrored at the start
        last = lengths[:, None] - 1
        place = torch.where(place > last, 2 * last - place, place)  # and at the end of each clip
        mirrored = waveforms.gather(1, place.clamp(0, size - 1))
        frames = mirrored.unfold(1, _N_FFT, _HOP)[:, : size // _HOP]
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window)).square().sum(-1)
        log = torch.log10(torch.clamp(spectrum @ self.mel_filters, min=1e-10))
        n_frames = lengths // _HOP
        inside = sound(n_frames, log.shape[1])[:, :, None]
        loudest = log.masked_fill(~inside, -torch.inf).amax((1, 2), keepdim=True)
        return (torch.maximum(log, loudest - 8.0) + 4.0) / 4.0 * inside, n_frames


def loud(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Give each clip of a batch the root mean square for which the encoders were trained."""
    power = waveforms.square().sum(1) / lengths
    return waveforms * (LEVEL * torch.rsqrt(torch.clamp(power, min=_LOUDNESS_FLOOR)))[:, None]


class StatesEncoder(nn.Module):
    """The first blocks of an encoder of Whisper; the last ``n_trained`` of them train.

    Parameters
    ----------
    encoder
        With as many blocks as the highest layer needs.
    layers
        Numbers of the blocks whose states are returned, ascending; 0 is the input of the first block.
    n_trained
        Number of upper blocks that train; the others compute without gradients.
    """

    def __init__(self, encoder: WhisperEncoder, layers: Sequence[int], n_trained: int) -> None:
        super().__init__()
        if not 0 <= n_trained <= len(encoder.blocks):
            raise ConfigError(f"{n_trained} blocks are to be trained; expected 0 to {len(encoder.blocks)}")
        self.encoder, self.layers = encoder, tuple(layers)
        self.n_frozen = len(encoder.blocks) - n_trained
        encoder.requires_grad_(False)
        self.upper.requires_grad_(True)

    @property
    def upper(self) -> nn.ModuleList:
        """The blocks that train."""
        return self.encoder.blocks[self.n_frozen :]

    def forward(self, mel: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """(b, M, 80), (b,) from `BatchMel` -> states (b, T, layers * width) float32, and lengths (b,), 20 ms each."""
        lengths = (n_frames + 1) // 2
        mask = sound(lengths, (mel.shape[1] + 1) // 2)
        with torch.inference_mode():
            after = [self._start(mel, n_frames)]
            for block in self.encoder.blocks[: self.n_frozen]:
                after.append(block(after[-1], mask))
        used = {*self.layers, self.n_frozen}  # copied to ordinary tensors, which gradients of later layers may need
        after = [states.clone() if number in used else states for number, states in enumerate(after)]
        for block in self.upper:
            after.append(block(after[-1], mask))
        return torch.cat([after[layer] for layer in self.layers], dim=2).float(), lengths

    def _start(self, mel: Tensor, n_frames: Tensor) -> Tensor:
        """Compute the input of the first block, as `WhisperEncoder.start` does."""
        encoder = self.encoder
        mel = functional.pad(mel, (0, 0, 1, 1))
        frames = functional.gelu(encoder.first(torch.cat([mel[:, :-2], mel[:, 1:-1], mel[:, 2:]], dim=2)))
        frames = functional.pad(frames * sound(n_frames, frames.shape[1])[:, :, None], (0, 0, 1, 1))
        near = [frames[:, :-2:2], frames[:, 1:-1:2], frames[:, 2::2]]
        states = functional.gelu(encoder.second(torch.cat(near, dim=2)))
        place = torch.arange(states.shape[1], device=states.device, dtype=torch.float32)
        angle = place[:, None] * encoder.frequencies
        return states + torch.cat([angle.sin(), angle.cos()], dim=1)


class BatchAdaptive(Adaptive):
    """`Adaptive` whose update never waits for the device, and the simulated means of speakers."""

    @torch.no_grad()
    def update(self, embedding: Tensor, speakers: Tensor) -> None:
        """Update the running means of the speakers (b,) of a batch, all at once."""
        count = torch.zeros_like(self.n_seen).index_add_(0, speakers, torch.ones_like(embedding[:, 0]))
        total = torch.zeros_like(self.memory).index_add_(0, speakers, embedding)
        self.n_seen += count
        step = torch.maximum(count / self.n_seen.clamp(min=1), 1 - (1 - MOMENTUM) ** count)
        self.memory += step[:, None] * (total / count.clamp(min=1)[:, None] - self.memory)

    def simulated_mean(self, embedding: Tensor, speakers: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the speakers' means as estimated from a random number of clips, (b, e); see `AdaptiveNet`."""
        n = len(embedding)
        drawn = rng.choice(_SIMULATED_CLIPS, size=(n, 1)).astype(np.float32), rng.permutation(n)
        n_clips, other = (torch.from_numpy(values).to(embedding.device) for values in drawn)
        own = self.memory[speakers]
        away = (embedding - own)[other]
        seen = (self.n_seen > 0).to(embedding)[:, None]
        return shrunk(own + away / n_clips.sqrt(), (self.memory * seen).sum(0) / seen.sum(), n_clips)


class FineTuned(nn.Module):
    """From sound to embeddings: encoders, standardisation of their states, and the adaptive network.

    Parameters
    ----------
    encoders
        Upper blocks of the first may train.
    n_classes
        k.
    dropout
        Of `Adaptive`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, encoders: Sequence[StatesEncoder], n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.mel = BatchMel()
        self.encoders = nn.ModuleList(encoders)
        n_columns = sum(len(part.layers) * part.encoder.first.out_features for part in encoders)
        self.adaptive = BatchAdaptive(n_columns, n_classes, dropout=dropout)
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("scale", torch.ones(n_columns))

    def states(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n), (b,) -> states side by side (b, T, columns) float32, and their lengths (b,)."""
        with torch.autocast(waveforms.device.type, enabled=False):
            mel, n_frames = self.mel(loud(waveforms, lengths), lengths)
        parts = [encoder(mel, n_frames) for encoder in self.encoders]
        return torch.cat([states for states, _ in parts], dim=2), parts[0][1]

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(b, n), (b,) -> (b, e) float32."""
        states, n_states = self.states(waveforms, lengths)
        return self.adaptive.embed((states - self.mean) / self.scale, n_states).float()

    @torch.no_grad()
    def standardise(self, batches: Iterator[tuple[Tensor, Tensor]]) -> None:
        """Set mean and scale of each column to those of the states of these clips."""
        count, total, squares = (torch.zeros_like(self.mean, dtype=torch.float64) for _ in range(3))
        for waveforms, lengths in batches:
            states, n_states = self.states(waveforms, lengths)
            inside = states.double() * sound(n_states, states.shape[1])[:, :, None]
            count = count + n_states.sum()
            total, squares = total + inside.sum((0, 1)), squares + inside.square().sum((0, 1))
        mean = total / count
        self.mean.copy_(mean)
        self.scale.copy_((squares / count - mean.square()).clamp(min=_LEAST_SCALE**2).sqrt())

    def trained_blocks(self) -> list[nn.Parameter]:
        """Return the parameters of the encoder that train."""
        return [parameter for parameter in self.encoders.parameters() if parameter.requires_grad]


def load(encoder: str, *, n_trained: int, n_classes: int, dropout: float) -> FineTuned:
    """Load the weights of encoders, and build a network with random heads.

    Parameters
    ----------
    encoder
        Such as "whisper-base@2,3", or several joined by ``+``; the upper blocks of the first train.

    Raises
    ------
    ConfigError
        The name is no encoder of Whisper, or has too few blocks.
    FeatureError, MissingExtraError
        The weights can't be loaded, see `emotone.features.encoders.weights.whisper_weights`.
    """
    parts = []
    for number, name in enumerate(names.parse(encoder)):
        if not name.size:
            raise ConfigError(f"encoder {encoder!r} is not of Whisper; expected such as 'whisper-base@2,3'")
        weights = whisper_weights(name.size, max(name.layers))
        whisper = WhisperEncoder(weights.width, max(name.layers))
        whisper.load_state_dict(weights.state)
        parts.append(StatesEncoder(whisper, name.layers, 0 if number else n_trained))
    return FineTuned(parts, n_classes, dropout=dropout)
