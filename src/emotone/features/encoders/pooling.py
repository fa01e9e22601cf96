"""From the states of an encoder to features: statistics over time, or the states themselves."""

from collections.abc import Sequence

import torch
from torch import Tensor

from emotone.features.columns import FeatureColumn
from emotone.features.encoders.names import FRAMES, MEAN, THIRDS

_LEAST_VARIANCE = 1e-8  # by clamp: the exporter would drop the addition of such a small constant


def pooled(states: Sequence[Tensor], pooling: str) -> Tensor:
    """Pool the states of some layers over time.

    Parameters
    ----------
    states
        (1, T, width) for each layer.
    pooling
        A pooling of `emotone.features.encoders.names.POOLINGS`.

    Returns
    -------
    (1, d): for each layer its mean over time and, if asked for, its standard deviation (of the population).  For
    ``"frames"`` and ``"thirds"`` the states, layers side by side, (1, T, layers * width).
    """
    if pooling in (FRAMES, THIRDS):
        return torch.cat(list(states), dim=2)
    rows = []
    for layer in states:
        mean = layer.mean(1)
        rows.append(mean)
        if pooling != MEAN:
            away = layer - mean[:, None]
            rows.append(torch.sqrt(torch.clamp((away * away).mean(1), min=_LEAST_VARIANCE)))
    return torch.cat(rows, dim=1)


def columns(label: str, layers: Sequence[int], *, width: int, pooling: str) -> tuple[FeatureColumn, ...]:
    """Describe the columns of `pooled`, such as ``whisper-base-3-mean-17``, or ``whisper-base-3-17`` for frames.

    An encoder's layer is a group.

    Examples
    --------
    >>> [column.name for column in columns("whisper-base", (2, 3), width=1, pooling="mean+std")]
    ['whisper-base-2-mean-1', 'whisper-base-2-std-1', 'whisper-base-3-mean-1', 'whisper-base-3-std-1']
    """
    statistics = ("",) if pooling in (FRAMES, THIRDS) else pooling.split("+")
    return tuple(
        FeatureColumn(f"{group}-{statistic}-{n}" if statistic else f"{group}-{n}", f"{group}-{n}", statistic, group)
        for group in (f"{label}-{layer}" for layer in layers)
        for statistic in statistics
        for n in range(1, width + 1)
    )
