"""Compute something for each clip, in several processes, and keep it in SQLite.

The file survives a process that dies, and two processes that write at once.
"""

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from emotone.errors import FeatureError, WorkerError
from emotone.parallel import Pool
from emotone.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

#: A recording, or a segment of it: path, start_s, end_s (`WHOLE`: to the end).
Clip = tuple[str, float, float]
WHOLE = -1.0  # end_s of a whole file, since NaN is not equal to itself

Result = TypeVar("Result")

_BATCH = 40  # clips between two commits: the most that a crash loses
_WAIT_S = 120.0  # for another process that is writing
_CLIPS_PER_PROCESS = 8  # fewer are computed sooner than a process starts


def default_folder() -> Path:
    """Return ``$EMOTONE_CACHE``, or ``emotone`` in the user's cache directory."""
    named = os.environ.get("EMOTONE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "emotone")


def clips_of(table: "pd.DataFrame") -> list[Clip]:
    """Return the clips of a corpus' table, in its order."""
    ends = table["end_s"].fillna(WHOLE)
    return [(str(p), float(s), float(e)) for p, s, e in zip(table["path"], table["start_s"], ends, strict=True)]


class ClipCache(ABC, Generic[Result]):
    """A database of results, one per clip.

    Parameters
    ----------
    path
        File of the database.
    code
        Digest of the code that reads a clip.  A result is valid for one digest.
    """

    schema: ClassVar[str]

    def __init__(self, path: Path, *, code: str) -> None:
        self.path = path
        self._code = code

    @abstractmethod
    def look_up(self, database: sqlite3.Connection, key: tuple[Any, ...]) -> Result | None:
        """Return the result of a clip; None if it has to be computed."""

    @abstractmethod
    def keep(self, database: sqlite3.Connection, key: tuple[Any, ...], result: Result) -> None:
        """Insert the result of a clip."""

    def compute(
        self,
        clips: Sequence[Clip],
        work: Callable[[Clip], Result | str],
        *,
        what: str,
        pool: Pool,
        progress: Progress | None,
    ) -> tuple[dict[int, Result], dict[int, str]]:
        """Look up or compute the result of each clip; return number -> result, and number -> why there is no result.

        Parameters
        ----------
        work
            Returns the result of a clip, or the reason why it has none.
        what
            Name of the step, for ``progress``, which is called after each computed clip.
        pool
            Where missing results are computed.

        Raises
        ------
        FeatureError
            No clip could be read, a process died, or the database is damaged.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as database:
                database.execute("PRAGMA journal_mode=WAL")  # readers don't wait for a writer
                database.execute("PRAGMA synchronous=NORMAL")
                database.executescript(self.schema)
                known = {number: row for number, clip in enumerate(clips) if (row := self._known(database, clip))}
                missing = {number: clip for number, clip in enumerate(clips) if number not in known}
                share = pool.share(max(1, len(missing) // _CLIPS_PER_PROCESS))
                with closing(pool.map(work, list(missing.values()), share=share)) as rows:
                    computed, reasons = self._keep_all(database, missing, rows, what=what, progress=progress)
        except sqlite3.DatabaseError as error:
            raise FeatureError(
                f"{self.path} can't be used ({error}); expected a cache of clips: if it is damaged, delete it"
            ) from error
        except WorkerError as error:
            raise FeatureError(str(error)) from error
        if clips and len(reasons) == len(clips):
            raise FeatureError(f"none of {len(clips)} clips could be read; the first: {reasons[0]}")
        return known | computed, dict(sorted(reasons.items()))

    def _keep_all(
        self,
        database: sqlite3.Connection,
        clips: Mapping[int, Clip],
        rows: Iterable[tuple[int, Result | str]],
        *,
        what: str,
        progress: Progress | None,
    ) -> tuple[dict[int, Result], dict[int, str]]:
        results: dict[int, Result] = {}
        reasons: dict[int, str] = {}
        numbers = list(clips)
        for done, (place, row) in enumerate(rows, start=1):
            number = numbers[place]
            if isinstance(row, str):
                reasons[number] = row
            else:
                results[number] = row
                self.keep(database, self._key(clips[number]), row)
            if done % _BATCH == 0 or done == len(clips):
                database.commit()
            if progress is not None:
                progress(done, len(clips), what)
        return results, reasons

    def _known(self, database: sqlite3.Connection, clip: Clip) -> Result | None:
        try:
            return self.look_up(database, self._key(clip))
        except OSError:
            return None  # reading the file gives the reason

    def _key(self, clip: Clip) -> tuple[Any, ...]:
        """Return path, start, end and state; the state changes with the file and with the code that reads it.

        The path is absolute, as the file system has it: a name need not be text.  The inode is part of the state, so
        that two files that swap names differ.
        """
        path, start_s, end_s = clip
        status = os.stat(path)
        state = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}:{self._code}"
        return os.fsencode(os.path.abspath(path)), start_s, end_s, state
