"""Masks and mixup for training batches of frames, drawn anew for every batch, and their loss.

References
----------
D. S. Park et al., SpecAugment: A simple data augmentation method for automatic speech recognition, Interspeech 2019.
H. Zhang et al., mixup: Beyond empirical risk minimization, ICLR 2018.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone.errors import ConfigError, FeatureError

_IMPOSSIBLE = -1e4  # logit of a class that is not possible for a clip


def mask_time(batch: Tensor, lengths: Tensor, *, n_masks: int, max_share: float, rng: np.random.Generator) -> Tensor:
    """Set spans of frames to 0, the mean of standardised features; spans are drawn for each clip separately.

    The width of a mask is uniform from 0 to ``max_share`` of the clip, in whole frames.  Its place is uniform among
    those where it fits into the clip.  Masks may overlap.

    Parameters
    ----------
    batch
        (b, T, d) standardised frames.  It is not changed.
    lengths
        (b,) frames of each clip, 0 to T; padding is not masked.
    n_masks
        Masks per clip, 0 or more.
    max_share
        Largest width of a mask as a share of the clip, in [0, 1].
    rng
        Source of all draws.

    Returns
    -------
    torch.Tensor
        (b, T, d), new, on the device of ``batch``.

    Raises
    ------
    ConfigError
        A setting is out of its range.
    FeatureError
        ``batch`` isn't three-dimensional, or ``lengths`` don't match it.
    """
    if n_masks < 0 or not 0 <= max_share <= 1:
        raise ConfigError(f"n_masks is {n_masks}, max_share {max_share}; expected 0 or more, and 0 to 1")
    n_clips, n_frames, _ = _shape(batch)
    frames = lengths.cpu().numpy()
    if frames.shape != (n_clips,) or not np.all((frames >= 0) & (frames <= n_frames)):
        raise FeatureError(
            f"lengths {frames.tolist()} don't belong to a batch of shape {tuple(batch.shape)}; "
            f"expected {n_clips} numbers from 0 to {n_frames}"
        )
    widest = np.floor(max_share * frames + 1e-9).astype(np.int64)  # 0.29 * 100 is 28.999...
    masked = _spans(n_frames, within=frames, widest=widest, n_spans=n_masks, rng=rng)
    return batch.masked_fill(torch.from_numpy(masked).to(batch.device)[:, :, None], 0.0)


def mask_frequency(batch: Tensor, *, n_masks: int, max_bands: int, rng: np.random.Generator) -> Tensor:
    """Set neighbouring columns to 0 in all frames of a clip; columns are drawn for each clip separately.

    The width of a mask is uniform from 0 to ``max_bands`` columns (or all columns, if there are fewer).  Its place is
    uniform among those where it fits.  Masks may overlap.

    Parameters
    ----------
    batch
        (b, T, d) standardised frames.  It is not changed.
    n_masks
        Masks per clip, 0 or more.
    max_bands
        Largest width of a mask, in columns, 0 or more.
    rng
        Source of all draws.

    Returns
    -------
    torch.Tensor
        (b, T, d), new, on the device of ``batch``.

    Raises
    ------
    ConfigError
        A setting is out of its range.
    FeatureError
        ``batch`` isn't three-dimensional.
    """
    if n_masks < 0 or max_bands < 0:
        raise ConfigError(f"n_masks is {n_masks}, max_bands {max_bands}; expected 0 or more of both")
    n_clips, _, n_bands = _shape(batch)
    widest = np.full(n_clips, min(max_bands, n_bands))
    masked = _spans(n_bands, within=np.full(n_clips, n_bands), widest=widest, n_spans=n_masks, rng=rng)
    return batch.masked_fill(torch.from_numpy(masked).to(batch.device)[:, None, :], 0.0)


def _shape(batch: Tensor) -> tuple[int, int, int]:
    if batch.ndim != 3:
        raise FeatureError(f"a batch of shape {tuple(batch.shape)} can't be masked; expected (clips, frames, features)")
    n_clips, n_frames, n_features = batch.shape
    return n_clips, n_frames, n_features


def _spans(
    size: int, *, within: NDArray[np.int64], widest: NDArray[np.int64], n_spans: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw spans of at most ``widest`` (b,) below ``within`` (b,); return a mask (b, size), True inside a span."""
    shape = (len(within), n_spans)
    widths = rng.integers(0, widest[:, None], size=shape, endpoint=True)
    starts = rng.integers(0, within[:, None] - widths, size=shape, endpoint=True)
    place = np.arange(size)
    covered = (place >= starts[:, :, None]) & (place < (starts + widths)[:, :, None])  # (b, n_spans, size)
    return np.asarray(covered.any(axis=1))


@dataclass(frozen=True)
class Mixup:
    """Mix the clips of a batch in pairs, inputs and targets: share * own + (1 - share) * partner's.

    Parameters
    ----------
    alpha
        Strength, above 0: close to 0 little is mixed; at 1 the share is uniform in [0.5, 1].

    Examples
    --------
    >>> partner, share = Mixup(0.3).draw(4, np.random.default_rng(0))
    >>> sorted(partner.tolist()), 0.5 <= share <= 1
    ([0, 1, 2, 3], True)
    """

    alpha: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ConfigError(f"alpha is {self.alpha}; expected a number above 0")

    def draw(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], float]:
        """Draw the partner of each clip, and the share that a clip keeps.

        Parameters
        ----------
        n
            Clips in the batch.
        rng
            Source of the draws.

        Returns
        -------
        partner
            (n,) a permutation: the row that each clip is mixed with, perhaps itself.
        share
            max(s, 1 - s) with s from Beta(alpha, alpha), in [0.5, 1]; below 0.5 clip and partner would only swap.
        """
        share = float(rng.beta(self.alpha, self.alpha))
        return rng.permutation(n), max(share, 1 - share)


def cross_entropy(logits: Tensor, targets: Tensor, *, smoothing: float, possible: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy of a batch, with label smoothing.

    Parameters
    ----------
    logits, targets
        (b, k); targets may be weighted, and need not sum to 1.
    smoothing
        Share of each target, in [0, 1), that is spread evenly over its possible classes.
    possible
        (b, k) bool: classes of the softmax and of the smoothing; all by default.
    """
    if possible is None:
        log_p = torch.log_softmax(logits, dim=1)
        even = log_p.mean(dim=1)
    else:
        possible = possible.to(logits.device)
        log_p = torch.log_softmax(logits.masked_fill(~possible, _IMPOSSIBLE), dim=1)
        even = log_p.where(possible, 0.0).sum(dim=1) / possible.sum(dim=1)
    return -((1 - smoothing) * (targets * log_p).sum(dim=1) + smoothing * even).mean()
