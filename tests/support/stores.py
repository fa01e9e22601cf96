"""A feature store that needs no torch: clips, a tiny graph that is kept already, and ways to damage the files."""

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotone.errors import StoreWarning
from emotone.features.columns import plain
from emotone.features.kept_files import keep
from emotone.features.store import Features, FeatureStore, StoredExtractor
from emotone.parallel import LocalPool

NOBODY = 65_534
N_CLIPS = 12
TINY = StoredExtractor("tiny", "d" * 64, plain("peak", "mean"), is_graph=True, is_sequence=False, stored_as="float32")


def tiny_graph() -> bytes:
    """A graph of two features: the greatest and the mean absolute sample."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Abs", ["waveform"], ["size"]),
        helper.make_node("ReduceMax", ["size"], ["peak"], keepdims=1),
        helper.make_node("ReduceMean", ["size"], ["mean"], keepdims=1),
        helper.make_node("Concat", ["peak", "mean"], ["embedding"], axis=1),
    ]
    shapes = {"waveform": [1, "n"], "embedding": [1, 2]}
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph(nodes, "tiny", [given], [made])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


class Table:
    """As much of a corpus as the store needs."""

    def __init__(self, paths: list[Path]) -> None:
        files = [str(path) for path in paths]
        self.table = pd.DataFrame({"path": files, "start_s": 0.0, "end_s": np.nan, "audio_channel": ""})


def keep_graph(folder: Path) -> None:
    """Put the graph where the store looks for it."""
    keep(folder / "graphs" / f"tiny-{TINY.digest[:32]}.graph", tiny_graph())


def compute(folder: Path, clips: list[Path]) -> tuple[Features, int]:
    """Features, and how many clips were computed."""
    steps: list[int] = []
    store = FeatureStore(folder)
    features = store.compute(Table(clips), TINY, pool=LocalPool(1), progress=lambda done, *_: steps.append(done))
    return features, len(steps)


def computed(store: Path, clips: list[Path]) -> tuple[np.ndarray, int, list[str]]:
    """Features, number of clips that were computed, and notes."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        features, n_computed = compute(store, clips)
    assert not features.rejected
    return features.values, n_computed, [str(note.message) for note in notes if note.category is StoreWarning]


def database(store: Path) -> Path:
    return store / "features.sqlite"


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user to whom permissions apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def change_rows(file: Path, statement: str, *values: object) -> None:
    """Change rows behind the back of the store, which is closed."""
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute(statement, values).rowcount != 0


def fill(path: Path) -> None:
    """Fill the disk of a folder."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


@contextmanager
def small_disk(folder: Path, *, n_bytes: int) -> Iterator[None]:
    """A file system of a few kilobytes, where the system lets one be made; skip the test otherwise."""
    import subprocess

    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
