"""Results of clips that are kept in a database."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emotone.audio.segments import Segment
from emotone.errors import FeatureError, StoreWarning
from emotone.features.clip_cache import ClipCache
from emotone.features.store_file import StoreFile, TableRow
from emotone.parallel import LocalPool
from support.pool_work import size_of

SCHEMA = """CREATE TABLE IF NOT EXISTS sizes (
    path BLOB, start_s REAL, end_s REAL, state TEXT, size INTEGER, checksum BLOB, PRIMARY KEY (path, start_s, end_s)
);"""


class Sizes(ClipCache[tuple[int]]):
    def look_up(self, key: Mapping[str, Any]) -> tuple[int] | None:
        row = self.file.fetch("sizes", key)
        return row and row[-1:]

    def rows(self, key: Mapping[str, Any], result: tuple[int]) -> list[TableRow]:
        return [("sizes", (*key.values(), *result))]


def compute(path: Path, clips: list[Segment], *, code: str = "1", workers: int = 1) -> tuple[Any, Any, int]:
    steps: list[tuple[int, int, str]] = []
    options = {"what": "sizes", "pool": LocalPool(workers), "progress": lambda *step: steps.append(step)}
    results, reasons = Sizes(StoreFile(path, SCHEMA), code=code).compute(clips, size_of, **options)
    return results, reasons, len(steps)


@pytest.fixture
def clips(tmp_path: Path) -> list[Segment]:
    for number in range(16):
        (tmp_path / f"{number}.bin").write_bytes(b"x" * number)
    return [Segment(str(tmp_path / f"{number}.bin")) for number in range(16)]


def test_known_clips_are_not_computed_again_unless_file_or_code_changes(tmp_path: Path, clips: list[Segment]) -> None:
    results, reasons, n_computed = compute(tmp_path / "a.sqlite", clips)
    assert results == {number: (number,) for number in range(1, 16)}
    assert reasons == {0: f"{clips[0][0]}: empty"} and n_computed == 16
    assert compute(tmp_path / "a.sqlite", clips) == (results, reasons, 1)  # only the one without a result
    Path(clips[3][0]).write_bytes(b"changed")
    changed, _, n_computed = compute(tmp_path / "a.sqlite", clips)
    assert changed[3] == (7,) and n_computed == 2
    assert compute(tmp_path / "a.sqlite", clips, code="2")[2] == 16


@pytest.mark.slow
def test_processes_give_the_same_as_this_one(tmp_path: Path, clips: list[Segment]) -> None:
    assert compute(tmp_path / "a.sqlite", clips, workers=2) == compute(tmp_path / "b.sqlite", clips)


def test_errors_name_the_reason_and_the_remedy(tmp_path: Path, clips: list[Segment]) -> None:
    with pytest.raises(FeatureError, match=r"none of 1 clips could be read; the first: .*0.bin: empty"):
        compute(tmp_path / "a.sqlite", clips[:1])
    with pytest.raises(FeatureError, match="none of 1 clips could be read"):
        compute(tmp_path / "a.sqlite", [Segment(str(tmp_path / "missing.bin"))])


def test_a_damaged_file_is_renamed_and_begun_anew(tmp_path: Path, clips: list[Segment]) -> None:
    content = b"no database at all, and long enough to be looked at" * 40
    (tmp_path / "bad.sqlite").write_bytes(content)
    with pytest.warns(StoreWarning, match=r"bad.sqlite is damaged .* now called bad.sqlite.damaged-1") as notes:
        results, _, _ = compute(tmp_path / "bad.sqlite", clips)
    assert results == {number: (number,) for number in range(1, 16)} and len(notes) == 1
    assert (tmp_path / "bad.sqlite.damaged-1").read_bytes() == content
    assert compute(tmp_path / "bad.sqlite", clips)[2] == 1  # what was computed is kept
