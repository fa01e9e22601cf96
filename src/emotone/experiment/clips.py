"""Which clips a run was made of, so that the same command on other clips is not answered with old scores."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from emotone import files
from emotone.corpora import Corpus
from emotone.errors import ConfigError, CorpusError, CorpusWarning
from emotone.runs.layout import CLIPS

_PLACE = ("start_s", "end_s", "audio_channel", "emotion", "speaker")


@dataclass(frozen=True)
class Clips:
    """The clips of a run, as digests.

    Attributes
    ----------
    n_clips
        Number of clips, with extra ones.
    listed
        Digest of what the corpora list: names of files (without their folders), times, labels, speakers.
    files
        Digest of the size and time of each file.
    """

    n_clips: int
    listed: str
    files: str

    @classmethod
    def of(cls, *parts: Corpus | None) -> Self:
        """Describe the clips of corpora, in their order."""
        tables = [part.table for part in parts if part is not None]
        listed = []
        for table in tables:
            names = table["path"].map(os.path.basename)
            listed.append(table.assign(path=names).astype(str).to_numpy().tolist())
        states = [_state(path) for table in tables for path in table["path"].unique()]
        return cls(sum(map(len, tables)), _digest(listed), _digest(states))


def write(folder: Path, clips: Clips, own: Corpus, digests: Iterable[str]) -> None:
    """Write which clips a run is made of; ``digests`` are those of the content of the ``own`` clips."""
    content = {"clips": clips.n_clips, "listed": clips.listed, "files": clips.files}
    files.write_json(folder / CLIPS, {**content, "recordings": _of_recordings(own, digests)})


def check(
    folder: Path, load: Callable[[], tuple[Corpus, Corpus | None]], digests: Callable[[Corpus], Iterable[str]]
) -> None:
    """Check that a finished run is of the clips that its command names now.

    Parameters
    ----------
    folder
        The run.  One of an older version says nothing, and is not checked.
    load
        Reads the own and the extra clips; if it fails, a `CorpusWarning` says that nothing was compared.
    digests
        Returns the digests of the content of the own clips, "" for one that can't be read; called only if files were
        written or copied since.

    Raises
    ------
    ConfigError
        Clips were added, removed or labelled anew, or own clips recorded anew.
    """
    try:
        then = files.read_json(folder / CLIPS)
    except (OSError, ValueError):
        return
    if not isinstance(then, dict) or not {"clips", "listed", "files", "recordings"} <= set(then):
        return
    try:
        own, extra = load()
        now = Clips.of(own, extra)
    except CorpusError as error:
        text = f"{str(folder)!r} is a finished run, and its clips can't be read any more: {error}"
        warnings.warn(text, CorpusWarning, stacklevel=2)
        return
    if then["listed"] != now.listed:
        raise _changed(folder, then, now)
    if then["files"] != now.files and then["recordings"] != _of_recordings(own, digests(own)):
        raise _changed(folder, then, now)


def _changed(folder: Path, then: dict[str, Any], now: Clips) -> ConfigError:
    what = f"{then['clips']} clips, and there are {now.n_clips} now"
    if then["clips"] == now.n_clips:
        what = f"these {now.n_clips} clips with other labels, speakers, times or recordings"
    return ConfigError(
        f"{str(folder)!r} contains a finished run on {what}; give another folder with --out, or delete it to train "
        "again"
    )


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _of_recordings(own: Corpus, digests: Iterable[str]) -> str:
    table = own.table
    columns = [table["path"].map(os.path.basename), *(table[name].astype(str) for name in _PLACE), digests]
    return _digest(sorted(row for row in zip(*columns, strict=True) if row[-1]))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
