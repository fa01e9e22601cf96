"""The output of an annotated archive: parts in Parquet, which appear when they are whole."""

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emotone.bulk.storage import Storage, as_storage_error
from emotone.bulk.units import WORK
from emotone.errors import ConfigError, StorageError
from emotone.temporary import temporary_folder

#: Folders and files of the output.
SEGMENTS, FAILURES, RUN = "segments", "failures.parquet", "run.json"
#: In the metadata of a part's file: seconds of sound, the number of failures, and the key of their file.
_SOUND, _N_FAILURES, _TRY = b"emotone.sound_s", b"emotone.n_failures", b"emotone.try"
#: The last bytes of a whole Parquet file; the smallest has these, the first four and the size of its footer.
_MAGIC, _SMALLEST = b"PAR1", 12
#: Threads that read files, which may be far away.
_READERS = 16
#: Rows of a row group of the failures.
_GROUP = 65_536
_WORK_FAILURES = f"{WORK}/failures"
_FAILURES_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("speaker", pa.string()),
        ("channel", pa.string()),
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
    """Return the numbers of the parts that are written; files that were cut off, or have other names, do not count."""
    names = storage.names(SEGMENTS)
    numbers = [int(match[1]) for name in names if (match := re.fullmatch(r"part-([0-9]{7,})\.parquet", name))]
    numbers = [number for number in numbers if part_name(number) in names]
    whole = _mapped(lambda number: is_whole(storage, f"{SEGMENTS}/{part_name(number)}"), numbers)
    return {number for number, is_done in zip(numbers, whole, strict=True) if is_done}


def is_whole(storage: Storage, name: str) -> bool:
    """Return whether there is a Parquet file of this name that was not cut off; only its end is read."""
    try:
        with storage.open(name) as file, as_storage_error(f"{storage.address}/{name}"):
            size = file.seek(0, io.SEEK_END)
            if size <= _SMALLEST:
                return False
            file.seek(size - len(_MAGIC))
            return bool(file.read(len(_MAGIC)) == _MAGIC)
    except (FileNotFoundError, IsADirectoryError):
        return False


