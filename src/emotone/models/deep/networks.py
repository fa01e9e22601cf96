"""The networks: torch modules from standardised frames of any length to class logits.

Every network has ``embed(frames, lengths)``, which gives one vector a clip, and ``head``, which turns it into logits.
Clips of a batch are padded to the longest one, and a clip's answer must not depend on how much padding its neighbours
brought: so each layer that sees across frames is followed by a multiplication with the mask of the clip's own frames,
which makes padding look like the zeros that a convolution puts beyond the ends of a lone clip.  Without ``lengths``,
as in the exported graph, there is a single clip without padding and no mask is computed.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_VARIANCE = 1e-5
_OPSET = 20  # of ONNX, as in `emotone.features.graph`


class FrameNetwork(nn.Module):
    """What all networks share: ``forward`` is ``head(embed(...))``.

    Subclasses set `head` and implement `embed`.
    """

    head: nn.Module

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d) standardised frames, (b,) lengths -> (b, e)."""
        raise NotImplementedError

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d) standardised frames, (b,) lengths -> (b, k) logits."""
        logits: Tensor = self.head(self.embed(frames, lengths))
        return logits


def frame_mask(frames: Tensor, lengths: Tensor | None) -> Tensor | None:
    """1 where a frame belongs to the clip, else 0, (b, T) in the type of ``frames``; None without lengths."""
    if lengths is None:
        return None
    return (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]).to(frames.dtype)


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """Zero the padding of (b, c, T) or (b, c, h, T); the mask is (b, T)."""
    if mask is None:
        return values
    mask = mask.to(values.dtype)
    return values * (mask[:, None] if values.dim() == 3 else mask[:, None, None])


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the clip's own frames, (b, c, T) -> (b, c); the padding must be zero."""
    return values.mean(-1) if mask is None else values.sum(-1) / mask.sum(-1, keepdim=True)


def mean_and_deviation(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and deviation over time, (b, c, ..., T) and weights that sum to 1 over T -> (b, 2 c, ...)."""
    mean = (weights * values).sum(-1)
    variance = (weights * (values - mean[..., None]) ** 2).sum(-1)
    return torch.cat([mean, torch.sqrt(torch.clamp(variance, min=_LEAST_VARIANCE))], dim=-1)


class AttentiveStatistics(nn.Module):
    """Attentive statistics pooling: each channel's mean and deviation over frames that the network weighs itself.

    References
    ----------
    K. Okabe, T. Koshinaka and K. Shinoda, Attentive statistics pooling for deep speaker embedding, Interspeech 2018.
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, channels, 1))

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """(b, c, T), mask (b, T) or None -> (b, 2 c)."""
        scores = self.score(values).float()
        if mask is not None:
            scores = scores.masked_fill(mask[:, None] == 0, -1e4)
        return mean_and_deviation(values.float(), torch.softmax(scores, dim=-1))


class _Convolution(nn.Module):
    """Convolution over bands and time, batch norm, ReLU, pooling of neighbours, dropout of whole channels.

    Convolutions over time alone are those of height 1, which the exporter turns into a graph for any length (it would
    not do so with ``Conv1d``).  A zero frame is appended before pooling, so that the last of an odd number of frames
    has a partner: ReLU left nothing under zero, so it keeps its value, in a padded batch as alone.
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: tuple[int, int], dropout: float) -> None:
        super().__init__()
        height, width = kernel
        self.conv = nn.Conv2d(n_in, n_out, kernel, padding=(height // 2, width // 2), bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.dropout = nn.Dropout2d(dropout)
        self.pooled_bands = 1 if height == 1 else 2

    def forward(self, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        values = _masked(functional.relu(self.norm(self.conv(values))), mask)
        spare = values.shape[2] % self.pooled_bands
        values = functional.max_pool2d(functional.pad(values, (0, 1, 0, spare)), (self.pooled_bands, 2))
        return self.dropout(values), None if mask is None else mask[:, ::2]


def _over_time(channels: tuple[int, ...], *, dropout: float) -> nn.ModuleList:
    """Convolutions over five frames each, halving the frames each."""
    return nn.ModuleList(
        _Convolution(n_in, n_out, kernel=(1, 5), dropout=dropout)
        for n_in, n_out in zip(channels[:-1], channels[1:], strict=True)
    )


class Recurrent(nn.Module):
    """Long short-term memory over the clip's own frames, (b, c, T) -> (b, c', T).

    Backwards is a second stack over the clip turned round.  A state has then only seen frames of its own clip, whatever
    padding comes after it, so that torch need not pack the batch, which takes several times as long on a processor.
    """

    def __init__(self, n_in: int, hidden: int, *, n_layers: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        between = dropout if n_layers > 1 else 0.0
        self.stacks = nn.ModuleList(
            nn.LSTM(n_in, hidden, num_layers=n_layers, batch_first=True, dropout=between)
            for _ in range(2 if bidirectional else 1)
        )

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Run over time; states of padding are zero."""
        frames = values.transpose(1, 2)
        states = [_states(self.stacks[0], frames)]
        if len(self.stacks) == 2:
            states.append(_turned(_states(self.stacks[1], _turned(frames, mask)), mask))
        return _masked(torch.cat(states, dim=2).transpose(1, 2), mask)


