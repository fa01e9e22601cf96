"""Features on disk: computed once for each recording, extractor and augmented copy.

A row is found by the recording's *content*, so that a renamed corpus is not computed again and a changed file is.
Extractor digest, preprocessing and augmented copy are part of the key too.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from emotone.audio import reading
from emotone.augment.copies import Augmentation
from emotone.corpora.table import segments_of
from emotone.features.clip_cache import ClipCache, default_folder
from emotone.features.columns import FeatureColumn, names_of
from emotone.features.kept_files import keep, read_kept
from emotone.features.store_file import StoreFile, TableRow
from emotone.features.worker import Job, Row
from emotone.files import source_digest
from emotone.parallel import LocalPool, Pool
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.corpora import Corpus
    from emotone.features.base import Extractor

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    path BLOB, start_s REAL, end_s REAL, state TEXT, digest TEXT, checksum BLOB,
    PRIMARY KEY (path, start_s, end_s)
);
CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, row BLOB, checksum BLOB);
"""


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

    Notes
    -----
    A store that is damaged or can't be used costs only time: features are computed again, and a
    `emotone.errors.StoreWarning` says why.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()
        self._file = StoreFile(self.folder / "features.sqlite", _SCHEMA)

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
            No clip could be read, or a worker process died.
        """
        clips = segments_of(corpus.table if rows is None else corpus.table.iloc[list(rows)])
        job = Job(
            extractor=extractor.name,
            graph=self.graph(extractor) if extractor.is_graph else None,
            extractor_digest=extractor.digest,
            width=len(extractor.feature_names),
            is_sequence=extractor.is_sequence,
            dtype=extractor.stored_as,
            preprocessing=preprocessing,
            augmentation=augmentation,
        )
        what = "features" if augmentation is None else f"features of augmented copy {augmentation.copy}"
        results, rejected = _FeatureCache(self._file, job).compute(
            clips, job, what=what, pool=pool or LocalPool(), progress=progress
        )
        values = _gathered({number: row for number, (_, row) in results.items()}, len(clips), extractor)
        digests = tuple(results[number][0] if number in results else "" for number in range(len(clips)))
        return Features(values, extractor.columns, digests, rejected)

    def graph(self, extractor: "Extractor | StoredExtractor") -> bytes:
        """Return the extractor's ONNX graph, which is exported once (about 20 s) and kept."""
        name = re.sub(r"[^\w.-]+", "-", extractor.name, flags=re.ASCII)[:80]  # a file can't have every name
        path = self.folder / "graphs" / f"{name}-{extractor.digest[:32]}.graph"
        graph = read_kept(path)
        if graph is None:
            from emotone.features import registry
            from emotone.features.graph import extractor_graph

            module = registry.get(extractor.name) if isinstance(extractor, StoredExtractor) else extractor
            graph = extractor_graph(module).SerializeToString()
            keep(path, graph)
            with suppress(OSError):
                path.with_suffix(".onnx").unlink()  # of a version without checksums
        return graph


class _FeatureCache(ClipCache[Row]):
    """Recordings by their file, and their features by content: a renamed file is read again but not computed."""

    def __init__(self, file: StoreFile, job: Job) -> None:
        super().__init__(file, code=source_digest(*reading.code()))
        self._job = job

    def look_up(self, key: Mapping[str, Any]) -> Row | None:
        clip = self.file.fetch("clips", key)
        if clip is None:
            return None
        digest = clip[-1]
        stored = self.file.fetch("features", {"key": self._job.key(digest)})
        return None if stored is None else (digest, self._job.shaped(stored[-1]))

    def rows(self, key: Mapping[str, Any], result: Row) -> list[TableRow]:
        digest, row = result
        features = (self._job.key(digest), row.tobytes())
        return [("clips", (*key.values(), digest)), ("features", features)]


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
