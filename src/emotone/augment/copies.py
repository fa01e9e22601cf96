"""Augmented copies of clips, and the text by which the feature store distinguishes them."""

from dataclasses import dataclass

from emotone.audio import decoding, encoding, resampling
from emotone.augment import _dsp, lines, nonspeech, scene, transforms
from emotone.files import source_digest

#: What decides a copy: the transforms, and what they call to encode and decode.
_CODE = (_dsp, transforms, lines, scene, nonspeech, decoding, encoding, resampling)


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
        The experiment's seed.  A copy depends on the seed, its number and the recording's content, and nothing else.
    """

    transforms: tuple[transforms.Transform, ...]
    copy: int
    seed: int = 0

    @property
    def spec(self) -> str:
        """Text that identifies a copy: transforms and their settings, number, seed, and a digest of their code."""
        names = "+".join(transform.spec for transform in self.transforms)
        return f"{names}#{self.copy}@{self.seed}|{source_digest(*_CODE)}"