def _turned(frames: Tensor, mask: Tensor | None) -> Tensor:
    """Reverse the clip's own frames, (b, T, c); padding stays where it is."""
    if mask is None:
        return frames.flip(1)
    place = torch.arange(frames.shape[1], device=frames.device)
    opposite = mask.sum(-1, keepdim=True).long() - 1 - place
    order = torch.where(opposite >= 0, opposite, place)
    return frames.gather(1, order[:, :, None].expand_as(frames))


def _states(stack: nn.Module, frames: Tensor) -> Tensor:
    """States of a stack of LSTM layers, (b, T, c) -> (b, T, hidden)."""
    if not isinstance(stack, nn.LSTM):
        raise TypeError(f"{type(stack).__name__} is no LSTM")
    if not torch.compiler.is_exporting():
        states: Tensor = stack(frames)[0]
        return states
    # as ONNX's own operator: left to itself, the exporter would unroll the layers for the length of its example
    turned = frames.transpose(0, 1)
    for layer in range(stack.num_layers):
        own, recurrent, first, second = (
            _gates_for_onnx(getattr(stack, f"{kind}_l{layer}"), stack.hidden_size)[None]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        outputs = torch.onnx.ops.symbolic(
            "LSTM",
            [turned, own, recurrent, torch.cat([first, second], dim=1)],
            attrs={"hidden_size": stack.hidden_size},
            dtype=frames.dtype,
            shape=[turned.shape[0], 1, turned.shape[1], stack.hidden_size],
            version=_OPSET,
        )
        turned = outputs.squeeze(1)
    return turned.transpose(0, 1)


def _gates_for_onnx(weights: Tensor, hidden: int) -> Tensor:
    """Reorder the gates: torch has input, forget, cell, output; ONNX has input, output, forget, cell."""
    entry, forget, cell, output = torch.split(weights, hidden)
    return torch.cat([entry, output, forget, cell])


class CnnBiLstm(FrameNetwork):
    """Two 1-D convolutions and a bidirectional LSTM over MFCC frames, pooled by attentive statistics.

    The widely copied recipe (Conv1D, then BiLSTM, over 130 frames of 120 values), for clips of any length: the
    recipe flattens its last states, which ties it to one length.
    """

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.convolutions = _over_time((n_columns, 128, 128), dropout=dropout)
        self.recurrent = Recurrent(128, 96, n_layers=1, bidirectional=True, dropout=dropout)
        self.pool = AttentiveStatistics(192)
        self.head = nn.Sequential(nn.BatchNorm1d(384), nn.Dropout(dropout), nn.Linear(384, n_classes))

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 384)."""
        mask = frame_mask(frames, lengths)
        values = _masked(frames.transpose(1, 2)[:, :, None], mask)
        for convolution in self.convolutions:
            values, mask = convolution(values, mask)
        pooled: Tensor = self.pool(self.recurrent(values.squeeze(2), mask), mask)
        return pooled


class Lstm(FrameNetwork):
    """Two layers of LSTM over MFCC frames; the mean of the states over time is classified."""

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.recurrent = Recurrent(n_columns, 128, n_layers=2, bidirectional=False, dropout=dropout)
        self.head = nn.Sequential(
            nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, n_classes)
        )

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 128)."""
        mask = frame_mask(frames, lengths)
        return _mean(self.recurrent(frames.transpose(1, 2), mask), mask)


