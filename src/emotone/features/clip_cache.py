"""Compute something for each clip, in several processes, and keep it on disk.

The file survives a process that dies, and two processes that write at once.
"""

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from emotone.audio.segments import Segment
from emotone.errors import FeatureError, StoreWarning, WorkerError
from emotone.features.store_file import DamagedRowError, StoreFile, TableRow
from emotone.parallel import Pool
from emotone.progress import Progress

_TO_THE_END = -1.0  # end_s in the file, where NULL would equal nothing

Result = TypeVar("Result")

_BATCH = 40  # clips between two commits: the most that a crash loses
_CLIPS_PER_PROCESS = 8  # fewer are computed sooner than a process starts


def default_folder() -> Path:
    """Return ``$EMOTONE_CACHE``, or ``emotone`` in the user's cache directory."""
    named = os.environ.get("EMOTONE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "emotone")


class ClipCache(ABC, Generic[Result]):
    """Results on disk, one per clip.

    Parameters
    ----------
    file
        Where they are kept.
    code
        Digest of the code that reads a clip.  A result is valid for one digest.
    """

    def __init__(self, file: StoreFile, *, code: str) -> None:
        self.file = file
        self._code = code

    @abstractmethod
    def look_up(self, key: Mapping[str, Any]) -> Result | None:
        """Return the result of a clip; None if it has to be computed.

        Raises
        ------
        DamagedRowError, KeyError, TypeError, ValueError
            What is kept is damaged.
        """

    @abstractmethod
    def rows(self, key: Mapping[str, Any], result: Result) -> list[TableRow]:
        """Return the rows that keep the result of a clip."""

    def compute(
        self,
        clips: Sequence[Segment],
        work: Callable[[Segment], Result | str],
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
            No clip could be read, or a process died.
        """
        try:
            with self.file.opened():
                known = self._all_known(clips)
                missing = {number: clip for number, clip in enumerate(clips) if number not in known}
                share = pool.share(max(1, len(missing) // _CLIPS_PER_PROCESS))
                with closing(pool.map(work, list(missing.values()), share=share)) as rows:
                    computed, reasons = self._keep_all(missing, rows, what=what, progress=progress)
        except WorkerError as error:
            raise FeatureError(str(error)) from error
        if clips and len(reasons) == len(clips):
            raise FeatureError(f"none of {len(clips)} clips could be read; the first: {reasons[0]}")
        return known | computed, dict(sorted(reasons.items()))

    def _all_known(self, clips: Sequence[Segment]) -> dict[int, Result]:
        """Return number -> result of the clips whose result is kept; a note counts those that are damaged."""
        known: dict[int, Result] = {}
        n_damaged = 0
        for number, clip in enumerate(clips):
            try:
                result = self.look_up(self._key(clip))
            except OSError:
                continue  # reading the file gives the reason
            except (DamagedRowError, KeyError, TypeError, ValueError):
                n_damaged += 1
                continue
            if result is not None:
                known[number] = result
        if n_damaged:
            clips_text = "1 clip" if n_damaged == 1 else f"{n_damaged:,} clips"
            text = f"{self.file.path} holds damaged rows: {clips_text} of {len(clips):,} must be computed again"
            warnings.warn(text, StoreWarning, stacklevel=2)
        return known

    def _keep_all(
        self,
        clips: Mapping[int, Segment],
        computed: Iterable[tuple[int, Result | str]],
        *,
        what: str,
        progress: Progress | None,
    ) -> tuple[dict[int, Result], dict[int, str]]:
        results: dict[int, Result] = {}
        reasons: dict[int, str] = {}
        numbers = list(clips)
        rows: list[TableRow] = []
        for done, (place, result) in enumerate(computed, start=1):
            number = numbers[place]
            if isinstance(result, str):
                reasons[number] = result
            else:
                results[number] = result
                with suppress(OSError):  # the recording was removed in the meantime
                    rows += self.rows(self._key(clips[number]), result)
            if done % _BATCH == 0 or done == len(clips):
                self.file.write(rows)
                rows = []
            if progress is not None:
                progress(done, len(clips), what)
        return results, reasons

    def _key(self, clip: Segment) -> dict[str, Any]:
        """Return path, start, end and state; the state changes with the file and with the code that reads it.

        The path is absolute, as the file system has it: a name need not be text.  The inode is part of the state, so
        that two files that swap names differ.  A null byte, which no path has, and the number follow the path of a
        channel, so that the tables are those of versions without channels.
        """
        status = os.stat(clip.path)
        state = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}:{self._code}"
        channel = "" if clip.channel == "mix" else f"\0{clip.channel}"
        return {
            "path": os.fsencode(os.path.abspath(clip.path) + channel),
            "start_s": clip.start_s,
            "end_s": _TO_THE_END if clip.end_s is None else clip.end_s,
            "state": state,
        }
