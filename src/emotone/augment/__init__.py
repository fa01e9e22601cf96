"""Seeded changes of a waveform: augmented copies for training, and conditions for tests."""

from emotone.augment._dsp import impulse_response
from emotone.augment.transforms import (
    NAMES,
    TRANSFORMS,
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
    parse,
    seed_for,
    split_names,
)

__all__ = [
    "NAMES",
    "TRANSFORMS",
    "FrequencyMask",
    "Gain",
    "Noise",
    "Pitch",
    "Room",
    "Speed",
    "Stretch",
    "TimeMask",
    "Transform",
    "apply",
    "impulse_response",
    "mixed_rows",
    "parse",
    "seed_for",
    "split_names",
]
