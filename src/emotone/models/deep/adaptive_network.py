"""The network of an adaptive classifier, and the networks of all its members as a few products, for prediction.

The second becomes the classifier of a bundle's graph, see `emotone.export.networks`.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from emotone.models.deep.classifier import standardised
from emotone.models.deep.networks import FrameNetwork, frame_mask, mean_and_deviation
from emotone.models.deep.speech_gate import Gate

#: Share of a new clip in a speaker's running mean.
MOMENTUM = 0.1
#: With this number of known clips, a speaker's own mean and the adapted head reach half of the weight.
PRIOR_CLIPS, PRIOR_ANSWERS = 3.0, 2.0


def share(n_clips: Tensor, prior: float) -> Tensor:
    """Return n / (n + prior), in a form that is 1 for an infinite n."""
    return 1 - prior / (n_clips + prior)


def shrunk(mean: Tensor, centre: Tensor, n_clips: Tensor) -> Tensor:
    """Shrink the mean embedding of a speaker's n clips towards that of all voices: (n mean + 3 centre) / (n + 3)."""
    return centre + share(n_clips, PRIOR_CLIPS) * (mean - centre)


class Adaptive(FrameNetwork):
    """Projection, statistics over time and two heads; see the module.

    Attributes
    ----------
    memory
        (speakers, e) running mean of the embeddings of each training speaker; only training needs it.
    n_seen
        (speakers,) number of clips in it.
    centre
        (e,) mean over speakers; replaces the mean of an unknown speaker.
    """

    memory: Tensor
    n_seen: Tensor
    centre: Tensor

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3, width: int = 128) -> None:
        super().__init__()
        # It drops whole columns: draws for every value would take most of the time of a step (docs/tried.md).
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(n_columns, width)
        self.head = _head(2 * width, n_classes, dropout=dropout)
        self.adapted_head = _head(2 * width, n_classes, dropout=dropout)
        self.register_buffer("centre", torch.zeros(2 * width))
        self.remember(0)

    def remember(self, n_speakers: int) -> None:
        """Create the memory for the means of training speakers; 0 deletes it."""
        self.register_buffer("memory", torch.zeros(n_speakers, self.centre.numel()))
        self.register_buffer("n_seen", torch.zeros(n_speakers))

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 2 * width)."""
        mask = frame_mask(frames, lengths)
        if self.training:
            frames = frames * self.dropout(torch.ones_like(frames[:, :1]))
        values = self.project(frames).float().transpose(1, 2)  # (b, width, T)
        weights = torch.ones_like(values[:, :1]) if mask is None else mask[:, None].float()
        return mean_and_deviation(values, weights / weights.sum(-1, keepdim=True))

    @torch.no_grad()
    def update(self, embedding: Tensor, speakers: Tensor) -> None:
        """Update the running means of the speakers (b,) of a batch; the first clips of a speaker have full weight."""
        for speaker in torch.unique(speakers):
            own = embedding[speakers == speaker]
            self.n_seen[speaker] += len(own)
            step = max(len(own) / float(self.n_seen[speaker]), 1 - (1 - MOMENTUM) ** len(own))
            self.memory[speaker] = torch.lerp(self.memory[speaker], own.mean(0), step)


def _head(width: int, n_classes: int, *, dropout: float) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, n_classes))


def as_affine(head: nn.Sequential) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (k, width) and bias (k,) of a head in use: its normalisation joined with its linear layer."""
    normal, linear = cast("nn.BatchNorm1d", head[0]), cast("nn.Linear", head[2])
    with torch.no_grad():
        scale = normal.weight.double() / torch.sqrt(cast("Tensor", normal.running_var).double() + normal.eps)
        offset = normal.bias.double() - cast("Tensor", normal.running_mean).double() * scale
        weight = linear.weight.double()
        return (weight * scale).numpy(), (linear.bias.double() + weight @ offset).numpy()


