"""Temporary files and folders: private, removed at the end, and removed after a kill by the next of their kind."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emotone import files
from emotone.temporary import remove_leftovers, temporary_file, temporary_folder

HOLD = {
    "folder": "folder = enter(temporary_folder('.explore-', parent=path)); (folder / 'file').write_text('mine')",
    "file": "enter(temporary_file(path / 'table.csv')).write_text('half')",
}


@contextmanager
def other_process(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a temporary file or folder, and is killed at the end of the block, unless it was before."""
    code = (
        "import sys, time, contextlib, pathlib\n"
        "from emotone.temporary import temporary_file, temporary_folder\n"
        "enter, path = contextlib.ExitStack().enter_context, pathlib.Path(sys.argv[1])\n"
        f"{HOLD[kind]}\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_private_and_is_removed(tmp_path):
    with temporary_folder("work-", parent=tmp_path) as folder:
        assert folder.parent == tmp_path and folder.name.startswith("work-")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "inner").mkdir()
    assert not names(tmp_path)


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_running_one_is_not(tmp_path):
    with other_process(tmp_path, "folder"):
        (running,) = names(tmp_path)
        with other_process(tmp_path, "folder"):
            assert len(names(tmp_path)) == 2  # the second did not remove the first
        assert len(names(tmp_path)) == 2  # it was killed
        with temporary_folder(".explore-", parent=tmp_path) as folder:
            assert names(tmp_path) == {running, folder.name}
        assert (tmp_path / running / "file").read_text() == "mine"
    remove_leftovers(".explore-", parent=tmp_path)
    assert not names(tmp_path)


def test_only_folders_of_this_kind_and_no_links_are_removed(tmp_path):
    for name in ("mine", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    (tmp_path / ".explore-file").write_text("a file")
    (tmp_path / ".explore-link").symlink_to(tmp_path / "elsewhere")
    with temporary_folder(".explore-", parent=tmp_path):
        pass
    assert names(tmp_path) == {"mine", "elsewhere", ".explore-file", ".explore-link"}
    assert (tmp_path / "elsewhere" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("results", 0o700),
        ("results_", 0o755),
        ("results_.temporary", 0o755),
        ("my-results.temporary", 0o700),
        ("", 0o700),
    ],
)
def test_a_folder_that_a_person_made_is_left_alone(tmp_path, name, mode):
    mine = tmp_path / f"emotone-benchmark-{name}"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    mine.chmod(mode)
    with temporary_folder("emotone-benchmark-", parent=tmp_path):
        pass
    assert (mine / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("kind", ["of another user", "with two names", "a pipe", "a folder", "a link"])
def test_what_lies_in_the_place_of_a_temporary_file_is_not_taken_over(tmp_path, kind):
    place, victim = tmp_path / ".a.txt.00000000.part", tmp_path / "victim"
    victim.write_text("mine")
    if kind == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can make files of another user")
        place.write_text("theirs")
        place.chmod(0o666)
        os.chown(place, 65_534, 65_534)
    elif kind == "with two names":
        os.link(victim, place)
    elif kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a folder":
        place.mkdir()
    else:
        place.symlink_to(victim)
    files.write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole" and victim.read_text() == "mine"
    status = (tmp_path / "a.txt").stat(follow_symlinks=False)
    assert status.st_uid == os.geteuid() and status.st_nlink == 1 and os.path.lexists(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_folders_of_other_users_are_left_alone(tmp_path):
    (tmp_path / ".explore-abcdefgh.temporary").mkdir()
    os.chown(tmp_path / ".explore-abcdefgh.temporary", 65_534, 65_534)
    remove_leftovers(".explore-", parent=tmp_path)
    assert names(tmp_path) == {".explore-abcdefgh.temporary"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_folders_of_other_users_do_not_keep_those_of_this_user():
    """Whatever their order in the folder, such as /tmp."""
    pytest.importorskip("fcntl")  # now: the other user may not read Python's files
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o777)
    for number in range(0, 12, 2):
        (parent / f".explore-{number:08}.temporary").mkdir(mode=0o700)
    os.seteuid(65_534)
    try:
        for number in range(1, 12, 2):
            (parent / f".explore-{number:08}.temporary").mkdir(mode=0o700)
        remove_leftovers(".explore-", parent=parent)
    finally:
        os.seteuid(0)
    assert names(parent) == {f".explore-{number:08}.temporary" for number in range(0, 12, 2)}
    shutil.rmtree(parent)


def test_the_file_of_a_killed_process_is_replaced_and_that_of_a_running_one_is_not(tmp_path):
    path = tmp_path / "table.csv"
    with other_process(tmp_path, "file"):
        (running,) = names(tmp_path)
        with other_process(tmp_path, "file"):
            pass
        assert len(names(tmp_path)) == 2
        files.write_text(path, "whole")
        assert names(tmp_path) == {running, "table.csv"}  # what the killed one left is gone
        assert (tmp_path / running).read_text() == "half"
    files.write_text(path, "whole again")
    assert names(tmp_path) == {"table.csv"} and path.read_text() == "whole again"


def test_nothing_of_a_longer_leftover_is_in_the_file(tmp_path):
    with other_process(tmp_path, "file"):
        pass
    with files.replacing(tmp_path / "table.csv") as temporary, temporary.open("r+") as file:
        file.write("a")
    assert (tmp_path / "table.csv").read_text() == "a"


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    files.write_text(tmp_path / "a.txt", "before")
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert names(tmp_path) == {"a.txt"} and (tmp_path / "a.txt").read_text() == "before"


def test_many_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    """Each writes whole contents: a file that was taken from a running writer would be mixed, or missing."""
    path, errors = tmp_path / "a.txt", []

    def write(letter: str) -> None:
        try:
            for _ in range(60):
                files.write_text(path, letter * 5000)
                assert len(set(path.read_text())) == 1
        except Exception as error:  # seen by the test below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and names(tmp_path) == {"a.txt"}


def test_many_folders_at_once(tmp_path):
    errors = []

    def work() -> None:
        try:
            for _ in range(30):
                with temporary_folder("work-", parent=tmp_path) as folder:
                    (folder / "file").write_text("mine")
                    assert (folder / "file").read_text() == "mine"
        except Exception as error:  # seen by the test below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and not names(tmp_path)


def test_without_locks_nothing_is_taken_or_removed(tmp_path, monkeypatch):
    def refuse(*args: object) -> None:
        raise OSError("no locks")

    for kind in HOLD:
        with other_process(tmp_path, kind):
            pass
    left = names(tmp_path)
    monkeypatch.setattr("fcntl.flock", refuse)
    files.write_text(tmp_path / "table.csv", "whole")
    with temporary_folder(".explore-", parent=tmp_path):
        pass
    assert names(tmp_path) == left | {"table.csv"}


def test_a_folder_that_is_missing_or_can_not_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError), temporary_file(tmp_path / "missing" / "a.txt"):
        pass
    with pytest.raises(OSError), temporary_folder("work-", parent=tmp_path / "missing"):
        pass
    remove_leftovers("work-", parent=tmp_path / "missing")  # nothing to remove
