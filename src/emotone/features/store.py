"""Features on disk: computed once for each recording, extractor and augmented copy.

One SQLite file, which survives a process that dies and two that write at once.  A row is found by the recording's
*content* (so a renamed corpus costs nothing and a changed file is never mistaken) and by the extractor's digest.
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone import audio, augment
from emotone.errors import EmotoneError, FeatureError
from emotone.features.runner import GraphRunner
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.corpora import Corpus
    from emotone.features.base import Extractor

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recordings (
    path TEXT, size INTEGER, modified_ns INTEGER, start_s REAL, end_s REAL, digest TEXT,
    PRIMARY KEY (path, start_s, end_s)
);
CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, row BLOB);
"""
_BATCH = 40  # clips between two commits: what a crash costs at most
_WAIT_S = 120.0  # for another process that is writing
_WHOLE = -1.0  # end_s of a whole file, since NaN is not equal to itself


@dataclass(frozen=True)
class Augmentation:
    """One augmented copy of every clip.

    Attributes
    ----------
    transforms
        Applied in order.
    copy
        1, 2, ...: another number gives another copy.
    seed
        The experiment's; a copy depends on it, the number and the recording's content alone.
    """

    transforms: tuple[augment.Transform, ...]
    copy: int
    seed: int = 0

    @property
    def spec(self) -> str:
        """The text that keys the store."""
        return f"{'+'.join(transform.spec for transform in self.transforms)}#{self.copy}@{self.seed}"


@dataclass(frozen=True)
class Features:
    """Features of clips, one row a clip, and what they were computed from.

    Attributes
    ----------
    values
        (rows,), one row a clip.  Of an extractor that gives one row of numbers a clip, (rows, d) float32, a rejected
        clip's row being NaN; of a sequence, (rows,) objects, each the clip's frames (frames, d), float32 or, where the
        extractor says so, float16, a rejected clip's being None.
    names
        d column names.
    digests
        Content digest of each untouched recording; of a rejected one "".
    rejected
        Row -> why the clip could not be read.
    """

    values: npt.NDArray[Any]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    rejected: dict[int, str] = field(default_factory=dict)


def default_folder() -> Path:
    """``$EMOTONE_CACHE``, or ``emotone`` in the user's cache directory."""
    named = os.environ.get("EMOTONE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "emotone"


class FeatureStore:
    """Features of clips by an extractor, from disk where they are, computed and kept where not.

    Parameters
    ----------
    folder
        Where to keep them; `default_folder` if not given.  Deleting it costs time and nothing else.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()

    def compute(
        self,
        corpus: "Corpus",
        extractor: "Extractor",
        *,
        augmentation: Augmentation | None = None,
        rows: Sequence[int] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Features:
        """Features of a corpus' clips, trimmed of silence, on all cores.

        Parameters
        ----------
        corpus
            Its clips, in its order.
        extractor
            Any registered one.
        augmentation
            Take this augmented copy of each clip instead of the clip.
        rows
            Only these rows of the corpus, in this order.
        workers
            Processes; one a core if not given.
        progress
            Told of each clip.

        Raises
        ------
        FeatureError
            Not one clip could be read, or a worker process died.
        """
        table = corpus.table if rows is None else corpus.table.iloc[list(rows)]
        ends = table["end_s"].fillna(_WHOLE)
        clips = [(str(p), float(s), float(e)) for p, s, e in zip(table["path"], table["start_s"], ends, strict=True)]
        job = _Job(
            extractor=extractor.name,
            graph=self.graph(extractor) if extractor.is_graph else None,
            extractor_digest=extractor.digest,
            width=len(extractor.feature_names) if extractor.is_sequence else None,
            dtype=extractor.stored_as,
            augmentation=augmentation,
        )
        found: dict[int, tuple[str, npt.NDArray[Any]]] = {}
        with self._database() as database:
            for number, clip in enumerate(clips):
                known = self._look_up(database, clip, job)
                if known is not None:
                    found[number] = known
            missing = [number for number in range(len(clips)) if number not in found]
            rejected = self._fill(database, clips, missing, job, found, workers=workers, progress=progress)
        if clips and not found:
            first = next(iter(rejected.values()))
            raise FeatureError(f"not one of {len(clips)} clips could be read; the first: {first}")
        values = _gathered({number: row for number, (_, row) in found.items()}, len(clips), extractor)
        digests = tuple(found[number][0] if number in found else "" for number in range(len(clips)))
        return Features(values, extractor.feature_names, digests, rejected)

    def graph(self, extractor: "Extractor") -> bytes:
        """The extractor's ONNX graph, exported once (some 20 s) and kept."""
        called = re.sub(r"[^\w.-]+", "-", extractor.name, flags=re.ASCII)[:80]  # some have what no file name may
        path = self.folder / "graphs" / f"{called}-{extractor.digest[:32]}.onnx"
        if not path.is_file():
            from emotone.features.graph import extractor_graph

            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}.part")
            temporary.write_bytes(extractor_graph(extractor).SerializeToString())
            temporary.replace(path)
        return path.read_bytes()

    def _fill(
        self,
        database: sqlite3.Connection,
        clips: list[tuple[str, float, float]],
        missing: list[int],
        job: "_Job",
        found: dict[int, tuple[str, npt.NDArray[Any]]],
        *,
        workers: int | None,
        progress: Progress | None,
    ) -> dict[int, str]:
        rejected: dict[int, str] = {}
        if not missing:
            return rejected
        what = "features" if job.augmentation is None else f"features of augmented copy {job.augmentation.copy}"
        results = _computed([clips[number] for number in missing], job, workers=workers)
        for done, (number, result) in enumerate(zip(missing, results, strict=True), start=1):
            if isinstance(result, str):
                rejected[number] = result
            else:
                found[number] = result
                self._keep(database, clips[number], job, *result)
            if done % _BATCH == 0 or done == len(missing):
                database.commit()
            if progress is not None:
                progress(done, len(missing), what)
        return rejected

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        self.folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.folder / "features.sqlite", timeout=_WAIT_S)
        try:
            database.execute("PRAGMA journal_mode=WAL")  # readers don't wait for a writer
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(_SCHEMA)
            yield database
            database.commit()
        finally:
            database.close()

    def _look_up(
        self, database: sqlite3.Connection, clip: tuple[str, float, float], job: "_Job"
    ) -> tuple[str, npt.NDArray[Any]] | None:
        path, start_s, end_s = clip
        try:
            status = os.stat(path)
        except OSError:
            return None  # reading it will say why
        row = database.execute(
            "SELECT digest FROM recordings WHERE path=? AND start_s=? AND end_s=? AND size=? AND modified_ns=?",
            (os.path.abspath(path), start_s, end_s, status.st_size, status.st_mtime_ns),
        ).fetchone()
        if row is None:
            return None
        kept = database.execute("SELECT row FROM features WHERE key=?", (job.key(row[0]),)).fetchone()
        return None if kept is None else (row[0], job.shaped(kept[0]))

    def _keep(
        self,
        database: sqlite3.Connection,
        clip: tuple[str, float, float],
        job: "_Job",
        digest: str,
        row: npt.NDArray[Any],
    ) -> None:
        path, start_s, end_s = clip
        status = os.stat(path)
        database.execute(
            "INSERT OR REPLACE INTO recordings VALUES (?, ?, ?, ?, ?, ?)",
            (os.path.abspath(path), status.st_size, status.st_mtime_ns, start_s, end_s, digest),
        )
        database.execute("INSERT OR REPLACE INTO features VALUES (?, ?)", (job.key(digest), row.tobytes()))


