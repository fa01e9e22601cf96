"""The networks: torch modules from standardised frames of any length to class logits.

Every network has ``embed(frames, lengths)``, which returns a vector per clip, and ``head``, which turns it into logits.
Clips of a batch are padded to the longest, and the logits of a clip must not depend on its padding.  So each layer that
combines frames is followed by a multiplication with the mask of the clip's frames: padding then equals the zeros with
which a convolution pads a single clip.  Without ``lengths``, as in the exported graph, there is a single clip without
padding and no mask.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_VARIANCE = 1e-5
_OPSET = 20  # of ONNX, as in `emotone.features.graph`


class FrameNetwork(nn.Module):
    """Base of all networks: ``forward`` is ``head(embed(...))``.

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
    """Return 1 where a frame belongs to the clip, else 0, (b, T) in the type of ``frames``; None without lengths."""
    if lengths is None:
        return None
    return (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]).to(frames.dtype)


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """Set to zero the padding of (b, c, T) or (b, c, h, T); the mask is (b, T)."""
    if mask is None:
        return values
    mask = mask.to(values.dtype)
    return values * (mask[:, None] if values.dim() == 3 else mask[:, None, None])


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the clip's frames, (b, c, T) -> (b, c); the padding must be zero."""
    return values.mean(-1) if mask is None else values.sum(-1) / mask.sum(-1, keepdim=True)


def mean_and_deviation(values: Tensor, weights: Tensor) -> Tensor:
    """Return weighted mean and deviation over time, (b, c, ..., T), weights of sum 1 over T -> (b, 2 c, ...)."""
    mean = (weights * values).sum(-1)
    variance = (weights * (values - mean[..., None]) ** 2).sum(-1)
    return torch.cat([mean, torch.sqrt(torch.clamp(variance, min=_LEAST_VARIANCE))], dim=-1)


class AttentiveStatistics(nn.Module):
    """Attentive statistics pooling: each channel's mean and deviation over frames with learned weights.

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

    Convolutions over time have height 1 instead of being ``Conv1d``, which the exporter can't export for any length.  A
    zero frame is appended before pooling, so that the last of an odd number of frames has a partner.  After ReLU no
    value is below zero, so this frame keeps its value, in a padded batch as in a single clip.
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
    """Return convolutions over five frames; each halves the number of frames."""
    return nn.ModuleList(
        _Convolution(n_in, n_out, kernel=(1, 5), dropout=dropout)
        for n_in, n_out in zip(channels[:-1], channels[1:], strict=True)
    )


class Recurrent(nn.Module):
    """Long short-term memory over the clip's frames, (b, c, T) -> (b, c', T).

    The backward direction is a second stack over the reversed clip.  States then depend on no padding, so torch need
    not pack the batch, which takes several times as long on a CPU.
    """

    def __init__(self, n_in: int, hidden: int, *, n_layers: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        between = dropout if n_layers > 1 else 0.0
        self.stacks = nn.ModuleList(
            nn.LSTM(n_in, hidden, num_layers=n_layers, batch_first=True, dropout=between)
            for _ in range(2 if bidirectional else 1)
        )

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """(b, c, T), mask (b, T) or None -> (b, c', T); states of padding are zero."""
        frames = values.transpose(1, 2)
        states = [_states(self.stacks[0], frames)]
        if len(self.stacks) == 2:
            states.append(_reversed(_states(self.stacks[1], _reversed(frames, mask)), mask))
        return _masked(torch.cat(states, dim=2).transpose(1, 2), mask)


def _reversed(frames: Tensor, mask: Tensor | None) -> Tensor:
    """Reverse the clip's frames, (b, T, c); padding keeps its place."""
    if mask is None:
        return frames.flip(1)
    place = torch.arange(frames.shape[1], device=frames.device)
    opposite = mask.sum(-1, keepdim=True).long() - 1 - place
    order = torch.where(opposite >= 0, opposite, place)
    return frames.gather(1, order[:, :, None].expand_as(frames))


def _states(stack: nn.Module, frames: Tensor) -> Tensor:
    """Return the states of a stack of LSTM layers, (b, T, c) -> (b, T, hidden)."""
    if not isinstance(stack, nn.LSTM):
        raise TypeError(f"{type(stack).__name__} is no LSTM")
    if not torch.compiler.is_exporting():
        states: Tensor = stack(frames)[0]
        return states
    # ONNX's LSTM operator: by default the exporter unrolls the layers for the length of its example
    series = frames.transpose(0, 1)
    for layer in range(stack.num_layers):
        own, recurrent, first, second = (
            _gates_for_onnx(getattr(stack, f"{kind}_l{layer}"), stack.hidden_size)[None]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        outputs = torch.onnx.ops.symbolic(
            "LSTM",
            [series, own, recurrent, torch.cat([first, second], dim=1)],
            attrs={"hidden_size": stack.hidden_size},
            dtype=frames.dtype,
            shape=[series.shape[0], 1, series.shape[1], stack.hidden_size],
            version=_OPSET,
        )
        series = outputs.squeeze(1)
    return series.transpose(0, 1)


def _gates_for_onnx(weights: Tensor, hidden: int) -> Tensor:
    """Reorder the gates: torch has input, forget, cell, output; ONNX has input, output, forget, cell."""
    entry, forget, cell, output = torch.split(weights, hidden)
    return torch.cat([entry, output, forget, cell])


class CnnBiLstm(FrameNetwork):
    """Two 1-D convolutions and a bidirectional LSTM over MFCC frames, pooled by attentive statistics.

    The widely used recipe (Conv1D, then BiLSTM, over 130 frames of 120 values) flattens the last states, which fixes
    the length of clips; this network takes any length.
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

    Mean and deviation over time of every channel in every group of eight bands are classified; the usual recipe
    flattens an image of 128 x 128.
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
    """Two 3 x 3 convolutions with a shortcut; squeeze and excitation weights the channels.

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

    The first layer has a stride of four bands and two frames, to be fast enough on a CPU.  Each block halves the bands,
    and the first block halves the frames again, so that the LSTM gets 16 states per second.
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
    """Return the weights of the unweighted mean over the clip's frames, with as many axes as ``values``."""
    if mask is None:
        return torch.ones_like(values[:, :1]) / values.shape[-1]
    weights = mask / mask.sum(-1, keepdim=True)
    return weights[:, None] if values.dim() == 3 else weights[:, None, None]
