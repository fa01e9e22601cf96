"""Write files atomically, read them, check output folders, and digest source code for the keys of stored results."""

import hashlib
import inspect
import json
import os
import stat
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.errors import ConfigError, EmotoneError
from emotone.formatting import csv_cell
from emotone.temporary import temporary_file

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Largest file that `read_regular` reads, unless it gets another limit.
MOST_BYTES = 64 << 20
#: Most levels of lists and objects in each other; a card has six.
MOST_LEVELS = 64
_TOO_DEEP = f"brackets are nested on more than {MOST_LEVELS} levels"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file in the same folder, and rename it to ``path`` if the block raises no error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(path) as temporary:
        yield temporary
        os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, atomically; raise ValueError for NaN, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV or Parquet, according to the suffix, atomically; texts in CSV as `csv_cell` has them."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
            return
        cells = table.copy(deep=False)
        for name in [name for name in table if table[name].dtype.kind == "O"]:
            cells[name] = table[name].map(csv_cell)
        cells.rename(columns=csv_cell).to_csv(temporary, index=False, lineterminator="\n")


def write_arrays(path: Path, arrays: Mapping[str, "np.ndarray"]) -> None:
    """Write arrays as NPZ, atomically."""
    import numpy as np

    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its options


def read_regular(path: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a file of at most ``most_bytes``.

    Raises
    ------
    OSError
        It can't be read, is larger, or is a pipe, a device or a folder, whose reader would wait for ever or never end.
    """
    not_regular = "it is a pipe, a device or a folder, expected a regular file"
    if path.exists() and not path.is_file():
        raise OSError(not_regular)
    # it could be replaced by a pipe in between, and to open a pipe would wait
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(not_regular)
        if status.st_size > most_bytes:
            raise OSError(f"it has {status.st_size:,} bytes, expected at most {most_bytes:,}")
        content = file.read(status.st_size + 1)
    if len(content) != status.st_size:
        raise OSError("its size is not the one that the system states: it changes, or is no file on a disk")
    return content


def parse_json(content: str | bytes, *, allow_nan: bool = False) -> Any:
    """Parse JSON from a user: its values can be written, compared and shown.

    With ``allow_nan``, NaN and infinity are numbers, as other programs write them.

    Raises
    ------
    ValueError
        It is no JSON, has NaN or infinity, which JSON has not, or more than `MOST_LEVELS` levels.
    """
    try:
        value = json.loads(content, parse_constant=float if allow_nan else _refuse_constant)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    check_levels(value)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML from a user; ValueError if it is no TOML, or has more than `MOST_LEVELS` levels."""
    try:
        value = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    check_levels(value)
    return value


def check_levels(value: Any) -> None:
    """Raise ValueError if lists and objects are in each other on more than `MOST_LEVELS` levels.

    Python can read about a thousand levels, and then fails when it writes, compares or shows them.
    """
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for inner in level if isinstance(inner, dict | list)]
        if not level:
            return
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    raise ValueError(_TOO_DEEP)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not finite, so it is no number of JSON")


def read_json(path: Path) -> Any:
    """Read JSON; raise ConfigError if the file is missing or damaged."""
    try:
        return parse_json(read_regular(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read ({error}); delete the folder and run again") from error


def claim_folder(
    folder: Path,
    *,
    marker: str = "",
    parts: Collection[str] = (),
    kind: str,
    difference: Callable[[Path], str] | None = None,
    error: type[EmotoneError] = ConfigError,
    remedy: str = "choose another folder with --out",
) -> bool:
    """Check that results may be written into a folder, so that other files in it are not overwritten.

    Parameters
    ----------
    folder
        It may be missing or empty.
    marker
        The file that marks a folder of such results; hidden files in a folder without it are ignored.
    parts
        Without a marker: all files that may be in the folder, which is replaced and so must not be a link.
    kind
        What the folder may contain, such as ``"a run"``; for the message.
    difference
        Called with the path of the marker: what else the folder contains, or an empty text if it may be used.

    Returns
    -------
    bool
        Whether the folder already contains results of this kind.

    Raises
    ------
    ConfigError, or ``error``
        It is a file, or contains something else.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in names if (name not in parts if parts else not name.startswith("."))]
    finding = ""
    if (folder.exists() and not folder.is_dir()) or (parts and folder.is_symlink()):
        finding = "is a file or a link" if parts else "is a file"
    elif marker in names:
        finding = difference(folder / marker) if difference else ""
    elif others:
        finding = f"contains {others[0]!r}" + (f" and no {marker}" if marker else "")
    if finding:
        raise error(f"{str(folder)!r} {finding}; expected a new folder, an empty folder or {kind}: {remedy}")
    return bool(others or set(names) & set(parts))


@lru_cache(maxsize=64)
def source_digest(*parts: Any) -> str:
    """Return the SHA-256 of the source text of modules, classes or functions, 64 hexadecimal digits."""
    return hashlib.sha256("".join(inspect.getsource(part) for part in parts).encode()).hexdigest()
