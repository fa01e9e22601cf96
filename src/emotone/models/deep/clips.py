"""Clips of different lengths, and the padded batches that networks get."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

Frames = NDArray[np.float32]


class Clips(Dataset[tuple[Frames, int]]):
    """Clips, each (T, d) float32 or float16, and their class numbers.

    Attributes
    ----------
    frames
        n clips, unchanged.
    labels
        (n,) class numbers.
    mean, scale
        (d,); batches hold (frame - mean) / scale.  Standardising the whole corpus at once would double its memory.
    extras
        Name -> (n, ...), further data for batches, a row per clip.
    """

    def __init__(
        self,
        frames: Sequence[Frames],
        labels: NDArray[np.int64],
        *,
        mean: Frames | float = 0.0,
        scale: Frames | float = 1.0,
        extras: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.frames = list(frames)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.mean, self.scale = mean, scale
        self.extras = {name: np.asarray(values) for name, values in (extras or {}).items()}

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> tuple[Frames, int]:
        return self.frames[number], int(self.labels[number])


def padded(clips: Sequence[Frames], *, mean: Frames | float = 0.0, scale: Frames | float = 1.0) -> dict[str, Tensor]:
    """Pad clips (T_i, d), float32 or float16, to a batch of (frame - mean) / scale.

    Returns
    -------
    ``frames`` (b, T, d) float32, zero after the end of a clip, and ``lengths`` (b,).
    """
    lengths = [len(clip) for clip in clips]
    batch = torch.zeros((len(clips), max(lengths), clips[0].shape[1]))
    shift, divisor = torch.as_tensor(mean), torch.as_tensor(scale)
    for row, clip in enumerate(clips):
        # in place: for wide frames, temporaries take longer than the arithmetic
        batch[row, : len(clip)].copy_(torch.from_numpy(clip)).sub_(shift).div_(divisor)
    return {"frames": batch, "lengths": torch.tensor(lengths)}


class Batches:
    """Iterable of padded batches for skorch; in training they are shuffled anew each time and cropped to the window.

    Parameters
    ----------
    clips
        All clips.
    size
        Clips per batch.
    n_clips, window, stride
        See ``epoch_size``, ``window`` and ``stride`` of `emotone.models.deep.training.Recipe`.
    rng
        In training: function that returns the generator of an epoch.
    """

    def __init__(
        self,
        clips: Clips,
        *,
        size: int,
        n_clips: int | None = None,
        window: int | None = None,
        stride: int = 1,
        rng: Any = None,
    ) -> None:
        self.clips, self.size, self.window, self.stride, self.rng = clips, size, window, stride, rng
        self.n_clips = len(clips) if n_clips is None else min(n_clips, len(clips))

    def __len__(self) -> int:
        # batch norm can't train on a single clip, so training leaves out a last batch of one
        whole, rest = divmod(self.n_clips, self.size)
        return whole + (rest > (1 if self.rng else 0))

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        if self.rng is None:
            order = np.argsort([len(clip) for clip in self.clips.frames], kind="stable")
            parts = np.split(order, range(self.size, len(order), self.size))
        else:
            rng = self.rng()
            order = rng.permutation(len(self.clips))[: self.n_clips]
            # Not sorted by length, which would save padding: clips of equal length often have the same channel or
            # emotion, and batch norm and mixup need both mixed.
            parts = np.split(order, range(self.size, len(order), self.size))
            parts = [rows for rows in parts if len(rows) > 1]
        for rows in parts:
            clips = [self.clips.frames[row] for row in rows]
            if self.window is not None:
                clips = [_cropped(clip, window=self.window, rng=rng) for clip in clips]
            if self.stride > 1:
                starts = [rng.integers(min(self.stride, len(clip))) if self.rng is not None else 0 for clip in clips]
                clips = [clip[start :: self.stride] for clip, start in zip(clips, starts, strict=True)]
            batch = padded(clips, mean=self.clips.mean, scale=self.clips.scale)
            batch |= {name: torch.from_numpy(values[rows]) for name, values in self.clips.extras.items()}
            yield batch, torch.from_numpy(self.clips.labels[rows])


def _cropped(clip: Frames, *, window: int, rng: np.random.Generator) -> Frames:
    if len(clip) <= window:
        return clip
    start = int(rng.integers(len(clip) - window + 1))
    return clip[start : start + window]
