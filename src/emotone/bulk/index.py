"""The list of an archive's recordings, in parts, on disk: any part can be read without the others."""

import bisect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa

from emotone.bulk.storage import Storage
from emotone.bulk.units import Item, Row
from emotone.progress import Progress
from emotone.temporary import temporary_folder

#: Names of files may hold bytes that are no text, so they are binary here.
_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.binary()),
        ("speaker", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("size", pa.int64()),
        ("error", pa.binary()),
        ("channel", pa.string()),
    ]
)
_REPORTED_EVERY = 1000
_KEPT_PARTS = 64
#: Parts of a small archive, and recordings of the smallest part.
_PARTS, _SMALLEST_PART = 32, 4


def write_index(
    storage: Storage,
    name: str,
    parts: Iterable[Sequence[Row]],
    *,
    progress: Progress | None = None,
) -> None:
    """Write the list, atomically; each part is a batch of the file, which has the format of Arrow.

    Parameters
    ----------
    parts
        Recordings of each part.
    progress
        Called with the number of recordings so far.
    """
    with temporary_folder("emotone-index-") as folder:
        local = folder / "index.arrow"
        n_rows, n_reported = 0, 0
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.OSFile(str(local), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
            for part in parts:
                writer.write_batch(_batch(part))
                n_rows += len(part)
                if progress is not None and n_rows - n_reported >= _REPORTED_EVERY:
                    n_reported = n_rows
                    progress(0, 1, f"listing: {n_rows:,} recordings")
        storage.put(local, name)


def parts_of(items: Iterable[Item], *, n_files: int, n_bytes: int) -> Iterator[list[Row]]:
    """Group recordings, in order, into parts of at most ``n_files`` and about ``n_bytes``.

    The parts of a small archive are smaller, so that all workers have some.
    """
    items = iter(items)
    first = list(itertools.islice(items, _PARTS * n_files))
    if len(first) < _PARTS * n_files:
        n_files = max(_SMALLEST_PART, -(-len(first) // _PARTS))
    items = itertools.chain(first, items)
    part: list[Row] = []
    size = 0
    for number, item in enumerate(items):
        if part and (len(part) >= n_files or size + item.size > n_bytes):
            yield part
            part, size = [], 0
        part.append(Row(number, item))
        size += item.size
    if part:
        yield part


class Index:
    """Read the list of an archive's recordings; copies in other processes open it again.

    Attributes
    ----------
    n_parts
        Number of parts.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage, self._name = storage, name
        self._file = storage.open(name)
        self._reader = pa.ipc.open_file(self._file)
        self.n_parts: int = self._reader.num_record_batches
        self._lock = threading.Lock()  # threads that share a reader would move its place in the file
        self._kept: OrderedDict[int, list[Row]] = OrderedDict()

    def __getstate__(self) -> tuple[Storage, str]:
        return self._storage, self._name

    def __setstate__(self, state: tuple[Storage, str]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def part(self, number: int) -> list[Row]:
        """Return the recordings of a part."""
        return [_row(cells) for cells in self._batch(number).to_pylist()]

    @cached_property
    def starts(self) -> list[int]:
        """The number of the first recording of each part, and the number of all."""
        sizes = (len(self.columns(number, "row")) for number in range(self.n_parts))
        return list(itertools.accumulate(sizes, initial=0))

    @property
    def n_rows(self) -> int:
        """Number of recordings."""
        return self.starts[-1]

    def row(self, number: int) -> Row:
        """Return a recording; the last parts that were read are kept in memory."""
        where = bisect.bisect_right(self.starts, number) - 1
        if where not in self._kept:
            self._kept[where] = self.part(where)
            if len(self._kept) > _KEPT_PARTS:
                self._kept.popitem(last=False)
        return self._kept[where][number - self.starts[where]]

    def columns(self, number: int, *names: str) -> Any:
        """Return columns of a part as an Arrow table."""
        return pa.Table.from_batches([self._batch(number)]).select(list(names))

    def _batch(self, number: int) -> Any:
        with self._lock:
            return self._reader.get_batch(number)

    def __iter__(self) -> Iterator[list[Row]]:
        return (self.part(number) for number in range(self.n_parts))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _batch(part: Sequence[Row]) -> pa.RecordBatch:
    items = [row.item for row in part]
    columns: list[list[Any]] = [
        [row.number for row in part],
        [_bytes(item.file) for item in items],
        [None if item.speaker is None else _text(item.speaker) for item in items],
        [item.start_s for item in items],
        [item.end_s for item in items],
        [item.size for item in items],
        [_bytes(item.error) for item in items],
        [item.channel for item in items],
    ]
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )


def _row(cells: dict[str, Any]) -> Row:
    name, error = (cells[key].decode("utf-8", "surrogateescape") for key in ("file", "error"))
    times = cells["start_s"], cells["end_s"]
    return Row(cells["row"], Item(name, cells["speaker"], *times, cells["size"], error, cells["channel"]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(text: str) -> str:
    """Replace bytes of a name that are no text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
