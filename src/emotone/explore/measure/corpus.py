"""Measure the clips of a corpus on all cores, and keep the measures so that the next call reads no audio."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import preprocessing
from emotone.audio import reading, trimming
from emotone.audio.segments import Segment
from emotone.corpora import Corpus, Rejected, segments_of
from emotone.corpora.rejected import UNREADABLE
from emotone.errors import EmotoneError
from emotone.explore import sound
from emotone.explore.measure import clip as clip_module
from emotone.explore.measure.clip import Measures
from emotone.features import descriptors, spectral
from emotone.features.clip_cache import ClipCache, default_folder
from emotone.features.store_file import StoreFile, TableRow
from emotone.files import source_digest
from emotone.parallel import LocalPool
from emotone.progress import Progress

FILE = "measures.sqlite"
_CODE = (
    clip_module, sound, *reading.code(), trimming, preprocessing, spectral, descriptors,
)  # fmt: skip

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measures (
    path BLOB, start_s REAL, end_s REAL, state TEXT, numbers TEXT, log_mel BLOB, checksum BLOB,
    PRIMARY KEY (path, start_s, end_s)
);
"""

_Row = tuple[Measures, NDArray[np.float32]]


@dataclass(frozen=True)
class Measured:
    """The measures of a corpus' clips.

    Attributes
    ----------
    corpus
        The n clips that could be read.
    clips
        (n, ...) the corpus' columns, and those of `emotone.explore.measure.Measures`.
    log_mel
        (n, 128) float32, mean level of each mel band in dB, without the silence at both ends.
    rejected
        Clips that the corpus' reader rejected or that can't be read, with the reason.
    """

    corpus: Corpus
    clips: pd.DataFrame
    log_mel: NDArray[np.float32]
    rejected: tuple[Rejected, ...]

    def only(self, kept: NDArray[np.bool_], rejected: tuple[Rejected, ...] = ()) -> "Measured":
        """Return the clips of a mask (n,), with more rejected clips."""
        everything = (*self.rejected, *rejected)
        corpus = Corpus(self.corpus.table[kept], self.corpus.name, everything)
        return Measured(corpus, self.clips[kept].reset_index(drop=True), self.log_mel[kept], everything)


def measure_corpus(
    corpus: Corpus, *, cache: Path | None = None, workers: int | None = None, progress: Progress | None = None
) -> Measured:
    """Measure every clip of a corpus.

    Parameters
    ----------
    cache
        Folder that keeps the measures; the folder of the feature store if not given.  A clip is measured again if its
        file or the code that measures has changed.
    workers
        Processes; one per core if not given.
    progress
        Called after each clip that is read.

    Raises
    ------
    FeatureError
        No clip could be read, or a worker process died.
    """
    clips = segments_of(corpus.table)
    file = StoreFile((default_folder() if cache is None else Path(cache)) / FILE, _SCHEMA)
    measures, reasons = _MeasureCache(file, code=source_digest(*_CODE)).compute(
        clips, _measure, what="measuring", pool=LocalPool(workers), progress=progress
    )
    rejected = tuple(
        Rejected(clips[row].path, reason.removeprefix(f"{clips[row].path}: "), UNREADABLE)
        for row, reason in sorted(reasons.items())
    )
    rows = sorted(measures)
    readable = Corpus(corpus.table.iloc[rows], corpus.name, (*corpus.rejected, *rejected))
    return Measured(
        corpus=readable,
        clips=pd.concat([readable.table, pd.DataFrame([asdict(measures[row][0]) for row in rows])], axis=1),
        log_mel=np.stack([measures[row][1] for row in rows]),
        rejected=readable.rejected,
    )


class _MeasureCache(ClipCache[_Row]):
    def look_up(self, key: Mapping[str, Any]) -> _Row | None:
        row = self.file.fetch("measures", key)
        return None if row is None else (Measures(**json.loads(row[-2])), np.frombuffer(row[-1], np.float32))

    def rows(self, key: Mapping[str, Any], result: _Row) -> list[TableRow]:
        measures, log_mel = result
        return [("measures", (*key.values(), json.dumps(asdict(measures)), log_mel.tobytes()))]


def _measure(clip: Segment) -> _Row | str:
    try:
        return clip_module.measure_clip(**clip._asdict())
    except EmotoneError as error:
        return f"{clip.path}: {str(error).removeprefix(f'{clip.path}: ').removeprefix('the array: ')}"
