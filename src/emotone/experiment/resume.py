"""Whether a run directory holds a finished run of the same settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotone import files
from emotone.experiment.config import PLACES, differing
from emotone.runs.layout import CLIPS, CONFIG, METRICS


def is_finished(
    folder: Path, settings: Mapping[str, Any], *, marker: str = CONFIG, ignored: Sequence[str] = ()
) -> bool:
    """Return whether a folder holds a finished run with these settings.

    Parameters
    ----------
    folder
        May be missing or empty, or hold an unfinished run with the same settings.
    settings
        The result of `emotone.experiment.config.Config.to_dict`.
    marker
        The file in the folder that holds its settings.
    ignored
        Settings that may differ, as `PLACES` may, and ``data`` in a run that says which clips it was made of.

    Raises
    ------
    ConfigError
        The folder holds a run with other settings, or something else.
    """

    def difference(path: Path) -> str:
        try:
            stored = files.parse_toml(files.read_regular(path).decode())
        except (OSError, ValueError) as error:
            return f"contains a {marker} that can't be read ({error})"
        # the folder of the corpora may have moved: the clips themselves are compared, see `emotone.experiment.clips`
        has_clips = any(next(folder.glob(f"{below}{CLIPS}"), None) for below in ("", "*/", "*/*/"))
        moved = {"data"} if has_clips else set()
        keys = differing(stored, settings, ignored=PLACES | moved | set(ignored))
        pairs = "; ".join(f"{key} is {stored.get(key)!r} there and {settings.get(key)!r} here" for key in keys)
        return f"contains a run with other settings ({pairs})" if keys else ""

    ours = files.claim_folder(folder, marker=marker, kind="a run with the same settings", difference=difference)
    return ours and (folder / METRICS).exists()
