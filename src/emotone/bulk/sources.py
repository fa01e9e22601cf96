"""The recordings of an archive: folders, patterns, manifests and addresses, listed one by one."""

import glob
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emotone.audio.folders import SUFFIXES, entries
from emotone.bulk.manifests import header_of, listed
from emotone.bulk.storage import as_storage_error, file_system, is_address
from emotone.bulk.units import Item
from emotone.errors import ConfigError
from emotone.recognition.speaker_rule import PARENT_FOLDER, speaker_rule

#: Suffixes of manifests.
MANIFESTS = (".csv", ".tsv", ".parquet")
_PATTERN = frozenset("*?[")
#: Tries to list a folder of another file system, and seconds before the second; each further pause is twice as long.
_TRIES, _PAUSE_S = 4, 0.5


class Sources:
    """List the recordings of an archive.

    Parameters
    ----------
    inputs
        Paths of recordings, folders and manifests, patterns such as ``"calls/**/*.wav"``, and addresses of folders,
        recordings and manifests that fsspec knows.
    speaker_from
        See `emotone.bulk.settings.AnnotateSettings`.

    Attributes
    ----------
    passed_over
        Kind of file -> number of files of folders that are no recordings; complete after the last item.

    Raises
    ------
    ConfigError
        There is no input, or ``speaker_from`` is neither a column of a manifest nor an expression.
    """

    def __init__(self, inputs: Sequence[str], *, speaker_from: str | None = None) -> None:
        if not inputs:
            raise ConfigError("there are no inputs; expected a folder, a pattern, a manifest or an address")
        if "-" in inputs:
            raise ConfigError("standard input is no archive; predict it with 'emotone predict -'")
        self.inputs, self.passed_over = tuple(inputs), Counter[str]()
        self._speaker_from = speaker_from
        self._manifests = tuple(name for name in inputs if _is_manifest(name))
        self._rule: Callable[[str], str | None] | None = None
        if speaker_from is not None and not self._is_column(speaker_from):
            self._rule = self._checked_rule(speaker_from)

    def _is_column(self, name: str) -> bool:
        """Say whether this is the name of a column, which can look like an expression."""
        if name == PARENT_FOLDER or not self._manifests:
            return False
        return name.isidentifier() or any(name in header_of(manifest) for manifest in self._manifests)

    def _checked_rule(self, value: str) -> Callable[[str], str | None]:
        try:
            return speaker_rule(value)
        except ConfigError as error:
            raise ConfigError(f"{error}; of a manifest, also the name of a column") from error

    def __iter__(self) -> Iterator[Item]:
        for name in self.inputs:
            for item in self._items(name):
                rule = self._rule
                yield item if rule is None or item.error else item._replace(speaker=rule(item.file))

    def _items(self, name: str) -> Iterator[Item]:
        if _is_manifest(name):
            yield from self._manifest(name)
        elif is_address(name):
            with as_storage_error(name):
                yield from self._remote(name)
        elif os.path.isdir(name):
            yield from self._folder(name)
        elif _PATTERN & set(name) and not os.path.lexists(name):
            files = sorted(path for path in glob.iglob(name, recursive=True) if not os.path.isdir(path))
            if not files:
                yield Item(name, error=f"{name}: no file matches this pattern; correct it")
            for path in files:
                yield Item(path, size=_size(path))
        else:
            yield Item(name, size=_size(name))

    def _folder(self, name: str) -> Iterator[Item]:
        is_empty, has_tables = True, False
        for entry in entries(name):
            if entry.kind:
                self.passed_over[entry.kind] += 1
                has_tables |= entry.kind in MANIFESTS
                continue
            is_empty = False
            yield Item(entry.path, size=0 if entry.error else _size(entry.path), error=entry.error)
        if is_empty:
            yield Item(name, error=_no_recording(name, has_tables=has_tables))

    def _remote(self, address: str) -> Iterator[Item]:
        """List the recordings of an address."""
        system, path = file_system(address)
        scheme = address.partition("://")[0]

        def named(path: str) -> str:
            if is_address(path):
                return path
            return f"{scheme}://{path if scheme in ('file', 'local') else path.lstrip('/')}"

        if _PATTERN & set(path) and not system.exists(path):
            matches = system.glob(path, detail=True)
            for file in sorted(matches):
                if matches[file]["type"] == "file":
                    yield Item(named(file), size=matches[file].get("size") or 0)
            if not matches:
                yield Item(address, error=f"{address}: no file matches this pattern; correct it")
        elif os.path.splitext(path)[1].lower() in SUFFIXES or not _tried(lambda: system.isdir(path)):
            yield Item(address)
        else:
            is_empty = True
            for item in self._remote_folder(system, path, named):
                is_empty = False
                yield item
            if is_empty:
                yield Item(address, error=_no_recording(address))

    def _remote_folder(self, system: Any, path: str, named: Callable[[str], str]) -> Iterator[Item]:
        """List the files of a folder by name, and then its subfolders; the memory used is that of one folder."""
        system.invalidate_cache(path)  # what s3fs keeps of a pattern lacks empty folders
        try:
            listing = _tried(lambda: system.ls(path, detail=True))
        except OSError as error:
            name = named(path)
            yield Item(
                name, error=f"{name}: this folder can't be listed ({error}); check the permissions, or try again"
            )
            return
        finally:
            system.invalidate_cache(path)  # some file systems keep every listing in memory
        listing = sorted((entry for entry in listing if entry["name"].rstrip("/") != path.rstrip("/")), key=_name)
        subfolders = [_name(entry) for entry in listing if entry["type"] == "directory"]
        for entry in listing:
            if entry["type"] == "directory":
                continue
            suffix = os.path.splitext(_name(entry))[1].lower()
            if suffix in SUFFIXES:
                yield Item(named(_name(entry)), size=entry.get("size") or 0)
            else:
                self.passed_over[suffix or "without suffix"] += 1
        del listing
        for subfolder in subfolders:
            yield from self._remote_folder(system, subfolder, named)

    def _manifest(self, name: str) -> Iterator[Item]:
        folder = name.rsplit("/", 1)[0] if is_address(name) else os.path.dirname(os.path.abspath(name))
        for item in listed(name, speaker=self._speaker_from if self._rule is None else None):
            file = item.file
            if file and not is_address(file) and not os.path.isabs(file):
                file = f"{folder}/{file}" if is_address(folder) else os.path.normpath(os.path.join(folder, file))
            yield item._replace(file=file, size=0 if item.error or is_address(file) else _size(file))


def _is_manifest(name: str) -> bool:
    return name.lower().endswith(MANIFESTS) and not os.path.isdir(name)


def _no_recording(folder: str, *, has_tables: bool = False) -> str:
    if has_tables:
        return f"{folder}: no recording in this folder, but tables; to predict what a table lists, name the table"
    return f"{folder}: no recording in this folder; expected files such as .wav, .flac or .mp3"


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"])


def _tried(ask: Callable[[], Any]) -> Any:
    """Return what a file system answers; ask again after errors that may pass, and raise the last."""
    pause_s = _PAUSE_S
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            time.sleep(pause_s)
            pause_s *= 2
    return ask()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0
