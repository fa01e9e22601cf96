"""What an archive will cost: an estimate from some of its recordings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotone.bulk.index import Index, parts_of, write_index
from emotone.bulk.settings import AnnotateSettings
from emotone.bulk.sources import Sources
from emotone.bulk.storage import Local
from emotone.bulk.supervised import Supervised
from emotone.bulk.units import Failure
from emotone.bulk.work import Annotator
from emotone.progress import Progress
from emotone.recognition.groups import evenly
from emotone.temporary import temporary_folder

#: Recordings that are timed.
SAMPLED = 20
#: Bytes of a row in Parquet, without the embedding; measured on parts of 256 recordings.
_ROW_BYTES = 90


@dataclass(frozen=True)
class Estimate:
    """What an archive will cost.

    Attributes
    ----------
    n_files
        Recordings.
    n_sampled, n_failed
        Recordings that were timed, and those of them that can't be predicted.
    sound_s
        Seconds of sound of all recordings.
    core_s
        Seconds of one core for all recordings, without the passes that adapt.
    out_bytes
        Size of the output.
    first_failure
        Why the first of the failed recordings can't be predicted; "" if none failed.
    """

    n_files: int
    n_sampled: int
    n_failed: int
    sound_s: float
    core_s: float
    out_bytes: float
    first_failure: str

    def seconds(self, workers: int) -> float:
        """Return the time for this number of workers, in seconds."""
        return self.core_s / workers


def estimate(inputs: Sequence[str], *, settings: AnnotateSettings, progress: Progress | None = None) -> Estimate:
    """List an archive, and time 20 of its recordings, at equal distances, in one process.

    Parameters
    ----------
    inputs, settings
        As in `emotone.bulk.annotate.annotate`.
    progress
        Called after each recording.
    """
    with temporary_folder("emotone-estimate-") as folder:
        storage = Local(str(folder))
        sources = Sources(inputs, speaker_from=settings.speaker_from)
        parts = parts_of(sources, n_files=settings.part_files, n_bytes=settings.part_bytes)
        write_index(storage, "recordings.arrow", parts, progress=progress)
        index = Index(storage, "recordings.arrow")
        sampled = [index.row(number) for number in evenly(range(index.n_rows), SAMPLED)]
        n_files = index.n_rows
        index.close()
    supervised = Supervised(Annotator(settings), limit_s=settings.time_limit_s)  # any recording can crash its process
    times, sounds, rows, failures = [], [], [], []
    for number, row in enumerate(sampled):
        if progress is not None:
            progress(number, len(sampled), f"timing {Path(row.item.file).name}")
        if not number:
            list(supervised.results([row]))  # the first call has extra costs
        begun_at = time.perf_counter()
        (result,) = supervised.results([row])
        times.append(time.perf_counter() - begun_at)
        if isinstance(result, Failure):
            failures.append(result.message)
        else:
            sounds.append(result.sound_s)
            rows.append(len(result.rows))
    supervised.close()
    share = n_files / max(len(sampled), 1)
    return Estimate(
        n_files=n_files,
        n_sampled=len(sampled),
        n_failed=len(failures),
        sound_s=float(np.sum(sounds)) * share,
        core_s=float(np.sum(times)) * share,
        out_bytes=float(np.sum(rows)) * share * _ROW_BYTES,
        first_failure=failures[0] if failures else "",
    )
