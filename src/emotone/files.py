"""Write files whole or not at all, read them back, and digest source code for the keys of stored results."""

import hashlib
import inspect
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends without an error it takes the place of ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, atomically; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV or Parquet, as the suffix says, atomically."""
    write: Callable[..., Any] = table.to_parquet if path.suffix == ".parquet" else table.to_csv
    with replacing(path) as temporary:
        write(temporary, index=False)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as NPZ, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its options


def read_regular(path: Path) -> bytes:
    """Read a file; OSError also for a pipe or a device, whose reader would wait for ever."""
    if path.exists() and not path.is_file():
        raise OSError("it is a pipe, a device or a folder, expected a regular file")
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """Read JSON; ConfigError where a file is missing or was altered."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read ({error}); delete the folder and run again") from error


@lru_cache(maxsize=64)
def source_digest(*parts: Any) -> str:
    """Return the SHA-256 of the source text of modules, classes or functions, 64 hexadecimal digits."""
    return hashlib.sha256("".join(inspect.getsource(part) for part in parts).encode()).hexdigest()
