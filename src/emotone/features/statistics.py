"""Statistics over time, as torch functions that can become an ONNX graph: (frames, d) -> a value per column."""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: A mean over fewer frames is meaningless; all frames are used instead.
MIN_FRAMES = 3


def weights_or_all(weights: Tensor) -> Tensor:
    """Return the weights, or all ones if fewer than `MIN_FRAMES` frames have weight 1, (frames,)."""
    return torch.where(weights.sum() >= MIN_FRAMES, weights, torch.ones_like(weights))


def mean_std(values: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over (weighted) frames, each (d,)."""
    share = torch.full_like(values[:, 0], 1.0) if weights is None else weights_or_all(weights)
    share = (share / share.sum())[None]  # (1, frames)
    mean = share @ values
    away = values - mean
    variance = share @ (away * away)
    return mean[0], torch.sqrt(variance[0])


def quantiles(values: Tensor, shares: tuple[float, ...], weights: Tensor | None = None) -> Tensor:
    """Return quantiles of each column by linear interpolation over the frames with weight 1, (len(shares), d).

    The shares 0 and 1 give the smallest and the largest value.
    """
    if weights is None:
        count = torch.ones_like(values[:, 0]).sum()
        filled = values
    else:
        kept = weights_or_all(weights)
        count = kept.sum()
        # Frames with weight 0 are sorted to the end.
        filled = torch.where(kept[:, None] > 0, values, torch.full_like(values, torch.finfo(values.dtype).max))
    ordered = torch.sort(filled.T, dim=-1).values  # (d, frames)
    place = torch.tensor(shares, dtype=values.dtype) * (count - 1)
    low = torch.floor(place)
    fraction = place - low
    first = low.to(torch.int64)
    second = torch.minimum(first + 1, (count - 1).to(torch.int64))
    below = torch.index_select(ordered, 1, first)
    above = torch.index_select(ordered, 1, second)
    return (below + (above - below) * fraction).T


def temporal_cosines(values: Tensor, n_cosines: int) -> Tensor:
    """Return the shape of each column over the recording: its first cosine coefficients, (n_cosines, d).

    c_k = sqrt(2) / T sum_t x_t cos(pi k (t + 1/2) / T), k = 1, 2, ...; the first is close to the slope.
    `mean_std` gives the mean (k = 0).
    """
    ones = torch.ones_like(values[:, 0])
    time = (torch.cumsum(ones, dim=0) - 0.5) / ones.sum()  # 0 to 1
    k = torch.arange(1, n_cosines + 1, dtype=values.dtype)
    basis = torch.cos(math.pi * k[:, None] * time[None]) * math.sqrt(2)
    return (basis / ones.sum()) @ values


def modulation_energies(values: Tensor, n_octaves: int) -> Tensor:
    """Return how much each column moves at each rate: log energies of undecimated Haar wavelets, (n_octaves, d).

    At 100 frames a second octave 0 is about 25 to 50 Hz, octave 5 about 0.8 to 1.6 Hz (cf. modulation spectra,
    Greenberg and Kingsbury, ICASSP 1997; the a-trous algorithm, Holschneider et al., 1989).
    """
    reach = 2**n_octaves - 1
    # Sums instead of means, so that only the energies are scaled; repeating the end adds no energy.
    smooth = torch.cat([values, values[-1:].expand(reach, -1)])
    energies = []
    for octave in range(n_octaves):
        step = 2**octave
        earlier, later = smooth[:-step], smooth[step:]
        change = earlier - later
        energies.append((change * change).sum(0) * 0.25 ** (octave + 1))
        smooth = earlier + later
    n_frames = torch.ones_like(values[:, 0]).sum()
    return torch.log(torch.clamp(torch.stack(energies) / n_frames, min=1e-3))


def contour(pitch: Tensor, voiced: Tensor) -> Tensor:
    """Return the pitch contour of voiced frames: slope over the recording and mean step between frames, (2,).

    The slope is that of the least-squares line, in units of `pitch` for the whole recording.
    """
    weights = weights_or_all(voiced)
    count = weights.sum()
    ones = torch.ones_like(pitch)
    time = torch.cumsum(ones, dim=0) / ones.sum()
    centred = time - (weights * time).sum() / count
    slope = (weights * centred * pitch).sum() / torch.clamp((weights * centred * centred).sum(), min=1e-6)
    both = voiced[1:] * voiced[:-1]
    step = (both * (pitch[1:] - pitch[:-1]).abs()).sum() / torch.clamp(both.sum(), min=1)
    return torch.stack([slope, step])


def rhythm(voiced: Tensor, active: Tensor) -> Tensor:
    """Return shares and runs of voiced and active frames and the length, (6,).

    Voiced share, active share, voiced runs per second, mean length of a voiced run (s), active runs per second,
    log of the length (s); there are 100 frames per second.
    """
    frames = torch.ones_like(voiced).sum()
    runs = [functional.relu(mask[1:] - mask[:-1]).sum() + mask[0] for mask in (voiced, active)]
    seconds = frames / 100
    run_s = voiced.sum() / 100 / torch.clamp(runs[0], min=1)
    values = [voiced.mean(), active.mean(), runs[0] / seconds, run_s, runs[1] / seconds, torch.log(seconds)]
    return torch.stack(values)
