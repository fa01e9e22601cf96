"""Rows of a store that are damaged: they are computed again, with one note, and no feature differs."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emotone.features.store_file import _checksum
from support import stores
from support.stores import N_CLIPS, computed, database


def zeros(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=zeroblob(length(row))")


def one_row_of_zeros(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=zeroblob(8) WHERE key=(SELECT min(key) FROM features)")


def cut_rows(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=substr(row, 1, 5)")


def longer_rows(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=row || row")


def no_rows(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=NULL")


def rows_of_text(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row='12345678'")


def rows_of_numbers(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=12345678")


def rows_of_nan(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=?", np.full(2, np.nan, np.float32).tobytes())


def rows_of_another_extractor(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET row=?, checksum=?", os.urandom(8), os.urandom(16))


def rows_that_swapped(store: Path) -> None:
    """Each row, with its checksum, is at the key of the next one."""
    with closing(sqlite3.connect(database(store))) as opened, opened:
        rows = opened.execute("SELECT key, row, checksum FROM features ORDER BY key").fetchall()
        for (key, _, _), (_, row, checksum) in zip(rows, rows[1:] + rows[:1], strict=True):
            opened.execute("UPDATE features SET row=?, checksum=? WHERE key=?", (row, checksum, key))


def digests_of_another_clip(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE clips SET digest=(SELECT max(digest) FROM clips)")


def digests_that_are_no_text(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE clips SET digest=CAST(x'ff00fe80' AS TEXT)")


def without_checksums(store: Path) -> None:
    stores.change_rows(database(store), "UPDATE features SET checksum=NULL")


DAMAGED_ROWS = (
    zeros, one_row_of_zeros, cut_rows, longer_rows, no_rows, rows_of_text, rows_of_numbers, rows_of_nan,
    rows_of_another_extractor, rows_that_swapped, digests_of_another_clip, digests_that_are_no_text, without_checksums,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED_ROWS, ids=lambda damage: damage.__name__)
def test_damaged_rows_are_computed_again_with_one_note(store, stored_clips, right, damage):
    damage(store)
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert 0 < n_computed <= N_CLIPS
    assert len(notes) == 1 and f"clip{'s'[: n_computed > 1]} of 12 must be computed again" in notes[0]
    assert computed(store, stored_clips)[1:] == (0, [])


@pytest.mark.parametrize("numbers", [[np.nan, 1], [1, 2, 3, 4], [1], []], ids=["nan", "long", "short", "empty"])
def test_numbers_that_can_not_be_features_are_computed_again(store, stored_clips, right, numbers):
    """Also with a right checksum, as of a version that wrote something else."""
    content = np.asarray(numbers, np.float32).tobytes()
    with closing(sqlite3.connect(database(store))) as opened, opened:
        for (key,) in opened.execute("SELECT key FROM features").fetchall():
            values = (content, _checksum("features", (key, content)), key)
            opened.execute("UPDATE features SET row=?, checksum=? WHERE key=?", values)
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS and len(notes) == 1


def test_a_store_without_checksums_is_rebuilt_without_a_note(store, stored_clips, right):
    """Rows of earlier versions can't be checked."""
    database(store).unlink()
    with closing(sqlite3.connect(database(store))) as old, old:
        old.executescript(
            "CREATE TABLE clips (path BLOB, start_s REAL, end_s REAL, state TEXT, digest TEXT,"
            " PRIMARY KEY (path, start_s, end_s));"
            "CREATE TABLE features (key TEXT PRIMARY KEY, row BLOB);"
            "INSERT INTO features VALUES ('a', zeroblob(8))"
        )
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS and not notes
    assert computed(store, stored_clips)[1:] == (0, [])
