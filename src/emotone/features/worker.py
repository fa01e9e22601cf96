"""Compute the features of a clip."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import audio, augment
from emotone.audio.segments import Segment
from emotone.augment.copies import Augmentation
from emotone.errors import EmotoneError
from emotone.features.runner import GraphRunner
from emotone.preprocessing import Preprocessing

#: Content digest of a recording, and its features.
Row = tuple[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """Everything that decides the features of a clip; call it to compute them.

    Attributes
    ----------
    extractor, extractor_digest
        Name and digest of the extractor.
    graph
        Its ONNX graph; None if it has none, and is made from its name.
    width
        Numbers per row or frame.
    is_sequence
        Whether a clip has frames; if not, it has one row.
    dtype
        Type of the numbers in the store.
    preprocessing
        Applied to the waveform first.
    augmentation
        The augmented copy that replaces the clip; None: the clip itself.
    """

    extractor: str
    graph: bytes | None
    extractor_digest: str
    width: int
    is_sequence: bool
    dtype: str
    preprocessing: Preprocessing
    augmentation: Augmentation | None

    def key(self, digest: str) -> str:
        """Return the store's key for the features of the recording with this content digest."""
        spec = "" if self.augmentation is None else self.augmentation.spec
        text = f"{digest}|{self.extractor_digest}|{spec}|{self.preprocessing.key}"
        return hashlib.sha256(text.encode()).hexdigest()

    def shaped(self, stored: bytes) -> npt.NDArray[Any]:
        """Return stored numbers in the shape of the features: (d,), or (frames, d) of a sequence.

        Frames are copied, since numbers from a database are read-only and torch needs writable ones.

        Raises
        ------
        ValueError
            They have another shape, or one of them is not finite.
        """
        frames = np.frombuffer(stored, dtype=self.dtype).reshape(-1, self.width)
        if not len(frames) or not np.isfinite(frames).all() or (len(frames) > 1 and not self.is_sequence):
            raise ValueError(
                f"{frames.shape} stored numbers, expected finite ones, and one row unless it is a sequence"
            )
        return frames.copy() if self.is_sequence else frames[0]

    def __call__(self, clip: Segment) -> Row | str:
        """Return digest and features of a clip, or the reason why it has none."""
        try:
            whole = clip.read()
            digest = audio.content_digest(whole)
            samples = self.preprocessing.apply(whole)
            if self.augmentation is not None:
                rng = augment.seed_for(self.augmentation.seed, digest=digest, copy_index=self.augmentation.copy)
                samples = augment.apply(samples, transforms=self.augmentation.transforms, rng=rng)
            row = np.asarray(self._compute(samples), dtype=np.float32)
        except EmotoneError as error:
            return str(error)
        if not np.isfinite(row).all():
            return f"{clip.path}: a feature is not a finite number; leave this file out and report it"
        return digest, row.astype(self.dtype, copy=False)

    @cached_property
    def _compute(self) -> Any:
        """Made at the first clip, in the process that computes: a session can't be sent to another."""
        if self.graph is not None:
            return GraphRunner(self.graph)
        from emotone.features import registry

        return registry.get(self.extractor).compute
