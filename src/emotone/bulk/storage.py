"""The folder of the output: local, or an address that fsspec knows."""

import contextlib
import errno
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from emotone import files
from emotone.errors import ConfigError, EmotoneError, MissingExtraError, StorageError

#: Addresses of files on this machine, as fsspec names them.
_LOCAL_SCHEMES = ("file", "local")
#: Kinds of file systems in which a file appears when all of it was sent: object stores, and memory.
_OBJECT_STORES = frozenset("s3 s3a gs gcs az abfs abfss oci ocilake oss obs cos cosn tos b2 swift r2 hf memory".split())
#: Where a command that works on a folder holds a lock; the system frees it when the process dies.
_LOCK = ".lock"
#: Names of unfinished files; see `emotone.files.replacing`.
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")
#: Seconds after which an unfinished file is certainly of a process that is dead.
_STALE_S = 3600.0
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)


class Storage(Protocol):
    """A folder whose files appear whole or not at all."""

    address: str

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a subfolder; empty if it does not exist."""

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""

    def read(self, name: str) -> bytes:
        """Return the content of a file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, atomically."""

    def put(self, local: Path, name: str) -> None:
        """Copy a local file here, atomically."""

    def open(self, name: str) -> Any:
        """Open a file for reading, at any place in it."""

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it exists."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other commands away from this folder, where that can be done; ConfigError if one works on it."""

    def sweep(self) -> None:
        """Remove the unfinished files that a process left when it was ended, where there can be any."""


def is_address(path: str) -> bool:
    """Return whether a path is the address of another file system, such as ``s3://bucket/calls``."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.isidentifier() and len(scheme) > 1


def file_system(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it.

    Raises
    ------
    MissingExtraError
        fsspec, or the package for this file system, is not installed.
    ConfigError
        There is no such file system.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"the address {address}", extra="cloud") from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(f"the address {address} ({error.name})", extra="cloud") from error
    except ValueError as error:
        raise ConfigError(f"{address}: {error}; expected a path, or an address such as s3://bucket/folder") from error
    return system, str(path)


def storage_of(address: str) -> Storage:
    """Return the folder at a path or address; nothing is created yet.

    Examples
    --------
    >>> type(storage_of("file:///data/emotions")).__name__
    'Local'
    """
    if not is_address(address):
        return Local(address)
    scheme, _, path = address.partition("://")
    if scheme.lower() not in _LOCAL_SCHEMES:
        return Remote(address.rstrip("/"))
    if not path.strip("/"):
        raise ConfigError(f"{address} names no folder; expected an address such as file:///data/emotions")
    # file:///C:/data is C:/data
    return Local(path[1:] if re.match(r"/[A-Za-z]:", path) and os.name == "nt" else path)


class Local:
    """A folder of this machine, or one that several machines share; what was written outlasts a power cut."""

    def __init__(self, address: str) -> None:
        self.address = os.path.abspath(address)
        self._root = Path(self.address)
        self._locked = False

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a subfolder; unfinished files are left out."""
        with contextlib.suppress(FileNotFoundError):
            return {name for name in os.listdir(self._root / folder) if not name.startswith(".")}
        return set()

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return (self._root / name).is_file()

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self._root / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, and rename it."""
        with self._replacing(name) as temporary:
            temporary.write_bytes(content)

    def put(self, local: Path, name: str) -> None:
        """Copy a local file under a temporary name, and rename it."""
        import shutil

        with self._replacing(name) as temporary:
            shutil.copyfile(local, temporary)

    def open(self, name: str) -> Any:
        """Open a file for reading, mapped into memory."""
        import pyarrow as pa

        path = self._root / name
        if path.is_dir():  # pyarrow's error has no number
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return pa.memory_map(str(path), "rb")

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it exists."""
        import shutil

        path = self._root / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a lock on this folder, which is made if it is missing.

        There is no lock where the system has none, or in a folder that can't be written.

        Raises
        ------
        ConfigError
            Another command holds it.
        """
        descriptor = self._lock()
        self._locked = descriptor is not None
        try:
            yield
        finally:
            self._locked = False
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    (self._root / _LOCK).unlink()  # before it is free: another command may hold it then
                os.close(descriptor)

    def sweep(self) -> None:
        """Remove unfinished files: all while the lock is held, else those that are older than an hour."""
        newest = time.time() - (0.0 if self._locked else _STALE_S)
        for pattern in (".*.part", "*/.*.part", "*/*/.*.part"):
            for path in self._root.glob(pattern):
                with contextlib.suppress(OSError):  # gone, or of another user
                    if _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime <= newest:
                        path.unlink()

    def _lock(self) -> int | None:
        """Return the descriptor of the file that is locked, or None if there can be no lock."""
        try:
            import fcntl
        except ImportError:  # Windows
            return None
        if self._root.exists() and not (self._root.is_dir() and os.access(self._root, os.W_OK)):
            return None
        self._root.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                descriptor = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            except PermissionError:  # another user's file, which can be locked all the same
                descriptor = os.open(self._root / _LOCK, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # the command that held it may have removed the file in between: then this is a lock on nothing
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), os.stat(self._root / _LOCK)):
                        return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise ConfigError(
                    f"another command is working on {self.address}; wait until it ends, or choose another folder "
                    "with --out"
                ) from None
            except OSError:  # a file system without locks
                (self._root / _LOCK).unlink(missing_ok=True)
                os.close(descriptor)
                return None
            os.close(descriptor)

    @contextlib.contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path; what is written there is on the disk before the file has its name."""
        path = self._root / name
        is_new = not path.parent.exists()
        with files.replacing(path) as temporary:
            yield temporary
            _sync(temporary, os.O_RDWR)
        for folder in (path.parent, path.parent.parent) if is_new else (path.parent,):
            _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    """Wait until a file or the names in a folder are on the disk, where the system can say so."""
    try:
        descriptor = os.open(path, flags)
    except PermissionError:  # a folder, on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


