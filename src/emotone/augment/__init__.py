"""Random changes of a waveform with a seed: augmented copies for training, degraded conditions for tests."""

from emotone.augment._dsp import impulse_response
from emotone.augment.copies import Augmentation
from emotone.augment.registry import NAMES, TRANSFORMS, parse
from emotone.augment.scene import Scene
from emotone.augment.transforms import (
    FrequencyMask,
    Gain,
    Noise,
    Pitch,
    Room,
    Speed,
    Stretch,
    TimeMask,
    Transform,
    apply,
    mixed_rows,
    seed_for,
)

__all__ = [
    "NAMES",
    "TRANSFORMS",
    "Augmentation",
    "FrequencyMask",
    "Gain",
    "Noise",
    "Pitch",
    "Room",
    "Scene",
    "Speed",
    "Stretch",
    "TimeMask",
    "Transform",
    "apply",
    "impulse_response",
    "mixed_rows",
    "parse",
    "seed_for",
]