def segments_schema(emotions: Sequence[str], *, embedding: int = 0) -> pa.Schema:
    """Return the columns of the rows; ``embedding`` is the length of the embedding, 0 without it."""
    fields = [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("speaker", pa.string()),
        ("channel", pa.string()),
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
    """Write rows and failures of a part; the file of the rows comes last and says that the part is done.

    Several tries of a part may end at once, as when a machine that was given up is only slow.  The file of the rows
    that is the last to be written names the failures that belong to it, and those of other tries do not count.

    Parameters
    ----------
    rows
        The cells of each row, as in ``schema``.
    failures
        Row, file, start, end, speaker, channel, code and message of each recording without a row.
    sound_s
        Seconds of sound of the rows.
    """
    key = ""
    if failures:
        key = hashlib.sha256(repr([int(failure[0]) for failure in failures]).encode()).hexdigest()[:16]
        storage.write(_failures_name(number, key), _parquet(failures, _FAILURES_SCHEMA))
    metadata = {_SOUND: repr(round(sound_s, 3)), _N_FAILURES: str(len(failures)), _TRY: key}
    storage.write(f"{SEGMENTS}/{part_name(number)}", _parquet(rows, schema.with_metadata(metadata)))


def written(storage: Storage, numbers: Sequence[int]) -> tuple[int, float]:
    """Return the number of rows and the seconds of sound of some parts, as their files say.

    Raises
    ------
    ConfigError, StorageError
        A file is damaged, or was not written by `write_part`.
    """
    n_rows, _, sound_s = totals(storage, numbers)
    return n_rows, sound_s


def totals(storage: Storage, numbers: Sequence[int]) -> tuple[int, int, float]:
    """Return the number of rows, that of failures and the seconds of sound of some parts; errors as in `written`."""

    def footer(number: int) -> tuple[int, int, float]:
        with _part(storage, f"{SEGMENTS}/{part_name(number)}") as part:
            metadata = part.schema_arrow.metadata
            return part.metadata.num_rows, int(metadata[_N_FAILURES]), float(metadata[_SOUND])

    n_rows = n_failures = 0
    sound_s = 0.0
    for rows, failures, seconds in _mapped(footer, numbers):
        n_rows, n_failures, sound_s = n_rows + rows, n_failures + failures, sound_s + seconds
    return n_rows, n_failures, sound_s


def merge_failures(storage: Storage) -> int:
    """Write the failures of all parts into one file, atomically, and return their number.

    If they were merged before, and those of the parts removed, the file stays as it is.

    Raises
    ------
    ConfigError, StorageError
        A file is damaged, or failures of a part are missing.
    """
    if not storage.names(_WORK_FAILURES) and is_whole(storage, FAILURES):
        with _part(storage, FAILURES) as merged:
            return int(merged.metadata.num_rows)
    n_failures = 0
    with temporary_folder("emotone-failures-") as folder:
        local = folder / FAILURES
        with pq.ParquetWriter(local, _FAILURES_SCHEMA, compression="zstd") as writer:
            for table in _grouped(_failures(storage)):
                n_failures += len(table)
                writer.write_table(table)
        storage.put(local, FAILURES)
    return n_failures


def first_failure(storage: Storage) -> str:
    """Return the message of the first recording of a finished run that has no row; "" if all have."""
    with _part(storage, FAILURES, remedy="choose another folder with --out") as part:
        batch = next(part.iter_batches(batch_size=1, columns=["message"]), None)
        return str(batch["message"][0]) if batch is not None and len(batch) else ""


def _failures_name(number: int, key: str) -> str:
    """Return the name of the failures of one try of a part."""
    return f"{_WORK_FAILURES}/part-{number:07d}-{key}.parquet"


def _failures(storage: Storage) -> Iterator[pa.Table]:
    """Yield the failures of the parts, in order."""
    matches = (re.match(r"part-([0-9]{7,})-", name) for name in storage.names(_WORK_FAILURES))
    numbers = sorted({int(match[1]) for match in matches if match})
    done = storage.names(SEGMENTS)

    def read(number: int) -> pa.Table:
        segments = f"{SEGMENTS}/{part_name(number)}"
        with _part(storage, segments) as part:
            metadata = part.schema_arrow.metadata
            key, expected = metadata[_TRY].decode(), int(metadata[_N_FAILURES])
        remedy, table = f"delete {segments}, and run the same command again", _FAILURES_SCHEMA.empty_table()
        if key:  # else they are of another try
            name = _failures_name(number, key)
            with contextlib.suppress(FileNotFoundError), _part(storage, name, remedy=remedy) as part:
                table = part.read()
        if len(table) != expected:
            raise ConfigError(f"{storage.address} has {len(table)} of {expected} failures of {segments}; {remedy}")
        return table

    yield from _mapped(read, [number for number in numbers if part_name(number) in done])


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join tables into larger ones, of about `_GROUP` rows."""
    gathered: list[pa.Table] = []
    n_rows = 0
    for table in tables:
        gathered.append(table)
        n_rows += len(table)
        if n_rows >= _GROUP:
            yield pa.concat_tables(gathered)
            gathered, n_rows = [], 0
    if n_rows:
        yield pa.concat_tables(gathered)


def _mapped(function: Callable[[int], Any], numbers: Sequence[int]) -> Iterator[Any]:
    """Yield the results of a function, in order, which are computed in threads, and only a few ahead."""
    from concurrent.futures import ThreadPoolExecutor

    if not numbers:
        return
    with ThreadPoolExecutor(_READERS) as pool:
        for first in range(0, len(numbers), 64 * _READERS):
            yield from pool.map(function, numbers[first : first + 64 * _READERS])


@contextlib.contextmanager
def _part(storage: Storage, name: str, *, remedy: str = "") -> Iterator[pq.ParquetFile]:
    """Open a Parquet file of the output; its errors name the file, and what to do."""
    where = f"{storage.address}/{name}"
    remedy = remedy or f"delete {name}, and run the same command again"
    with storage.open(name) as file, as_storage_error(where):
        try:
            yield pq.ParquetFile(file)
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{where} is damaged, or was not written by emotone annotate ({type(error).__name__}: {error}); "
                f"{remedy}"
            ) from error
        except OSError as error:
            if error.errno is not None:  # of the system; pyarrow's have no number
                raise
            raise StorageError(
                f"{where} can't be read ({error}); if the storage works, it is damaged: {remedy}"
            ) from error


def _parquet(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue()
