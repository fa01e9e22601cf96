"""Graphs of extractors: an export takes a dozen seconds, so the tests of a run and of later runs share them."""

import os
from pathlib import Path

import pytest

_VARIABLE = "EMOTONE_TEST_GRAPHS"


def name_folder(config: pytest.Config) -> None:
    """Tell this process, and those that it starts, where graphs are kept; nowhere without pytest's cache."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        os.environ[_VARIABLE] = str(cache.mkdir("features"))


def share(cache: Path) -> Path:
    """Make a folder for ``EMOTONE_CACHE`` that has the shared graphs, and nothing else of other tests."""
    cache.mkdir(parents=True, exist_ok=True)
    if named := os.environ.get(_VARIABLE):
        graphs = Path(named) / "graphs"
        graphs.mkdir(exist_ok=True)
        (cache / "graphs").symlink_to(graphs)
    return cache
