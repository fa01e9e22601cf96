"""The folder of the output: local, or an address that fsspec knows."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from emotone import files
from emotone.errors import ConfigError, EmotoneError, MissingExtraError, StorageError


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
    """Return the folder at a path or address; nothing is created yet."""
    return Remote(address.rstrip("/")) if is_address(address) else Local(address)


class Local:
    """A folder of this machine, or one that several machines share."""

    def __init__(self, address: str) -> None:
        self.address = os.path.abspath(address)
        self._root = Path(self.address)

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
        with files.replacing(self._root / name) as temporary:
            temporary.write_bytes(content)

    def put(self, local: Path, name: str) -> None:
        """Move a local file here."""
        import shutil

        with files.replacing(self._root / name) as temporary:
            shutil.copyfile(local, temporary)

    def open(self, name: str) -> Any:
        """Open a file for reading, mapped into memory."""
        import pyarrow as pa

        return pa.memory_map(str(self._root / name), "rb")

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it exists."""
        import shutil

        path = self._root / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class Remote:
    """A folder of another file system, in which a file that is written appears when it is whole, as in S3.

    Its errors are OSErrors, whatever the file system raises.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._fs, self._root = file_system(address)

    def __getstate__(self) -> str:
        """Return the address: a copy in another process connects anew."""
        return self.address

    def __setstate__(self, address: str) -> None:
        self.__init__(address)  # type: ignore[misc]

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a subfolder."""
        with contextlib.suppress(FileNotFoundError), self._at(folder) as path:
            return {str(file).rsplit("/", 1)[-1] for file in self._fs.ls(path, detail=False)}
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
        with self._at(name) as path:
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._fs.pipe_file(path, content)

    def put(self, local: Path, name: str) -> None:
        """Upload a local file."""
        with self._at(name) as path:
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._fs.put_file(str(local), path)

    def open(self, name: str) -> Any:
        """Open a file for reading; what is read of it is fetched when it is asked for."""
        with self._at(name) as path:
            return self._fs.open(path, "rb")

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it exists."""
        with contextlib.suppress(FileNotFoundError), self._at(name) as path:
            self._fs.rm(path, recursive=True)

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
