"""A run directory's files: each is written whole or not at all, and no folder of somebody else's is written into."""

import json
import os
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone.errors import ConfigError
from emotone.experiment.config import PLACES, differing

CONFIG = "config.toml"
METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
REPORT = "report.html"
WORK = ".work"


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


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV or Parquet, as the suffix says, atomically."""
    write: Callable[..., Any] = table.to_parquet if path.suffix == ".parquet" else table.to_csv
    with replacing(path) as temporary:
        write(temporary, index=False)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as NPZ, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its options


def read_json(path: Path) -> Any:
    """Read JSON; ConfigError where a file is missing or was altered."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read ({error}); delete the folder and run again") from error


def is_finished(
    folder: Path, settings: Mapping[str, Any], *, marker: str = CONFIG, last: str = METRICS, ignored: Sequence[str] = ()
) -> bool:
    """Say whether ``folder`` holds this very experiment, finished.

    Parameters
    ----------
    folder
        May be missing or empty, or hold an unfinished run of the same settings.
    settings
        What `emotone.experiment.config.Config.to_dict` gives.
    marker
        The file that holds a folder's settings.
    last
        The file that is written last.
    ignored
        Settings that may differ, besides the places.

    Raises
    ------
    ConfigError
        The folder holds an experiment of other settings, or something else.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; expected a folder for the results: choose another with --out")
    there = [] if not folder.exists() else [one.name for one in folder.iterdir() if not one.name.startswith(".")]
    if not there:
        return False
    if marker not in there:
        raise ConfigError(
            f"{folder} holds {len(there)} files or folders, such as {sorted(there)[0]!r}, and no {marker}; "
            "expected an empty folder or a run to go on with: choose another with --out"
        )
    try:
        found = tomllib.loads((folder / marker).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / marker} can't be read ({error}); choose another folder with --out") from error
    keys = differing(found, settings, ignored=PLACES | set(ignored))
    if keys:
        told = "; ".join(f"{key} is {found.get(key)!r} there and {settings.get(key)!r} here" for key in keys)
        raise ConfigError(
            f"{folder} holds a run of other settings: {told}. Choose another folder with --out, or delete that one"
        )
    return last in there