class Remote:
    """A folder of another file system that fsspec knows.

    A file that is sent to an object store such as S3 appears when it is whole; other file systems get it under a
    temporary name, and rename it.  Its errors are OSErrors, whatever the file system raises.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._fs, self._root = file_system(address)
        kinds = self._fs.protocol
        self._appears_whole = not _OBJECT_STORES.isdisjoint((kinds,) if isinstance(kinds, str) else kinds)

    def __getstate__(self) -> str:
        """Return the address: a copy in another process connects anew."""
        return self.address

    def __setstate__(self, address: str) -> None:
        self.__init__(address)  # type: ignore[misc]

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a subfolder; unfinished files are left out."""
        with contextlib.suppress(FileNotFoundError), self._at(folder) as path:
            names = {str(file).rsplit("/", 1)[-1] for file in self._fs.ls(path, detail=False)}
            return {name for name in names if not name.startswith(".")}
        return set()

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        with self._at(name) as path:
            return bool(self._fs.isfile(path))

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self._at(name) as path:
            return bytes(self._fs.cat_file(path))

    def write(self, name: str, content: bytes) -> None:
        """Write a file in one piece."""
        self._send(name, lambda path: self._fs.pipe_file(path, content))

    def put(self, local: Path, name: str) -> None:
        """Upload a local file."""
        self._send(name, lambda path: self._fs.put_file(str(local), path))

    def open(self, name: str) -> Any:
        """Open a file for reading; what is read of it is fetched when it is asked for."""
        with self._at(name) as path:
            return self._fs.open(path, "rb")

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it exists."""
        with contextlib.suppress(FileNotFoundError), self._at(name) as path:
            self._fs.rm(path, recursive=True)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: object stores have no locks."""
        return contextlib.nullcontext()

    def sweep(self) -> None:
        """Do nothing: an object store keeps no unfinished files."""

    def _send(self, name: str, send: Callable[[str], Any]) -> None:
        with self._at(name) as path:
            folder, _, last = path.rpartition("/")
            self._fs.makedirs(folder, exist_ok=True)
            if self._appears_whole:
                send(path)
                return
            temporary = f"{folder}/.{last}.{secrets.token_hex(4)}.part"
            try:
                send(temporary)
                self._rename(temporary, path)
            except BaseException:
                with contextlib.suppress(Exception):  # the first error counts
                    self._fs.rm_file(temporary)
                raise

    def _rename(self, temporary: str, path: str) -> None:
        try:
            self._fs.mv(temporary, path)
        except Exception:  # of a file system that replaces no file, such as HDFS
            self._fs.invalidate_cache()
            if not (self._fs.exists(path) and self._fs.exists(temporary)):
                raise
            self._fs.rm_file(path)
            self._fs.mv(temporary, path)

    @contextlib.contextmanager
    def _at(self, name: str) -> Iterator[str]:
        """Yield the path of a file; other machines may have changed what is there."""
        self._fs.invalidate_cache()
        with as_storage_error(f"{self.address}/{name}"):
            yield f"{self._root}/{name}".rstrip("/")


@contextlib.contextmanager
def as_storage_error(address: str) -> Iterator[None]:
    """Raise what a file system raises, but for OSErrors, as a `StorageError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, EmotoneError):
        raise
    except Exception as error:  # of any file system
        raise StorageError(
            f"{address} can't be used ({type(error).__name__}: {error}); check the address, the credentials and the "
            "network"
        ) from error
