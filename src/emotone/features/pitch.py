"""Pitch and voicing by YIN, as a torch module that can become an ONNX graph.

de Cheveigne and Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA 111 (2002), in the form
of `librosa.yin`: the autocorrelation of the whole frame, the first trough under the threshold, and a parabola for the
fraction of a sample.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotone.features.spectral import fold_tables, folded_power, frame


class Decimate(nn.Module):
    """Half the sample rate: a windowed-sinc low-pass filter, then every second sample, (n,) -> (ceil(n / 2),)."""

    taps: Tensor

    def __init__(self, *, half_width: int = 24, block: int = 80) -> None:
        super().__init__()
        self.half_width, self.block = half_width, block
        offset = np.arange(-half_width, half_width + 1)
        taps = 0.5 * np.sinc(0.5 * offset) * np.hanning(2 * half_width + 3)[1:-1]
        taps /= taps.sum()
        # A convolution channel for each of `block` consecutive samples turns it into a large matrix product, four times
        # faster in onnxruntime than a convolution with a single channel.
        shifted = np.zeros((block, 2 * block - 2 + len(taps)))
        for k in range(block):
            shifted[k, 2 * k : 2 * k + len(taps)] = taps
        self.register_buffer("taps", torch.from_numpy(shifted).float()[:, None], persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(n,) -> (ceil(n / 2),)."""
        padded = functional.pad(samples[None, None], (self.half_width, self.half_width + 2 * self.block))
        blocks = functional.conv1d(padded, self.taps, stride=2 * self.block)[0]  # (block, blocks)
        return blocks.T.reshape(-1)[: (samples.shape[0] + 1) // 2]


class Yin(nn.Module):
    """Fundamental frequency and aperiodicity of each frame.

    Parameters
    ----------
    sample_rate
        Hz.
    frame_length, hop_length
        Samples; a frame must hold the longest period.
    fmin_hz, fmax_hz
        Search range.
    threshold
        The period is the first trough of the normalised difference below this value; without a trough, the minimum.
    """

    cosine_even: Tensor
    cosine_odd: Tensor
    sine_even: Tensor
    sine_odd: Tensor
    back: Tensor
    means: Tensor

    def __init__(
        self,
        *,
        sample_rate: int,
        frame_length: int,
        hop_length: int,
        fmin_hz: float,
        fmax_hz: float,
        threshold: float = 0.1,
    ) -> None:
        super().__init__()
        self.sample_rate, self.frame_length, self.hop_length = sample_rate, frame_length, hop_length
        self.threshold = threshold
        self.min_period = math.floor(sample_rate / fmax_hz)
        self.max_period = min(math.ceil(sample_rate / fmin_hz), frame_length - 1)
        # Long enough that lags up to the longest period don't wrap around the frame; a multiple of four.
        size = -(-(frame_length + 1 + self.max_period + 1) // 4) * 4
        tables = fold_tables(np.arange(frame_length // 2 + 1), n_fft=size, window=np.ones(frame_length // 2 + 1))
        for name, table in zip(("cosine_even", "cosine_odd", "sine_even", "sine_odd"), tables, strict=True):
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)
        # From power, bins 0 to size / 4 and size / 2 down to size / 4 + 1, and the squares of the first samples to the
        # difference function of all lags, d(l) = 2 (r(0) - r(l)) - sum of the first l squares.
        quarter = size // 4
        bins = np.concatenate([np.arange(quarter + 1), np.arange(size // 2, quarter, -1)])
        weight = np.where((bins == 0) | (bins == size // 2), 1.0, 2.0) / size
        lags = np.arange(1, self.max_period + 1)
        from_power = 2 * weight[:, None] * (1 - np.cos(2 * np.pi * np.outer(bins, lags) / size))
        triangle = np.triu(np.ones((self.max_period, self.max_period)))
        back = np.concatenate([from_power, -triangle])
        self.register_buffer("back", torch.from_numpy(back).float(), persistent=False)
        # Sums up to each lag as a product with a triangle of ones, faster in onnxruntime than its cumulative sum.
        means = (triangle / lags)[:, self.min_period - 1 :]
        self.register_buffer("means", torch.from_numpy(means).float(), persistent=False)

    def difference(self, frames: Tensor) -> Tensor:
        """Return the cumulative mean normalised difference, (frames, frame_length) -> (frames, periods)."""
        centred = functional.pad(frames, (1, 1))  # a middle sample, with equally many samples on both sides
        low, high = folded_power(centred, (self.cosine_even, self.cosine_odd, self.sine_even, self.sine_odd))
        first = frames[:, : self.max_period]
        raw = torch.cat([low, high[:, :-1], first * first], dim=-1) @ self.back
        mean = raw @ self.means
        raw = raw[:, self.min_period - 1 :]
        # Silence has 1 everywhere rather than 0 / 0.
        return torch.where(mean > 1e-12, raw / torch.clamp(mean, min=1e-12), torch.ones_like(mean))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) -> pitch in Hz and aperiodicity (about 0 voiced, about 1 not), each (1 + n // hop_length, 1)."""
        half = self.frame_length // 2
        padded = functional.pad(samples[None], (half, half))[0]
        d = self.difference(frame(padded, length=self.frame_length, hop=self.hop_length))
        left, middle, right = d[:, :-2], d[:, 1:-1], d[:, 2:]
        inner = (middle < left) & (middle <= right)
        trough = torch.cat([d[:, :1] < d[:, 1:2], inner, d[:, -1:] < d[:, -2:-1]], dim=-1)
        position = torch.arange(d.shape[1], dtype=torch.int64)
        beyond = torch.full_like(position, d.shape[1])
        first = torch.where(trough & (d < self.threshold), position, beyond).amin(-1, keepdim=True)
        index = torch.where(first < d.shape[1], first, d.argmin(-1, keepdim=True))
        here = torch.gather(d, 1, index)
        before = torch.gather(d, 1, torch.clamp(index - 1, min=0))
        after = torch.gather(d, 1, torch.clamp(index + 1, max=d.shape[1] - 1))
        curvature, slope = after + before - 2 * here, (after - before) / 2
        inside = (slope.abs() < curvature.abs()) & (index > 0) & (index < d.shape[1] - 1)
        shift = torch.where(inside, -slope / torch.where(inside, curvature, torch.ones_like(curvature)), 0.0)
        return self.sample_rate / (self.min_period + index + shift), here
