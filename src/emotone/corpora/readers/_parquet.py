"""Parquet files of others: they say how large they are before they are read, since a kilobyte can hold gigabytes."""

from pathlib import Path
from typing import Any

#: Most cells of a table, that is three million clips in ten columns; and most bytes of its texts.
MOST_CELLS, MOST_BYTES = 30_000_000, 1 << 30
_MOST_COLUMNS = 10_000
_ROWS_AT_ONCE = 1 << 16


def read_flat(path: Path) -> Any:
    """Return a pandas frame of the columns that hold numbers, times and texts; others, such as sound, are left out.

    Raises
    ------
    ValueError
        The table is too large, or pandas believes what the file says of its index, and that is wrong.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        flat = [field.name for field in file.schema_arrow if not _is_other(field.type)]
    _check(path, flat)
    with pq.ParquetFile(path) as file:
        return file.read(columns=flat).to_pandas()


def check_flat(path: Path) -> None:
    """Raise ValueError if a table is too large, or has a column of lists, objects or bytes."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        fields = list(file.schema_arrow)
    if others := [field for field in fields if _is_other(field.type)]:
        raise ValueError(f"the column {others[0].name!r:.100} holds {others[0].type!s:.100}; expected texts or numbers")
    _check(path, [field.name for field in fields])


def _is_other(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _is_other(kind.value_type)
    return bool(
        types.is_nested(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _holds_texts(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _holds_texts(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _check(path: Path, columns: list[str]) -> None:
    """Raise ValueError if columns are too large: by what the file says, and by the texts that it repeats."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    _check_number("columns", len(columns), _MOST_COLUMNS)
    names = set(columns)
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
        wanted = [chunk for chunk in chunks if chunk.path_in_schema in names]
        _check_number("cells", sum(chunk.num_values for chunk in wanted), MOST_CELLS)
        _check_number("bytes", sum(chunk.total_uncompressed_size for chunk in wanted), MOST_BYTES)
        # a text that is repeated is stored once
        texts = [field.name for field in file.schema_arrow if field.name in names and _holds_texts(field.type)]
    n_bytes = 0
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=texts):
            for column in batch.columns:
                lengths = pc.binary_length(column.dictionary.cast("string"))
                n_bytes += pc.sum(lengths.take(column.indices)).as_py() or 0
            _check_number("bytes of texts", n_bytes, MOST_BYTES)


def _check_number(what: str, number: int, most: int) -> None:
    if number > most:
        raise ValueError(f"it has {number:,} {what}, expected at most {most:,}")
