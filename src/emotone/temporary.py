"""Temporary files and folders that outlive no program: what a killed one left is removed by the next of its kind.

Each is locked by the process that made it.  The system frees the lock when the process ends, however it ends.  So one
that can be locked belongs to a process that has ended, also in containers that share a folder.  Names, owner and mode
show that it was made here, and not by a person.  Where a system has no such locks (Windows, some network drives),
nothing is removed.
"""

import contextlib
import itertools
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: End of the names of folders, after eight letters of `tempfile`: no person gives a folder such a name.
_SUFFIX = ".temporary"
_NAME = re.compile(r"[a-z0-9_]{8}\.temporary")
#: Neither follow a link nor wait for the writer of a pipe, which another user may have put there; Windows has neither.
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class _NoLocksError(Exception):
    """The file system has no locks."""


@contextmanager
def temporary_folder(prefix: str, *, parent: Path | None = None) -> Iterator[Path]:
    """Make a private folder, and remove it with its content at the end.

    Folders of this prefix whose processes are dead are removed first.

    Parameters
    ----------
    prefix
        Begin of the name.  Each kind of folder has its own.
    parent
        Where it is made; the system's folder for temporary files if not given.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    remove_leftovers(prefix, parent=parent)
    folder, lock = _own_folder(prefix, parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _free(lock)


def remove_leftovers(prefix: str, *, parent: Path) -> None:
    """Remove folders of `temporary_folder` whose processes are dead."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            is_made_here = entry.name.startswith(prefix) and _NAME.fullmatch(entry.name.removeprefix(prefix))
            if is_made_here and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError, _NoLocksError):  # OSError: of another user, or just removed
                    _remove_if_dead(Path(entry.path))


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file in the same folder, which may replace ``path``; remove it at the end.

    What killed processes left when they wrote the same ``path`` is overwritten or removed.
    """
    temporary, lock = _own_file(path)
    try:
        yield temporary
    finally:
        if lock is None or _is_at(lock, temporary):  # else it was renamed, and the name is free for others
            temporary.unlink(missing_ok=True)
        _free(lock)


def _own_folder(prefix: str, parent: Path) -> tuple[Path, int | None]:
    """Return a new folder and its lock, None where the file system has no locks."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_SUFFIX, dir=parent))
        try:
            lock = _lock(os.open(folder, os.O_RDONLY), folder)
        except FileNotFoundError:
            continue  # before it was locked, another process took it for a dead one's, and removed it
        except (OSError, _NoLocksError):
            return folder, None
        if lock is not None:
            return folder, lock


def _remove_if_dead(folder: Path) -> None:
    lock = _lock(os.open(folder, os.O_RDONLY | _CAREFUL), folder)
    if lock is not None:
        status = os.fstat(lock)
        # Folders of others are theirs, also for root; those that were made here are private.
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700:
            shutil.rmtree(folder, ignore_errors=True)
        _free(lock)


def _own_file(path: Path) -> tuple[Path, int | None]:
    """Return an empty file that no other process uses, and its lock; remove further ones of dead processes.

    Without locks it is only a path, of a name that no other process has.
    """
    own: tuple[Path, int] | None = None
    try:
        for number in itertools.count():
            temporary = path.with_name(f".{path.name}.{number:08x}.part")
            if own is not None and not os.path.lexists(temporary):
                return own
            lock = _taken(temporary)
            if lock is not None and own is None:
                own = temporary, lock
            elif lock is not None:
                temporary.unlink(missing_ok=True)
                os.close(lock)
    except _NoLocksError:
        pass
    return own or (path.with_name(f".{path.name}.{secrets.token_hex(4)}.part"), None)


def _taken(path: Path) -> int | None:
    """Make a file, or take over and empty that of a dead process; return its lock, None if another process uses it."""
    is_new = True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        is_new = False
        try:
            descriptor = os.open(path, os.O_RDWR | _CAREFUL)
        except OSError:  # gone in this moment, or of another user
            return None
        if not _is_own_file(descriptor):
            os.close(descriptor)
            return None
    try:
        lock = _lock(descriptor, path)
    except _NoLocksError:
        if is_new:
            path.unlink(missing_ok=True)
        raise
    if lock is not None:
        os.ftruncate(lock, 0)
    return lock


def _lock(descriptor: int, path: Path) -> int | None:
    """Lock an open file or folder and return its descriptor; None, closed, if another process has it or it is gone."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):  # the process that held the lock may have renamed or removed it
            return descriptor
    except BlockingIOError:
        pass
    except (ImportError, OSError) as error:
        os.close(descriptor)
        raise _NoLocksError from error
    os.close(descriptor)
    return None


def _is_own_file(descriptor: int) -> bool:
    """Whether an open file is a file of this user under one name.

    The owner of a file of another user could read and change what is written, a file with two names is also elsewhere,
    and a pipe keeps nothing.
    """
    status = os.fstat(descriptor)
    is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISREG(status.st_mode) and is_own and status.st_nlink == 1


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path leads to this open file or folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _free(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
