"""Features on disk: computed once for each recording, extractor and augmented copy.

A row is found by the recording's *content*, so that a renamed corpus is not computed again and a changed file is.
Extractor digest, preprocessing and augmented copy are part of the key too.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from emotone import files
from emotone.audio import reading
from emotone.augment.copies import Augmentation
from emotone.features.clip_cache import ClipCache, clips_of, default_folder
from emotone.features.columns import FeatureColumn, names_of
from emotone.features.worker import Job, Row
from emotone.files import source_digest
from emotone.parallel import LocalPool, Pool
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.corpora import Corpus
    from emotone.features.base import Extractor


@dataclass(frozen=True)
class Features:
    """Features of clips, one row per clip.

    Attributes
    ----------
    values
        (rows, d) float32, NaN for a rejected clip.  If the extractor gives sequences, (rows,) objects: the frames
        (frames, d) of each clip, float32 or float16, and None for a rejected clip.
    columns
        d columns.
    digests
        Content digest of each recording before preprocessing; "" for a rejected clip.
    rejected
        Row -> the reason why the clip could not be read.
    """

    values: npt.NDArray[Any]
    columns: tuple[FeatureColumn, ...]
    digests: tuple[str, ...]
    rejected: dict[int, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return names_of(self.columns)


@dataclass(frozen=True)
class StoredExtractor:
    """What the store needs of an extractor: other processes can have it without its weights.

    Attributes
    ----------
    name, digest, columns, is_graph, is_sequence, stored_as
        As of `emotone.features.base.Extractor`.
    """

    name: str
    digest: str
    columns: tuple[FeatureColumn, ...]
    is_graph: bool
    is_sequence: bool
    stored_as: str

    @classmethod
    def of(cls, extractor: "Extractor") -> Self:
        """Describe an extractor."""
        return cls(
            extractor.name,
            extractor.digest,
            extractor.columns,
            extractor.is_graph,
            extractor.is_sequence,
            extractor.stored_as,
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return names_of(self.columns)


class FeatureStore:
    """Features on disk; missing ones are computed.

    Parameters
    ----------
    folder
        Folder of the store; `default_folder` if not given.  It can be deleted at any time.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()

    def compute(
        self,
        corpus: "Corpus",
        extractor: "Extractor | StoredExtractor",
        *,
        preprocessing: Preprocessing = DEFAULT,
        augmentation: Augmentation | None = None,
        rows: Sequence[int] | None = None,
        pool: Pool | None = None,
        progress: Progress | None = None,
    ) -> Features:
        """Return the features of a corpus' clips.

        Parameters
        ----------
        preprocessing
            Applied to a waveform before features are computed.
        augmentation
            Use this augmented copy of each clip instead of the clip.
        rows
            Only these rows of the corpus, in this order.
        pool
            Where they are computed; the processes of this machine if not given.
        progress
            Called after each clip.

        Raises
        ------
        FeatureError
            No clip could be read, a worker process died, or the database is damaged.
        """
        clips = clips_of(corpus.table if rows is None else corpus.table.iloc[list(rows)])
        job = Job(
            extractor=extractor.name,
            graph=self.graph(extractor) if extractor.is_graph else None,
            extractor_digest=extractor.digest,
            width=len(extractor.feature_names) if extractor.is_sequence else None,
            dtype=extractor.stored_as,
            preprocessing=preprocessing,
            augmentation=augmentation,
        )
        what = "features" if augmentation is None else f"features of augmented copy {augmentation.copy}"
        results, rejected = _FeatureCache(self.folder, job).compute(
            clips, job, what=what, pool=pool or LocalPool(), progress=progress
        )
        values = _gathered({number: row for number, (_, row) in results.items()}, len(clips), extractor)
        digests = tuple(results[number][0] if number in results else "" for number in range(len(clips)))
        return Features(values, extractor.columns, digests, rejected)

    def graph(self, extractor: "Extractor | StoredExtractor") -> bytes:
        """Return the extractor's ONNX graph, which is exported once (about 20 s) and kept."""
        name = re.sub(r"[^\w.-]+", "-", extractor.name, flags=re.ASCII)[
            :80
        ]  # it may hold characters that file names may not
        path = self.folder / "graphs" / f"{name}-{extractor.digest[:32]}.onnx"
        if not path.is_file():
            from emotone.features import registry
            from emotone.features.graph import extractor_graph

            module = registry.get(extractor.name) if isinstance(extractor, StoredExtractor) else extractor
            graph = extractor_graph(module).SerializeToString()
            with files.replacing(path) as temporary:
                temporary.write_bytes(graph)
        return path.read_bytes()


class _FeatureCache(ClipCache[Row]):
    """Recordings by their file, and their features by content: a renamed file is read again but not computed."""

    schema = """
    CREATE TABLE IF NOT EXISTS clips (
        path BLOB, start_s REAL, end_s REAL, state TEXT, digest TEXT,
        PRIMARY KEY (path, start_s, end_s)
    );
    CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, row BLOB);
    """

    def __init__(self, folder: Path, job: Job) -> None:
        super().__init__(folder / "features.sqlite", code=source_digest(*reading.code()))
        self._job = job

    def look_up(self, database: sqlite3.Connection, key: tuple[Any, ...]) -> Row | None:
        row = database.execute(
            "SELECT digest FROM clips WHERE path=? AND start_s=? AND end_s=? AND state=?", key
        ).fetchone()
        if row is None:
            return None
        stored = database.execute("SELECT row FROM features WHERE key=?", (self._job.key(row[0]),)).fetchone()
        return None if stored is None else (row[0], self._job.shaped(stored[0]))

    def keep(self, database: sqlite3.Connection, key: tuple[Any, ...], result: Row) -> None:
        digest, row = result
        database.execute("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?)", (*key, digest))
        database.execute("INSERT OR REPLACE INTO features VALUES (?, ?)", (self._job.key(digest), row.tobytes()))


def _gathered(
    rows: Mapping[int, npt.NDArray[Any]], n_clips: int, extractor: "Extractor | StoredExtractor"
) -> npt.NDArray[Any]:
    """Return `Features.values` from the rows of the clips that have one."""
    values: npt.NDArray[Any]
    if extractor.is_sequence:
        values = np.empty(n_clips, dtype=object)
    else:
        values = np.full((n_clips, len(extractor.feature_names)), np.nan, dtype=np.float32)
    for number, row in rows.items():
        values[number] = row
    return values
