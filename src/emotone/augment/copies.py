"""Augmented copies of clips, and the key by which the feature store finds them again."""

import hashlib
import inspect
from dataclasses import dataclass
from functools import lru_cache

from emotone.augment import _dsp, conditions, nonspeech, transforms


@dataclass(frozen=True)
class Augmentation:
    """One augmented copy of every clip.

    Attributes
    ----------
    transforms
        Applied in order.
    copy
        1, 2, ...: another number gives another copy.
    seed
        The experiment's; a copy depends on it, the number and the recording's content alone.
    """

    transforms: tuple[transforms.Transform, ...]
    copy: int
    seed: int = 0

    @property
    def spec(self) -> str:
        """What decides a copy, as text: transforms and their settings, number, seed, and the transforms' code."""
        names = "+".join(transform.spec for transform in self.transforms)
        return f"{names}#{self.copy}@{self.seed}|{_code()}"


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a digest of the source that decides what a transform does."""
    source = "".join(inspect.getsource(module) for module in (_dsp, transforms, conditions, nonspeech))
    return hashlib.sha256(source.encode()).hexdigest()
