"""The clips of a corpus measured, each read once on all cores, and kept so that the next time reads none."""

import json
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.corpora import Corpus, Rejected
from emotone.errors import EmotoneError, FeatureError
from emotone.explore.measure import clip as measure_clip
from emotone.explore.measure.clip import Measures
from emotone.features.store import default_folder
from emotone.progress import Progress

__all__ = ["Measured", "measure"]

FILE = "measures.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    path TEXT, start_s REAL, end_s REAL, size INTEGER, modified_ns INTEGER, code TEXT, numbers TEXT, log_mel BLOB,
    PRIMARY KEY (path, start_s, end_s)
)
"""
_BATCH = 100  # clips between two commits
_WAIT_S = 120.0  # for another process that is writing
_WHOLE = -1.0  # end_s of a whole file: NaN is not equal to itself

_Clip = tuple[str, float, float]
_Found = tuple[Measures, NDArray[np.float32]]


@dataclass(frozen=True)
class Measured:
    """What a corpus' clips are like.

    Attributes
    ----------
    corpus
        The n clips that could be read.
    clips
        (n, ...) the corpus' columns, and those of `emotone.explore.measure.clip.Measures`.
    log_mel
        (n, 128) float32, mean level of each mel band in dB, of the clip without the silence at both ends.
    rejected
        What was left out, by the corpus' reader or because it can't be read, and why.
    """

    corpus: Corpus
    clips: pd.DataFrame
    log_mel: NDArray[np.float32]
    rejected: tuple[Rejected, ...]

    def only(self, kept: NDArray[np.bool_], rejected: tuple[Rejected, ...] = ()) -> "Measured":
        """Keep the clips of a mask (n,), and add what was left out."""
        everything = (*self.rejected, *rejected)
        corpus = Corpus(self.corpus.table[kept], self.corpus.name, everything)
        return Measured(corpus, self.clips[kept].reset_index(drop=True), self.log_mel[kept], everything)


def measure(
    corpus: Corpus, *, cache: Path | None = None, workers: int | None = None, progress: Progress | None = None
) -> Measured:
    """Measure every clip of a corpus.

    Parameters
    ----------
    corpus
        Its clips, in its order.
    cache
        The folder that keeps the numbers; where features are kept, if not given.  A clip is read again where its file's
        size or date, or the code that measures, is another.
    workers
        Processes; one a core if not given.
    progress
        Told of each clip that is read.

    Raises
    ------
    FeatureError
        Not one clip could be read, a worker process died, or what the cache holds is damaged.
    """
    table = corpus.table
    ends = table["end_s"].fillna(_WHOLE)
    clips = [(str(p), float(s), float(e)) for p, s, e in zip(table["path"], table["start_s"], ends, strict=True)]
    path = (default_folder() if cache is None else Path(cache)) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_S)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(_SCHEMA)
            found, reasons = _all(database, clips, workers=workers, progress=progress)
    except sqlite3.DatabaseError as error:
        raise FeatureError(f"{path} can't be used ({error}); expected a database of measures: delete it") from error
    if clips and not found:
        raise FeatureError(f"not one of {len(clips)} clips could be read; the first: {clips[0][0]}: {reasons[0]}")
    left_out = tuple(Rejected(clips[row][0], reason) for row, reason in sorted(reasons.items()))
    kept = sorted(found)
    told = pd.DataFrame([asdict(found[row][0]) for row in kept])
    readable = Corpus(table.iloc[kept], corpus.name, (*corpus.rejected, *left_out))
    return Measured(
        corpus=readable,
        clips=pd.concat([readable.table, told], axis=1),
        log_mel=np.stack([found[row][1] for row in kept]),
        rejected=readable.rejected,
    )


def _all(
    database: sqlite3.Connection, clips: list[_Clip], *, workers: int | None, progress: Progress | None
) -> tuple[dict[int, _Found], dict[int, str]]:
    """Row -> its measures, and row -> why there are none."""
    code = measure_clip.code_digest()
    found: dict[int, _Found] = {}
    reasons: dict[int, str] = {}
    for row, clip in enumerate(clips):
        known = _look_up(database, clip, code)
        if known is not None:
            found[row] = known
    missing = [row for row in range(len(clips)) if row not in found]
    results = _measured([clips[row] for row in missing], workers=workers)
    for done, (row, result) in enumerate(zip(missing, results, strict=True), start=1):
        if isinstance(result, str):
            reasons[row] = result
        else:
            found[row] = result
            _keep(database, clips[row], code, result)
        if done % _BATCH == 0 or done == len(missing):
            database.commit()
        if progress is not None:
            progress(done, len(missing), "listening")
    return found, reasons


def _look_up(database: sqlite3.Connection, clip: _Clip, code: str) -> _Found | None:
    try:
        status = os.stat(clip[0])
    except OSError:
        return None  # reading it will say why
    row = database.execute(
        "SELECT numbers, log_mel FROM clips WHERE path=? AND start_s=? AND end_s=? AND size=? AND modified_ns=? "
        "AND code=?",
        (os.path.abspath(clip[0]), *clip[1:], status.st_size, status.st_mtime_ns, code),
    ).fetchone()
    return None if row is None else (Measures(**json.loads(row[0])), np.frombuffer(row[1], np.float32))


def _keep(database: sqlite3.Connection, clip: _Clip, code: str, found: _Found) -> None:
    status = os.stat(clip[0])
    database.execute(
        "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            os.path.abspath(clip[0]),
            *clip[1:],
            status.st_size,
            status.st_mtime_ns,
            code,
            json.dumps(asdict(found[0])),
            found[1].tobytes(),
        ),
    )


def _measured(clips: list[_Clip], *, workers: int | None) -> Iterator[_Found | str]:
    """Measures of each clip, or why it has none, in order."""
    n_workers = max(1, min(workers or os.cpu_count() or 1, len(clips) // 16))
    if n_workers == 1:
        yield from map(_one, clips)
        return
    # Spawned, not forked: a fork of a process that runs torch's threads may hang.
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=_start)
    try:
        yield from pool.map(_one, clips, chunksize=8)
    except BrokenProcessPool as error:
        raise FeatureError(
            "a process that reads clips died (out of memory?); what was done is kept: run again, with fewer workers "
            "if it happens again; a script of yours must call this under: if __name__ == '__main__'"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    import torch

    torch.set_num_threads(1)  # there is a process for each core


def _one(clip: _Clip) -> Any:
    path, start_s, end_s = clip
    try:
        return measure_clip.measure(path, start_s=start_s, end_s=None if end_s == _WHOLE else end_s)
    except EmotoneError as error:
        return _reason(str(error), path)


def _reason(message: str, path: str) -> str:
    """Cut the name off an error's message: what is left out is listed with its path."""
    for name in (path, "the array"):
        message = message.removeprefix(f"{name}: ")
    return message