class AdaptiveInferenceModule(nn.Module):
    """From frames and the speaker's mean embedding to probabilities and embedding, all members at once."""

    mean: Tensor
    scale: Tensor
    plain_weight: Tensor
    plain_bias: Tensor
    adapted_weight: Tensor
    adapted_bias: Tensor
    centre: Tensor

    def __init__(
        self,
        members: Sequence[FrameNetwork],
        mean: Tensor,
        scale: Tensor,
        *,
        stride: int = 1,
        gate: Gate | None = None,
    ) -> None:
        super().__init__()
        networks = [cast("Adaptive", member) for member in members]
        self.n_members, self.stride = len(networks), stride
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        first = networks[0].project
        self.project = nn.Linear(first.in_features, self.n_members * first.out_features)
        self.project.weight.data = torch.cat([network.project.weight.detach() for network in networks])
        self.project.bias.data = torch.cat([network.project.bias.detach() for network in networks])
        self.register_buffer("centre", torch.stack([network.centre for network in networks]))
        for name in ("plain", "adapted"):
            heads = [network.head if name == "plain" else network.adapted_head for network in networks]
            weights, biases = zip(*(as_affine(cast("nn.Sequential", head)) for head in heads), strict=True)
            self.register_buffer(f"{name}_weight", torch.from_numpy(np.stack(weights)).float().transpose(1, 2))
            self.register_buffer(f"{name}_bias", torch.from_numpy(np.stack(biases)).float()[:, None])
        self.gate = None
        if gate is not None:
            self.gate = nn.Linear(len(gate.weight), 1)
            self.gate.weight.data = torch.from_numpy(gate.weight)[None].clone()
            self.gate.bias.data = torch.tensor([gate.bias], dtype=torch.float32)

    def speech(self, frames: Tensor) -> Tensor:
        """Frames of a clip (1, T, d) -> probability (1, 1) of speech; 1 without a gate."""
        if self.gate is None:
            return torch.ones(1, 1)
        return torch.sigmoid(self.gate(frames.mean(1)))

    @property
    def width(self) -> int:
        """Width of the embedding, members * e."""
        return self.centre.numel()

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> embedding (b, members * e): of each member, means and then deviations."""
        standard, lengths = standardised(frames, lengths, mean=self.mean, scale=self.scale, stride=self.stride)
        mask = frame_mask(standard, lengths)
        values = self.project(standard).transpose(1, 2)  # (b, members * width, T)
        weights = torch.ones_like(values[:, :1]) if mask is None else mask[:, None].float()
        statistics = mean_and_deviation(values, weights / weights.sum(-1, keepdim=True))
        parts = statistics.reshape(len(frames), 2, self.n_members, -1)
        return parts.transpose(1, 2).reshape(len(frames), self.width)

    def forward(
        self,
        frames: Tensor,
        lengths: Tensor | None = None,
        *,
        speaker: Tensor | None = None,
        n_clips: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the probabilities of clips.

        Parameters
        ----------
        frames, lengths
            (b, T, d), (b,).
        speaker
            (b, members * e) mean embedding of other clips of the same speaker.
        n_clips
            (b,) number of these clips; without it the speaker is unknown.

        Returns
        -------
        Probabilities (b, k) and embedding (b, members * e).
        """
        embedding = self.embed(frames, lengths)
        if speaker is None or n_clips is None:
            speaker, n_clips = embedding, torch.zeros(len(embedding))
        return self.probabilities(embedding, speaker, n_clips), embedding

    def probabilities(self, embedding: Tensor, speaker: Tensor, n_clips: Tensor) -> Tensor:
        """(b, members * e), (b, members * e), (b,) -> probabilities (b, k)."""
        own, usual = (
            values.reshape(len(values), self.n_members, -1).transpose(0, 1) for values in (embedding, speaker)
        )  # (members, b, e)
        count = n_clips[:, None]
        plain = own @ self.plain_weight + self.plain_bias
        away = own - shrunk(usual, self.centre[:, None], count)
        adapted = away @ self.adapted_weight + self.adapted_bias
        return torch.softmax(torch.lerp(plain, adapted, share(count, PRIOR_ANSWERS)), dim=2).mean(dim=0)
