"""The recordings that a manifest lists, read row by row: a manifest of an archive is larger than memory."""

import codecs
import contextlib
import csv
import io
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from emotone.audio.channels import channel_number
from emotone.bulk.storage import as_storage_error, file_system, is_address
from emotone.bulk.units import Item
from emotone.corpora.readers._channels import CHANNEL_COLUMNS, named_channel
from emotone.corpora.readers._table_file import SEPARATOR_LINE, TableFile
from emotone.corpora.readers._times import Times
from emotone.errors import AudioError, ConfigError, CorpusError, StorageError
from emotone.recognition.speaker_rule import EXAMPLE, PARENT_FOLDER

#: Names of a manifest's column of files; the first that exists is used.
FILE_COLUMNS = ("file", "path", "filename", "audio", "url")
#: Rows from which it is known which signs the numbers of a manifest use.
_FIRST_ROWS = 1000


class _Table(NamedTuple):
    """A manifest: names of its columns, and its rows, which are read in bounded memory.

    ``separator`` is that of CSV; ``n_before`` counts the lines before the header.
    """

    header: list[str]
    rows: Iterator[dict[str, Any]]
    separator: str = ""
    n_before: int = 0


def header_of(name: str) -> list[str]:
    """Return the names of the columns of a manifest."""
    with _opened(name) as table:
        return table.header


def listed(name: str, *, speaker: str | None) -> Iterator[Item]:
    """Yield the recordings that a manifest lists, with the names of files as they are written, and without sizes.

    Parameters
    ----------
    name
        Path or address.
    speaker
        Name of the column of speakers; None: speakers are not known.

    Raises
    ------
    ConfigError
        The manifest can't be read, or a column is missing, or there twice, or looks like a time and is not understood.
    """
    with _opened(name) as table:
        _check_header(name, table.header, speaker=speaker)
        rows = iter(enumerate(table.rows, start=2 + table.n_before))
        first = list(islice(rows, _FIRST_ROWS))
        segment = _segments(name, table, [cells for _, cells in first])
        channels = _channel_columns([cells for _, cells in first])
        for number, cells in chain(first, rows):
            file = next(_text(cells[key]) for key in FILE_COLUMNS if key in cells)
            error = f"row {number} of {name} names no file" if not file else ""
            try:
                times = segment(number, cells)
            except CorpusError as problem:
                times, error = (0.0, None), error or str(problem)
            channel, error = _channel(cells, channels, error, where=f"row {number} of {name}")
            who = _text(cells[speaker]).strip() or None if speaker else None
            yield Item(file, who, *times, error=error, channel=channel)


def _channel_columns(first: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the columns of channels.  One in which no cell names a channel, as of telephone calls, says nothing."""
    return tuple(
        column
        for column in CHANNEL_COLUMNS
        if any(_named(cells.get(column)) is not None and not _fault(_named(cells.get(column))) for cells in first)
    )


def _named(cell: Any) -> str | None:
    """Return what a cell says of a channel, in lower case; None if it says nothing."""
    return named_channel(_text(cell))


def _fault(text: str | None) -> str:
    try:
        channel_number(text or "mix")
    except AudioError as problem:
        return str(problem)
    return ""


def _channel(cells: dict[str, Any], columns: Sequence[str], error: str, *, where: str) -> tuple[str | None, str]:
    """Return the channel that a row names, None without one, and the error if it is unknown."""
    for column in columns:
        text = _named(cells.get(column))
        if text is None:
            continue
        fault = _fault(text)
        return (None, error or f"{where}: {fault}") if fault else (text, error)
    return None, error


def _segments(
    name: str, table: _Table, first: Sequence[dict[str, Any]]
) -> Callable[[int, dict[str, Any]], tuple[float, float | None]]:
    """Return a function from a row and its number to the start and the end of the segment, in seconds."""

    def texts(cells: dict[str, Any]) -> tuple[str, ...]:
        return tuple(_text(cells.get(key)).strip() for key in table.header)

    rows = tuple(enumerate(map(texts, first), start=2 + table.n_before))
    try:
        times = Times(TableFile(Path(name), tuple(table.header), rows, table.separator))
    except CorpusError as error:
        raise ConfigError(str(error)) from error

    def segment(number: int, cells: dict[str, Any]) -> tuple[float, float | None]:
        start_s, end_s = times.segment(number, texts(cells))
        return start_s, None if math.isnan(end_s) else end_s

    return segment if times.has_columns else lambda *_: (0.0, None)


def _check_header(name: str, columns: Sequence[str], *, speaker: str | None) -> None:
    names = ", ".join(columns) or "no name"
    twice = [key for key, n in Counter(columns).items() if key and n > 1]
    if twice:
        raise ConfigError(f"{name} has several columns with the name {twice[0]}; rename all but the right one")
    if not any(key in columns for key in FILE_COLUMNS):
        raise ConfigError(f"{name} has the columns {names}; expected {' or '.join(FILE_COLUMNS)}")
    if speaker is not None and speaker not in columns:
        raise ConfigError(
            f"--speaker-from is {speaker!r}, and {name} has the columns {names}; expected any of them, "
            f"{PARENT_FOLDER}, or an expression: {EXAMPLE}"
        )


def _text(value: Any) -> str:
    """Return a cell as text: "" if it is empty, and 1 for 1.0, as numbers with gaps become floats."""
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@contextlib.contextmanager
def _opened(name: str) -> Iterator[_Table]:
    """Open a manifest."""
    try:
        guard = as_storage_error(name) if is_address(name) else contextlib.nullcontext()
        with guard, _file(name) as file:
            yield _parquet(file, name) if name.lower().endswith(".parquet") else _csv(file)
    except (ConfigError, StorageError):
        raise
    except (OSError, ValueError, csv.Error) as error:  # pyarrow's errors are ValueErrors
        raise ConfigError(f"{name} can't be read as a manifest ({error}); expected CSV in UTF-8, or Parquet") from error


def _file(name: str) -> Any:
    if not is_address(name):
        return open(name, "rb")
    system, path = file_system(name)
    return system.open(path, "rb")


def _parquet(file: Any, name: str) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file)
    column = next((field for key in FILE_COLUMNS for field in table.schema_arrow if field.name == key), None)
    if column is not None and pa.types.is_nested(column.type):
        raise ConfigError(
            f"{name} has no names of files in its column {column.name!r}, but perhaps the recordings themselves, as "
            "data sets of the Hugging Face hub do; docs/how-to/ecosystem.md has the lines that write them to files"
        )
    batches = table.iter_batches(batch_size=4096)
    return _Table(list(table.schema_arrow.names), (cells for batch in batches for cells in batch.to_pylist()))


def _csv(file: Any) -> _Table:
    head = file.read(4)
    file.seek(0)
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    first = text.readline()
    stated = SEPARATOR_LINE.match(first)
    if not stated:
        text.seek(0)
    separator = stated[1] if stated else max(",;\t", key=first.count)
    table = csv.reader(text, delimiter=separator, strict=True)
    header = [name.strip() for name in next(table, [])]

    def rows() -> Iterator[dict[str, Any]]:
        for row in table:
            if len(row) > len(header):
                raise ConfigError(f"a row has more cells than the header: {row[:3]}; put texts in quotes")
            if row:  # a line without any cell is no row
                yield dict.fromkeys(header, "") | dict(zip(header, row, strict=False))

    return _Table(header, rows(), separator, n_before=1 if stated else 0)
