"""Whether a run directory holds a finished run of the same settings."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError
from emotone.experiment.config import PLACES, differing
from emotone.runs.layout import CONFIG, METRICS


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
