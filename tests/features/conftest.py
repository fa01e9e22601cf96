"""A store on disk, and copies of it that tests damage."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from support import stores
from support.stores import N_CLIPS


@pytest.fixture(scope="module")
def open_place() -> Iterator[Path]:
    """A folder that every user can enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stored_clips(open_place: Path, make_voice: Callable[..., np.ndarray]) -> list[Path]:
    paths = [open_place / f"{number}.wav" for number in range(N_CLIPS)]
    for number, path in enumerate(paths):
        audio.write_wav(path, make_voice(seconds=0.3 + 0.01 * number, seed=number, gain=0.1 + 0.05 * number))
    return paths


@pytest.fixture(scope="module")
def intact(open_place: Path, stored_clips: list[Path]) -> Path:
    """A store that holds all clips, closed."""
    folder = open_place / "intact"
    stores.keep_graph(folder)
    assert stores.compute(folder, stored_clips)[1] == N_CLIPS
    assert stores.compute(folder, stored_clips)[1] == 0
    return folder


@pytest.fixture(scope="module")
def right(intact: Path, stored_clips: list[Path]) -> np.ndarray:
    return stores.compute(intact, stored_clips)[0].values


@pytest.fixture
def store(open_place: Path, intact: Path) -> Iterator[Path]:
    """A copy of it, which everybody may change."""
    folder = open_place / "store"
    shutil.copytree(intact, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    yield folder
    shutil.rmtree(folder)