@dataclass(frozen=True)
class _Job:
    """What a worker process needs to know; ``width`` is that of a frame, None where a clip has one row.

    ``dtype`` is the type of the numbers in the store.
    """

    extractor: str
    graph: bytes | None
    extractor_digest: str
    width: int | None
    dtype: str
    augmentation: Augmentation | None

    def key(self, digest: str) -> str:
        spec = "" if self.augmentation is None else self.augmentation.spec
        return hashlib.sha256(f"{digest}|{self.extractor_digest}|{spec}".encode()).hexdigest()

    def shaped(self, kept: bytes) -> npt.NDArray[Any]:
        """Give numbers as they are kept the shape of the features: (d,), or (frames, d) of a sequence.

        Frames are copied, since what a database gives is read-only and torch wants what it may write to.
        """
        numbers = np.frombuffer(kept, dtype=self.dtype)
        return numbers if self.width is None else numbers.reshape(-1, self.width).copy()


def _gathered(rows: Mapping[int, npt.NDArray[Any]], n_clips: int, extractor: "Extractor") -> npt.NDArray[Any]:
    """Put the rows of those clips that have one into an array over all clips, as `Features.values` says."""
    values: npt.NDArray[Any]
    if extractor.is_sequence:
        values = np.empty(n_clips, dtype=object)
    else:
        values = np.full((n_clips, len(extractor.feature_names)), np.nan, dtype=np.float32)
    for number, row in rows.items():
        values[number] = row
    return values


_Result = tuple[str, npt.NDArray[Any]] | str


def _computed(clips: list[tuple[str, float, float]], job: _Job, *, workers: int | None) -> Iterator[_Result]:
    """Digest and features of each clip, or why it has none, in order."""
    n_workers = max(1, min(workers or os.cpu_count() or 1, len(clips) // 8))
    if n_workers == 1:
        work = _Worker(job)
        yield from map(work, clips)
        return
    # Spawned, not forked: a fork of a process that runs torch's threads may hang.
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=_start, initargs=(job,))
    try:
        yield from pool.map(_run, clips, chunksize=8)
    except BrokenProcessPool as error:
        raise FeatureError(
            "a process that computes features died (out of memory?); what was done is kept: run again, with fewer "
            "workers if it happens again; a script of yours must call this under: if __name__ == '__main__'"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """Reads a clip and computes its features."""

    def __init__(self, job: _Job) -> None:
        self.augmentation, self.dtype = job.augmentation, job.dtype
        self.compute: Any
        if job.graph is not None:
            self.compute = GraphRunner(job.graph)
        else:
            from emotone.features import registry

            self.compute = registry.get(job.extractor).compute

    def __call__(self, clip: tuple[str, float, float]) -> _Result:
        path, start_s, end_s = clip
        try:
            whole = audio.read(path, start_s=start_s, end_s=None if end_s == _WHOLE else end_s, trim=False)
            digest = audio.content_digest(whole)
            samples = audio.trim_silence(whole)
            if self.augmentation is not None:
                rng = augment.seed_for(self.augmentation.seed, digest=digest, copy_index=self.augmentation.copy)
                samples = augment.apply(samples, transforms=self.augmentation.transforms, rng=rng)
            row = np.asarray(self.compute(samples), dtype=np.float32)
        except EmotoneError as error:
            return str(error)
        if not np.isfinite(row).all():
            return f"{path}: a feature is not a finite number; leave this file out and report it"
        return digest, row.astype(self.dtype, copy=False)


_worker: _Worker | None = None


def _start(job: _Job) -> None:
    global _worker  # one a process: a session costs more to make than a clip to compute
    if job.graph is None:
        import torch

        torch.set_num_threads(1)  # there is a process for each core
    _worker = _Worker(job)


def _run(clip: tuple[str, float, float]) -> _Result:
    if _worker is None:  # the pool's initializer has run before any clip
        raise FeatureError("the worker was not started")
    return _worker(clip)
