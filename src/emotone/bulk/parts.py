"""The output of an annotated archive: parts in Parquet, which appear when they are whole."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emotone.bulk.storage import Storage
from emotone.bulk.units import WORK

#: Folders and files of the output.
SEGMENTS, FAILURES, RUN = "segments", "failures.parquet", "run.json"
#: Seconds of sound of a part, in the metadata of its file.
_SOUND = b"emotone.sound_s"
#: Threads that read the ends of files.
_READERS = 16
_WORK_FAILURES = f"{WORK}/failures"
_FAILURES_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("code", pa.string()),
        ("message", pa.string()),
    ]
)


def part_name(number: int) -> str:
    """Return the name of a part's file.

    Examples
    --------
    >>> part_name(7)
    'part-0000007.parquet'
    """
    return f"part-{number:07d}.parquet"


def done_parts(storage: Storage) -> set[int]:
    """Return the numbers of the parts that are written."""
    names = storage.names(SEGMENTS)
    return {int(name[5:-8]) for name in names if name.startswith("part-") and name.endswith(".parquet")}


def segments_schema(emotions: Sequence[str], *, embedding: int = 0) -> pa.Schema:
    """Return the columns of the rows; ``embedding`` is the length of the embedding, 0 without it."""
    fields = [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("speaker", pa.string()),
        ("emotion", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("speech", pa.float32()),
        *((f"score_{emotion}", pa.float32()) for emotion in emotions),
        ("adapted_source", pa.int32()),
        ("adapted_speaker", pa.int32()),
        ("notes", pa.list_(pa.string())),
        ("model", pa.string()),
        *([("embedding", pa.list_(pa.float32(), embedding))] if embedding else []),
    ]
    return pa.schema(fields)


def write_part(
    storage: Storage,
    number: int,
    rows: Sequence[Sequence[Any]],
    failures: Sequence[Sequence[Any]],
    schema: pa.Schema,
    *,
    sound_s: float,
) -> None:
    """Write rows and failures of a part; the file of the rows comes last and says that the part is done."""
    name = f"{_WORK_FAILURES}/{part_name(number)}"
    if failures:
        storage.write(name, _parquet(failures, _FAILURES_SCHEMA))
    elif storage.exists(name):  # of an earlier try
        storage.remove(name)
    schema = schema.with_metadata({_SOUND: repr(round(sound_s, 3))})
    storage.write(f"{SEGMENTS}/{part_name(number)}", _parquet(rows, schema))


def written(storage: Storage, numbers: Sequence[int]) -> tuple[int, float]:
    """Return the number of rows and the seconds of sound of some parts, as their files say."""
    from concurrent.futures import ThreadPoolExecutor

    def footer(number: int) -> tuple[int, float]:
        with storage.open(f"{SEGMENTS}/{part_name(number)}") as file:
            part = pq.ParquetFile(file)
            return part.metadata.num_rows, float(part.schema_arrow.metadata[_SOUND])

    with ThreadPoolExecutor(_READERS) as pool:
        rows, seconds = zip(*pool.map(footer, numbers), strict=True) if numbers else ((), ())
    return sum(rows), float(sum(seconds))


def merge_failures(storage: Storage) -> int:
    """Write the failures of all parts into one file, atomically, and return their number."""
    import tempfile
    from pathlib import Path

    n_failures = 0
    with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
        local = Path(folder) / FAILURES
        with pq.ParquetWriter(local, _FAILURES_SCHEMA, compression="zstd") as writer:
            for table in _failures(storage):
                n_failures += len(table)
                writer.write_table(table)
        storage.put(local, FAILURES)
    return n_failures


def first_failure(storage: Storage) -> str:
    """Return the message of the first recording of a finished run that has no row; "" if all have."""
    with storage.open(FAILURES) as file:
        batch = next(pq.ParquetFile(file).iter_batches(batch_size=1, columns=["message"]), None)
        return str(batch["message"][0]) if batch is not None and len(batch) else ""


def _failures(storage: Storage) -> Iterator[Any]:
    for name in sorted(storage.names(_WORK_FAILURES)):
        yield pq.read_table(io.BytesIO(storage.read(f"{_WORK_FAILURES}/{name}")))


def _parquet(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue()
