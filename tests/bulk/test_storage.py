"""Folders of outputs: here, and in other file systems."""

import os
import subprocess
import sys
import time

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from emotone.bulk.storage import Local, Remote, storage_of
from emotone.errors import ConfigError

UNFINISHED = ".part-0000001.parquet.0123abcd.part"


class Shelf(MemoryFileSystem):
    """A file system that is no object store, and that replaces no file when it renames one."""

    protocol = "shelf"
    store, pseudo_dirs = {}, [""]
    sent = []

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("shelf://").strip("/")

    def pipe_file(self, path, value, **options):
        self.sent.append(path)
        super().pipe_file(path, value, **options)

    def mv(self, path1, path2, **options):
        if self.exists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2, **options)


@pytest.fixture
def shelf():
    fsspec.register_implementation("shelf", Shelf, clobber=True)
    Shelf.store.clear()
    Shelf.sent.clear()
    return Remote("shelf://out")


@pytest.mark.parametrize("scheme", ["file", "local", "FILE"])
def test_addresses_of_this_machine_are_local(tmp_path, scheme):
    storage = storage_of(f"{scheme}://{tmp_path}/out")
    assert isinstance(storage, Local)
    assert storage.address == f"{tmp_path}/out"


def test_address_without_a_folder_is_refused():
    with pytest.raises(ConfigError, match="names no folder"):
        storage_of("file://")


def test_other_file_systems_get_a_temporary_name(shelf):
    for content in (b"first", b"second"):  # which replaces the first
        shelf.write("work/state", content)
        assert shelf.read("work/state") == content
    assert [path for path in Shelf.sent if not path.rsplit("/", 1)[1].startswith(".state.")] == []
    assert list(Shelf.store) == ["/out/work/state"]


def test_unfinished_files_of_other_file_systems_are_no_files(shelf, monkeypatch, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    shelf.put(tmp_path / "a", "segments/a")

    def cut(self, path1, path2, **options):
        raise OSError("connection lost")

    monkeypatch.setattr(Shelf, "mv", cut)
    with pytest.raises(OSError, match="connection lost"):
        shelf.write("segments/b", b"b")
    Shelf.store["/out/segments/.c.0123abcd.part"] = Shelf.store["/out/segments/a"]
    assert shelf.names("segments") == {"a"}


def test_object_stores_get_the_name_itself(monkeypatch):
    storage = Remote("memory://names")

    def no(*args, **options):
        raise AssertionError("a copy costs as much as the file")

    monkeypatch.setattr(MemoryFileSystem, "mv", no)
    storage.write("a", b"a")
    assert storage.read("a") == b"a"
    storage.remove("")


def test_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def renamed(source, target):
        events.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    (tmp_path / "local").write_bytes(b"b")
    storage = Local(str(tmp_path / "out"))
    storage.write("segments/a", b"a")
    assert events == ["file", "name", "folder", "folder"]  # the second is that in which the folder is new
    events.clear()
    storage.put(tmp_path / "local", "segments/b")
    assert events == ["file", "name", "folder"]


def test_disk_error_of_a_sync_leaves_no_file(tmp_path, monkeypatch):
    def broken(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        Local(str(tmp_path)).write("a", b"a")
    assert list(tmp_path.iterdir()) == []


def test_unfinished_files_are_swept(tmp_path):
    storage = Local(str(tmp_path))
    kept = [tmp_path / "segments/part-0000001.parquet", tmp_path / ".notes.part", tmp_path / "a/b/c" / UNFINISHED]
    left = [tmp_path / folder / UNFINISHED for folder in (".", "segments", "work", "work/failures")]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    storage.sweep()  # another command may be writing them
    assert all(path.exists() for path in left)
    os.utime(left[0], (time.time() - 4000,) * 2)
    storage.sweep()
    assert [path.exists() for path in left] == [False, True, True, True]
    with storage.lock():
        storage.sweep()
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_second_command_is_refused(tmp_path):
    pytest.importorskip("fcntl")
    out = str(tmp_path / "new" / "out")
    with Local(out).lock():
        with pytest.raises(ConfigError, match="another command is working on .*out; wait until it ends"):
            Local(out).lock().__enter__()
        with Local(str(tmp_path / "other")).lock():
            pass
    with Local(out).lock():
        pass
    assert os.listdir(out) == []


def test_lock_ends_with_its_process(tmp_path):
    pytest.importorskip("fcntl")
    code = "import sys, time; from emotone.bulk.storage import Local\n"
    code += "with Local(sys.argv[1]).lock(): print('locked', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(ConfigError), Local(str(tmp_path)).lock():
            pass
        process.kill()
    with Local(str(tmp_path)).lock():
        pass


def test_lock_that_another_user_left_is_no_hindrance(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    (tmp_path / ".lock").touch()
    opened = os.open

    def others(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", others)
    with Local(str(tmp_path)).lock(), pytest.raises(ConfigError), Local(str(tmp_path)).lock():
        pass


def test_file_in_the_place_of_the_folder_is_left_to_its_check(tmp_path):
    (tmp_path / "out").write_text("mine")
    with Local(str(tmp_path / "out")).lock():
        assert (tmp_path / "out").read_text() == "mine"


def test_system_without_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def no(descriptor, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no)
    with Local(str(tmp_path)).lock(), Local(str(tmp_path)).lock():
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with Local(str(tmp_path)).lock(), Local(str(tmp_path)).lock():
        pass


def test_remote_folders_have_no_lock():
    storage = Remote("memory://out")
    with storage.lock(), storage.lock():
        storage.sweep()
