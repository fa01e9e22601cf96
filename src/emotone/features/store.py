"""Features on disk: computed once for each recording, extractor and augmented copy.

One SQLite file, which survives a process that dies and two that write at once.  A row is found by the recording's
*content* (so a renamed corpus costs nothing and a changed file is never mistaken) and by
everything else that decides its features: the extractor's digest, the preprocessing and the augmented copy.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotone.audio import decoding, reading, resampling
from emotone.augment.copies import Augmentation
from emotone.errors import FeatureError
from emotone.features.columns import FeatureColumn, names_of
from emotone.features.worker import WHOLE, Clip, Job, compute
from emotone.files import source_digest
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.corpora import Corpus
    from emotone.features.base import Extractor

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    path BLOB, start_s REAL, end_s REAL, state TEXT, digest TEXT,
    PRIMARY KEY (path, start_s, end_s)
);
CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, row BLOB);
"""
_BATCH = 40  # clips between two commits: what a crash costs at most
_WAIT_S = 120.0  # for another process that is writing


@dataclass(frozen=True)
class Features:
    """Features of clips, one row a clip, and what they were computed from.

    Attributes
    ----------
    values
        (rows,), one row a clip.  Of an extractor that gives one row of numbers a clip, (rows, d) float32, a rejected
        clip's row being NaN; of a sequence, (rows,) objects, each the clip's frames (frames, d), float32 or, where the
        extractor says so, float16, a rejected clip's being None.
    columns
        d columns.
    digests
        Content digest of each untouched recording; of a rejected one "".
    rejected
        Row -> why the clip could not be read.
    """

    values: npt.NDArray[Any]
    columns: tuple[FeatureColumn, ...]
    digests: tuple[str, ...]
    rejected: dict[int, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return names_of(self.columns)


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
        preprocessing: Preprocessing = DEFAULT,
        augmentation: Augmentation | None = None,
        rows: Sequence[int] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Features:
        """Return the features of a corpus' clips, computed on all cores.

        Parameters
        ----------
        corpus
            Its clips, in its order.
        extractor
            Any registered one.
        preprocessing
            What happens to a waveform before features are computed.
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
        ends = table["end_s"].fillna(WHOLE)
        clips = [(str(p), float(s), float(e)) for p, s, e in zip(table["path"], table["start_s"], ends, strict=True)]
        job = Job(
            extractor=extractor.name,
            graph=self.graph(extractor) if extractor.is_graph else None,
            extractor_digest=extractor.digest,
            width=len(extractor.feature_names) if extractor.is_sequence else None,
            dtype=extractor.stored_as,
            preprocessing=preprocessing,
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
        return Features(values, extractor.columns, digests, rejected)

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
        clips: list[Clip],
        missing: list[int],
        job: Job,
        found: dict[int, tuple[str, npt.NDArray[Any]]],
        *,
        workers: int | None,
        progress: Progress | None,
    ) -> dict[int, str]:
        rejected: dict[int, str] = {}
        if not missing:
            return rejected
        what = "features" if job.augmentation is None else f"features of augmented copy {job.augmentation.copy}"
        results = compute([clips[number] for number in missing], job, workers=workers)
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

    def _look_up(self, database: sqlite3.Connection, clip: Clip, job: Job) -> tuple[str, npt.NDArray[Any]] | None:
        path, start_s, end_s = clip
        try:
            state = _state(path)
        except OSError:
            return None  # reading it will say why
        row = database.execute(
            "SELECT digest FROM clips WHERE path=? AND start_s=? AND end_s=? AND state=?",
            (_path(path), start_s, end_s, state),
        ).fetchone()
        if row is None:
            return None
        kept = database.execute("SELECT row FROM features WHERE key=?", (job.key(row[0]),)).fetchone()
        return None if kept is None else (row[0], job.shaped(kept[0]))

    def _keep(
        self,
        database: sqlite3.Connection,
        clip: Clip,
        job: Job,
        digest: str,
        row: npt.NDArray[Any],
    ) -> None:
        path, start_s, end_s = clip
        database.execute(
            "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?)", (_path(path), start_s, end_s, _state(path), digest)
        )
        database.execute("INSERT OR REPLACE INTO features VALUES (?, ?)", (job.key(digest), row.tobytes()))


def _path(path: str) -> bytes:
    """Return the absolute path as the file system has it; a name need not be text."""
    return os.fsencode(os.path.abspath(path))


def _state(path: str) -> str:
    """Return what changes when the file does, or the code that reads it: two files that swap names differ too."""
    status = os.stat(path)
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}:{source_digest(decoding, reading, resampling)}"


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
