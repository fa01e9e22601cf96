"""Files with a checksum that can be made again, such as graphs of extractors."""

import os
import warnings
from pathlib import Path

import pytest

from emotone.errors import StoreWarning
from emotone.features.kept_files import keep, read_kept
from support import stores


def cut_graph(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty_graph(path: Path) -> None:
    path.write_bytes(b"")


def changed_graph(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def graph_of_another_program(path: Path) -> None:
    path.write_bytes(stores.tiny_graph())


def graph_that_is_a_folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def graph_that_is_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    (cut_graph, empty_graph, changed_graph, graph_of_another_program, graph_that_is_a_folder, graph_that_is_a_pipe),
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_graph_is_made_again(tmp_path, damage):
    path = tmp_path / "tiny.graph"
    assert read_kept(path) is None  # missing: nothing to say
    keep(path, stores.tiny_graph())
    assert read_kept(path) == stores.tiny_graph()
    damage(path)
    with pytest.warns(StoreWarning, match="its content is made again") as notes:
        assert read_kept(path) is None
    assert len(notes) == 1
    if path.is_file():
        keep(path, b"new")
        assert read_kept(path) == b"new"
    else:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            keep(path, b"new")  # over a pipe it can be written, over a folder there is a note


def test_a_graph_that_can_not_be_kept(open_place):
    with stores.without_privileges(), pytest.warns(StoreWarning, match=r"can't be written .* with --cache"):
        keep(open_place / "mine.graph", b"graph")
