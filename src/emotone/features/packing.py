"""Frames of many clips as one array, which processes can share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: All frames (sum of T, d), and the first frame of each clip but the first.
Packed = tuple[NDArray[Any], NDArray[np.int64]]


def packed(values: NDArray[Any]) -> NDArray[Any] | Packed:
    """Join the frames (T, d) of n clips, (n,) objects; return other features unchanged."""
    if values.dtype != object:
        return values
    return np.concatenate(values), np.cumsum([len(frames) for frames in values])[:-1]


def unpacked(values: NDArray[Any] | Packed) -> NDArray[Any]:
    """Return the features that `packed` was given; frames of a clip are a part of the joined array."""
    if not isinstance(values, tuple):
        return values
    parts = np.split(*values)
    clips = np.empty(len(parts), dtype=object)
    clips[:] = parts
    return clips
