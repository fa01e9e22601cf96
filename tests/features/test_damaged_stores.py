"""Stores that are damaged, foreign, locked or full: features are right, a note says what happens, and nothing ends."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from emotone.errors import StoreWarning
from emotone.features.store_file import StoreFile
from support import stores
from support.stores import N_CLIPS, computed, database


def cut(store: Path) -> None:
    os.truncate(database(store), database(store).stat().st_size // 2 - 100)


def cut_header(store: Path) -> None:
    os.truncate(database(store), 50)


def garbage_header(store: Path) -> None:
    with database(store).open("r+b") as file:
        file.write(os.urandom(100))


def garbage_in_the_middle(store: Path) -> None:
    size = database(store).stat().st_size
    with database(store).open("r+b") as file:
        file.seek(4096)
        file.write(bytes(range(256)) * ((size - 4096) // 256))


def garbage_schema(store: Path) -> None:
    with database(store).open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


def zeros_in_the_middle(store: Path) -> None:
    size = database(store).stat().st_size
    with database(store).open("r+b") as file:
        file.seek(4096)
        file.write(bytes(size - 4096))


def text_file(store: Path) -> None:
    database(store).write_text("dear diary\n" * 200)


def picture(store: Path) -> None:
    database(store).write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(8000))


DAMAGED_FILES = (
    cut, cut_header, garbage_header, garbage_in_the_middle, garbage_schema, zeros_in_the_middle, text_file, picture,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED_FILES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_set_aside_and_begun_anew(store, stored_clips, right, damage):
    damage(store)
    content = database(store).read_bytes()
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert 0 < n_computed <= N_CLIPS
    assert len(notes) == 1 and "is damaged" in notes[0] and "features.sqlite.damaged-1" in notes[0]
    assert len((store / "features.sqlite.damaged-1").read_bytes()) >= len(content)
    values, _, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert not notes


def test_an_empty_file_is_filled(store, stored_clips, right):
    database(store).write_bytes(b"")
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS and not notes
    assert computed(store, stored_clips)[1:] == (0, [])


def test_a_second_damaged_file_does_not_replace_the_first(store, stored_clips):
    for number in (1, 2):
        database(store).write_bytes(b"%d" % number * 4000)
        assert f"damaged-{number}" in computed(store, stored_clips)[2][0]
    assert (store / "features.sqlite.damaged-1").read_bytes() == b"1" * 4000


def foreign_database(store: Path) -> None:
    database(store).unlink()
    stores.change_rows(database(store), "CREATE TABLE bookmarks (url TEXT)")


def foreign_schema(store: Path) -> None:
    database(store).unlink()
    stores.change_rows(database(store), "CREATE TABLE features (id INTEGER PRIMARY KEY, geometry BLOB)")


def newer_schema(store: Path) -> None:
    stores.change_rows(database(store), "ALTER TABLE features ADD COLUMN made REAL")


def folder_in_its_place(store: Path) -> None:
    database(store).unlink()
    (database(store) / "inner").mkdir(parents=True)


def link_to_nothing(store: Path) -> None:
    database(store).unlink()
    database(store).symlink_to("/no/such/folder/file")


def link_to_itself(store: Path) -> None:
    database(store).unlink()
    database(store).symlink_to(database(store))


@pytest.mark.parametrize(
    "foreign",
    (foreign_database, foreign_schema, newer_schema, folder_in_its_place, link_to_nothing, link_to_itself),
    ids=lambda foreign: foreign.__name__,
)
def test_what_is_not_the_store_is_left_alone(store, stored_clips, right, foreign):
    foreign(store)
    before = sorted((path.name, path.is_file() and path.read_bytes()) for path in store.iterdir())
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS
    assert len(notes) == 1
    assert (
        "can't be used" in notes[0] and "is not kept" in notes[0] and "choose another folder with --cache" in notes[0]
    )
    assert sorted((path.name, path.is_file() and path.read_bytes()) for path in store.iterdir()) == before


def test_a_file_in_place_of_the_folder(open_place, stored_clips, right, monkeypatch):
    folder = open_place / "no folder"
    folder.write_text("a file")
    monkeypatch.setattr(stores.FeatureStore, "graph", lambda self, extractor: stores.tiny_graph())
    values, n_computed, notes = computed(folder, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS and len(notes) == 1 and "can't be used" in notes[0]


def read_only_file(store: Path) -> None:
    database(store).chmod(0o444)


def read_only_folder(store: Path) -> None:
    database(store).chmod(0o444)
    store.chmod(0o555)


@pytest.mark.parametrize("protect", (read_only_file, read_only_folder), ids=lambda protect: protect.__name__)
def test_of_a_store_that_can_only_be_read_the_rows_are_used(store, stored_clips, right, protect):
    stores.change_rows(database(store), "DELETE FROM features WHERE key=(SELECT min(key) FROM features)")
    for name in ("features.sqlite-wal", "features.sqlite-shm"):
        (store / name).unlink(missing_ok=True)
    protect(store)
    with stores.without_privileges():
        values, n_computed, notes = computed(store, stored_clips)
    store.chmod(0o777)
    np.testing.assert_array_equal(values, right)
    assert n_computed == 1
    assert len(notes) == 1 and "can't be written" in notes[0] and "with --cache" in notes[0]


def test_a_file_that_can_not_be_read(store, stored_clips, right):
    database(store).chmod(0)
    with stores.without_privileges():
        values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS
    assert len(notes) == 1 and "can't be used" in notes[0] and "that can be read and written" in notes[0]


def test_a_full_disk(open_place, stored_clips, right):
    folder = open_place / "disk"
    folder.mkdir()
    with stores.small_disk(folder, n_bytes=300_000):
        stores.keep_graph(folder)
        assert stores.compute(folder, stored_clips[:4])[1] == 4
        stores.fill(folder / "other")
        values, n_computed, notes = computed(folder, stored_clips)
        np.testing.assert_array_equal(values, right)
        assert len(notes) == 1 and "--cache" in notes[0]
        (folder / "other").unlink()
        values, n_computed, notes = computed(folder, stored_clips)
        np.testing.assert_array_equal(values, right)
        assert n_computed == 8 and not notes
    folder.rmdir()


class _FullDatabase(sqlite3.Connection):
    """A database whose disk is full: rows can be read, and none can be added."""

    def execute(self, statement: str, *args: object) -> sqlite3.Cursor:
        if statement.startswith("INSERT"):
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(statement, *args)


def test_a_disk_that_is_full_when_rows_are_written(store, stored_clips, right, monkeypatch):
    stores.change_rows(database(store), "DELETE FROM features WHERE key=(SELECT min(key) FROM features)")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=_FullDatabase, **options))
    values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == 1
    assert len(notes) == 1 and "disk is full" in notes[0] and "make room" in notes[0]


@contextmanager
def locked(store: Path, *, seconds: float) -> Iterator[None]:
    """Another process holds the store for this long, or until the block ends."""
    code = (
        "import sqlite3, sys, time; database = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "database.execute('PRAGMA locking_mode=EXCLUSIVE'); database.execute('BEGIN EXCLUSIVE'); "
        "database.execute('DELETE FROM clips WHERE 0'); print('locked', flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(database(store)), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            process.kill()


@pytest.mark.slow
def test_a_short_lock_is_waited_for(store, stored_clips, right):
    with locked(store, seconds=1.5):
        values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == 0 and not notes


@pytest.mark.slow
def test_a_long_lock_is_waited_for_in_vain(store, stored_clips, right, monkeypatch):
    assert sys.modules["emotone.features.store_file"]._WAIT_S == 10
    monkeypatch.setattr("emotone.features.store_file._WAIT_S", 0.5)
    with locked(store, seconds=600):
        values, n_computed, notes = computed(store, stored_clips)
    np.testing.assert_array_equal(values, right)
    assert n_computed == N_CLIPS
    assert len(notes) == 1 and "another program has locked it" in notes[0] and "end that program" in notes[0]


def test_a_lock_is_waited_for_once(store, stored_clips, monkeypatch):
    """By the features, and not again by those of each augmented copy."""
    monkeypatch.setattr("emotone.features.store_file._WAIT_S", 0.2)
    keeper = stores.FeatureStore(store)
    with locked(store, seconds=600), warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        for _ in range(3):
            keeper.compute(stores.Table(stored_clips[:1]), stores.TINY, pool=stores.LocalPool(1))
    assert len([note for note in notes if note.category is StoreWarning]) == 1


def test_no_lock_is_held_while_clips_are_computed(store, stored_clips):
    """Slow clips of one process don't keep another one from writing."""
    schema = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER, checksum BLOB);"
    first, second = (StoreFile(store / "numbers.sqlite", schema) for _ in range(2))
    with first.opened(), second.opened():
        for number, file in enumerate((first, second, first, second)):
            file.write([("numbers", (number,))])
        assert [second.fetch("numbers", {"number": number}) for number in range(5)] == [(0,), (1,), (2,), (3,), None]