class Cnn1d(FrameNetwork):
    """Three 1-D convolutions with pooling over MFCC frames; mean and deviation over time are classified."""

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.convolutions = _over_time((n_columns, 128, 128, 256), dropout=dropout)
        self.head = nn.Sequential(
            nn.Linear(512, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, n_classes)
        )

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 512)."""
        mask = frame_mask(frames, lengths)
        values = _masked(frames.transpose(1, 2)[:, :, None], mask)
        for convolution in self.convolutions:
            values, mask = convolution(values, mask)
        values = values.squeeze(2).float()
        return mean_and_deviation(values, _even_weights(values, mask))


class Cnn2d(FrameNetwork):
    """Three 2-D convolutions with pooling and dropout over the log-mel spectrogram.

    Mean and deviation over time of every channel in every group of eight bands are classified, where the usual recipe
    flattens a picture of 128 x 128.
    """

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        channels = (1, 8, 32, 64)
        self.convolutions = nn.ModuleList(
            _Convolution(n_in, n_out, kernel=(3, 3), dropout=dropout / 3)
            for n_in, n_out in zip(channels[:-1], channels[1:], strict=True)
        )
        width = 2 * channels[-1] * -(-n_columns // 8)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, n_classes),
        )

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 128 * d / 8)."""
        mask = frame_mask(frames, lengths)
        values = _masked(frames.transpose(1, 2)[:, None], mask)
        for convolution in self.convolutions:
            values, mask = convolution(values, mask)
        return mean_and_deviation(values.float(), _even_weights(values, mask)).flatten(1)


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, channels weighed by squeeze and excitation.

    References
    ----------
    K. He et al., Deep residual learning for image recognition, CVPR 2016.  J. Hu, L. Shen and G. Sun,
    Squeeze-and-excitation networks, CVPR 2018.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(n_out)
        self.excite = nn.Sequential(nn.Linear(n_out, n_out // 4), nn.ReLU(), nn.Linear(n_out // 4, n_out), nn.Sigmoid())

    def forward(self, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        mask = None if mask is None else mask[:, :: self.stride[1]]
        inner = _masked(functional.relu(self.first_norm(self.first(values))), mask)
        inner = _masked(self.second_norm(self.second(inner)), mask)
        weights = self.excite(_mean(inner.float().mean(2), mask)).to(inner.dtype)
        inner = inner * weights[:, :, None, None]
        shortcut = self.shortcut_norm(self.shortcut(values))
        return _masked(functional.relu(inner + shortcut), mask), mask


class ResNet(FrameNetwork):
    """A small residual network over the log-mel spectrogram, then a bidirectional LSTM and attentive statistics.

    The first layer takes every fourth band and every second frame, which makes it affordable on a processor; each block
    halves the bands, and the first one the frames once more, so that the LSTM sees 16 states a second.
    """

    def __init__(
        self,
        n_columns: int,
        n_classes: int,
        *,
        dropout: float = 0.3,
        channels: tuple[int, ...] = (24, 32, 48, 64),
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels[0], (7, 5), stride=(4, 2), padding=(3, 2), bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        self.blocks = nn.ModuleList(
            _ResidualBlock(n_in, n_out, stride=(2, 2) if place == 0 else (2, 1))
            for place, (n_in, n_out) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )
        bands = -(-n_columns // 4)
        for _ in self.blocks:
            bands = -(-bands // 2)
        self.gather = nn.Conv2d(channels[-1], 128, (bands, 1))
        self.gather_norm = nn.BatchNorm1d(128)
        self.recurrent = Recurrent(128, 64, n_layers=1, bidirectional=True, dropout=dropout)
        self.pool = AttentiveStatistics(128)
        self.head = nn.Sequential(nn.BatchNorm1d(256), nn.Dropout(dropout), nn.Linear(256, n_classes))

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 256)."""
        mask = frame_mask(frames, lengths)
        values = _masked(frames.transpose(1, 2)[:, None], mask).contiguous(memory_format=torch.channels_last)
        mask = None if mask is None else mask[:, ::2]
        values = _masked(functional.relu(self.stem_norm(self.stem(values))), mask)
        for block in self.blocks:
            values, mask = block(values, mask)
        states = functional.relu(self.gather_norm(self.gather(values).squeeze(2)))
        pooled: Tensor = self.pool(self.recurrent(states, mask), mask)
        return pooled


def _even_weights(values: Tensor, mask: Tensor | None) -> Tensor:
    """Weights of a plain mean over the clip's own frames, of as many axes as ``values``."""
    if mask is None:
        return torch.ones_like(values[:, :1]) / values.shape[-1]
    weights = mask / mask.sum(-1, keepdim=True)
    return weights[:, None] if values.dim() == 3 else weights[:, None, None]
