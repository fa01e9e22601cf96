"""The order in which test files are given to processes."""

from pathlib import Path
from types import SimpleNamespace

from conftest import pytest_collection_modifyitems


def item(path: str, name: str, *marks: str) -> SimpleNamespace:
    markers = [SimpleNamespace(name=mark) for mark in marks]
    return SimpleNamespace(path=Path(path), name=name, iter_markers=lambda: markers)


def test_files_with_long_tests_come_first_and_whole() -> None:
    items = [
        item("quick.py", "a"),
        item("slow.py", "a"),
        item("slow.py", "b", "slow"),
        item("page.py", "a", "browser", "parametrize"),
        item("real.py", "a", "slow"),
        item("real.py", "b", "corpus"),
        item("also_quick.py", "a", "parametrize"),
    ]
    pytest_collection_modifyitems(items)
    files = ["real.py", "real.py", "slow.py", "slow.py", "page.py", "quick.py", "also_quick.py"]
    assert [each.path.name for each in items] == files
    assert [each.name for each in items[:4]] == ["a", "b", "a", "b"]
