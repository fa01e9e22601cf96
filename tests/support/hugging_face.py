"""Hugging Face's `datasets`, as the tests use it: without the hub, and without decoding sound."""

import sys
from pathlib import Path
from types import ModuleType

import pytest


def datasets_without_sound(cache: Path, *, patch: pytest.MonkeyPatch) -> ModuleType:
    """Return the library, with a cache folder, for audio that is read as the path of its file.

    `datasets` imports torchcodec even to note a path.  torchcodec needs FFmpeg on the machine, and decodes nothing
    here, so that an empty module is enough.
    """
    import datasets

    codec, encoders = ModuleType("torchcodec"), ModuleType("torchcodec.encoders")
    encoders.AudioEncoder = object
    patch.setitem(sys.modules, "torchcodec", codec)
    patch.setitem(sys.modules, "torchcodec.encoders", encoders)
    patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    return datasets
