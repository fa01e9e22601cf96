"""States of an encoder into features: statistics over time, or the states themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor

from emotone.features.encoders.names import FRAMES, MEAN

_LEAST_VARIANCE = 1e-8  # an additive constant would do too, but that small the exporter drops it


def pooled(states: Sequence[Tensor], pooling: str) -> Tensor:
    """What becomes of the states of some layers.

    Parameters
    ----------
    states
        One (1, T, width) a layer.
    pooling
        One of `emotone.features.encoders.names.POOLINGS`.

    Returns
    -------
    Tensor
        (1, d): of each layer its mean over time and, if asked, its standard deviation (the population's).  Of
        ``"frames"`` the states as they are, layers side by side, (1, T, layers * width).
    """
    if pooling == FRAMES:
        return torch.cat(list(states), dim=2)
    rows = []
    for one in states:
        mean = one.mean(1)
        rows.append(mean)
        if pooling != MEAN:
            away = one - mean[:, None]
            rows.append(torch.sqrt(torch.clamp((away * away).mean(1), min=_LEAST_VARIANCE)))
    return torch.cat(rows, dim=1)


def columns(label: str, layers: Sequence[int], *, width: int, pooling: str) -> tuple[str, ...]:
    """Name the columns of `pooled`, such as ``whisper-base-3-mean-17``; of frames ``whisper-base-3-17``.

    Examples
    --------
    >>> columns("whisper-base", (2, 3), width=1, pooling="mean+std")
    ('whisper-base-2-mean-1', 'whisper-base-2-std-1', 'whisper-base-3-mean-1', 'whisper-base-3-std-1')
    """
    kinds = [""] if pooling == FRAMES else [f"{statistic}-" for statistic in pooling.split("+")]
    return tuple(f"{label}-{layer}-{kind}{n}" for layer in layers for kind in kinds for n in range(1, width + 1))