def wal_of_garbage(store: Path) -> None:
    (store / "features.sqlite-wal").write_bytes(os.urandom(20_000))


def wal_of_another_database(store: Path) -> None:
    wal_left_by_a_crash(store / "other")
    shutil.move(store / "other" / "features.sqlite-wal", store / "features.sqlite-wal")


def wal_left_by_a_crash(store: Path) -> None:
    """What a process writes that dies at once: all rows are zeros, and still in the WAL file."""
    code = (
        "import os, sqlite3, sys; database = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "database.execute('PRAGMA journal_mode=WAL'); "
        "database.execute('CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, row BLOB, checksum BLOB)'); "
        "database.execute('INSERT OR IGNORE INTO features VALUES (1, 2, 3)'); "
        "database.execute('UPDATE features SET row=zeroblob(8)'); os.kill(os.getpid(), 9)"
    )
    store.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", code, str(database(store))], check=False)
    assert (store / "features.sqlite-wal").stat().st_size > 0


def wal_that_is_cut(store: Path) -> None:
    wal_left_by_a_crash(store)
    os.truncate(store / "features.sqlite-wal", 3000)


def wal_that_is_missing(store: Path) -> None:
    wal_left_by_a_crash(store)
    (store / "features.sqlite-wal").unlink()


def wal_that_is_a_folder(store: Path) -> None:
    (store / "features.sqlite-wal" / "inner").mkdir(parents=True)


def index_of_garbage(store: Path) -> None:
    wal_left_by_a_crash(store)
    (store / "features.sqlite-shm").write_bytes(os.urandom(32_768))


@pytest.mark.parametrize(
    "damage",
    (
        wal_of_garbage, wal_of_another_database, wal_left_by_a_crash, wal_that_is_cut, wal_that_is_missing,
        wal_that_is_a_folder, index_of_garbage,
    ),
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_whatever_became_of_the_journal_features_are_right(store, stored_clips, right, damage):
    damage(store)
    for _ in range(2):
        values, _, notes = computed(store, stored_clips)
        np.testing.assert_array_equal(values, right)
        assert len(notes) <= 1


def test_a_file_that_is_removed_during_the_work(store, stored_clips, right):
    def remove() -> None:
        time.sleep(0.01)
        shutil.rmtree(store / "features.sqlite", ignore_errors=True)
        database(store).unlink(missing_ok=True)

    thread = threading.Thread(target=remove)
    thread.start()
    values, _, _ = computed(store, stored_clips)
    thread.join()
    np.testing.assert_array_equal(values, right)
    np.testing.assert_array_equal(computed(store, stored_clips)[0], right)
