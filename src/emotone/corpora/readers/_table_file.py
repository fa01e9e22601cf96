"""Read a table from a file, as texts: CSV of any separator, JSON Lines or Parquet; types are not guessed."""

import codecs
import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emotone import files
from emotone.corpora.readers._parquet import read_flat
from emotone.errors import CorpusError

#: Suffixes of tables.
SUFFIXES: tuple[str, ...] = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
#: Suffixes of files that are tables, and rarely something else.
_TABLES = frozenset(SUFFIXES) - {".txt"}
# UTF-32 comes first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Columns that name a recording; a table with sound in it and without these names no file.
_FILES = ("file", "file_name")
_SAVE_AS = "save it as UTF-8 (Excel: 'CSV UTF-8'; LibreOffice: character set 'Unicode (UTF-8)')"
_SEPARATORS = ",;\t"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
#: Largest text file that is read; a table of ten million clips has less.
_MOST_BYTES = 4 << 30
_MOST_SHARED = 1000  # different texts of a column that are kept once
#: Excel reads the separator from such a first line, and does not show it.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ ;,]*(\r\n|\r|\n|$)', re.IGNORECASE)


@dataclass(frozen=True)
class TableFile:
    """The content of a table.

    Attributes
    ----------
    path
        The file.
    header
        Names of the columns, as written.
    rows
        Line number and texts of each row, ``""`` for an empty cell; blank lines are left out.
    separator
        ``","``, ``";"`` or a tab; ``""`` for JSON Lines and Parquet.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    separator: str = ""


def tables_in(root: Path, paths: Iterable[PurePosixPath]) -> list[Path]:
    """Return the tables among files of a folder.

    Raises
    ------
    CorpusError
        The first is a Parquet file that can't be read, or that holds recordings in place of their names.
    """
    tables = [root / path for path in paths if path.suffix.lower() in _TABLES]
    if tables and tables[0].suffix.lower() == ".parquet":
        read_table_file(tables[0])
    return tables


def read_table_file(path: Path, *, exact: str = "") -> TableFile:
    """Read a table.

    CSV and JSON Lines are in UTF-8, with or without a byte order mark, or in UTF-16 with one.  Other encodings are
    refused, since a wrong guess gives wrong names of files and labels.

    Parameters
    ----------
    path
        The file.
    exact
        Name of a column whose texts keep blanks at their ends, in lower case: names of files may have them.

    Raises
    ------
    CorpusError
        The file can't be read, is no table, has another encoding, or has a row longer than its header.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CorpusError(f"{str(path)!r} is no table; expected {', '.join(SUFFIXES)}, or a folder of folders")
    try:
        if suffix == ".parquet":
            table = _parquet(path, exact)
        elif suffix in (".jsonl", ".ndjson"):
            table = _json_lines(path, exact)
        else:
            table = _csv(path, exact)
    except CorpusError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise CorpusError(f"{str(path)!r} can't be read as a table: {error}; expected UTF-8 with a header") from error
    for line, cells in table.rows:
        if len(cells) > len(table.header):
            raise CorpusError(
                f"line {line} of {str(path)!r} has {len(cells)} cells, the header {len(table.header)}; "
                "put texts that hold the separator in quotes"
            )
    return table


def _text(path: Path) -> str:
    """Decode a file; a CorpusError names what to save it as."""
    content = files.read_regular(path, most_bytes=_MOST_BYTES)
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:1000]:
        raise CorpusError(f"{str(path)!r} holds null bytes: UTF-16 without a byte order mark, or no text; {_SAVE_AS}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise CorpusError(f"{str(path)!r} is damaged {encoding.upper()}: {error.reason}; {_SAVE_AS}") from error
        line = content.count(b"\n", 0, error.start) + 1
        # the file may begin with what is no UTF-8, and then no line is before it
        before = (content[: error.start].splitlines() or [b""])[-1][-15:]
        after = content[error.start :].splitlines()[0][:15]
        shown = (before + after).decode("cp1252", "replace")
        raise CorpusError(
            f"{str(path)!r} can't be read as a table: line {line} is not UTF-8, but perhaps Latin-1 ({shown!r}); "
            f"expected UTF-8 with a header. The letters could be guessed wrong, so {_SAVE_AS}"
        ) from error


def _csv(path: Path, exact: str) -> TableFile:
    text = _text(path)
    stated = SEPARATOR_LINE.match(text)
    n_before = 0
    if stated:
        text, n_before = text[stated.end() :], 1
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    separator = stated[1] if stated else max(_SEPARATORS, key=first.count)
    # not io.StringIO, which takes four bytes a letter
    lines = (match[0] for match in _LINE.finditer(text))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    header = _stripped(next(reader, []))
    kept = _kept(header, exact)
    shared = _Shared()
    rows = [(reader.line_num + n_before, shared(_stripped(cells, kept))) for cells in reader if any(cells)]
    return TableFile(path, header, tuple(rows), separator)


class _Shared:
    """Lets equal texts of a column, such as emotions, be one object; columns of many texts, such as files, are kept."""

    def __init__(self) -> None:
        self._texts: list[dict[str, str]] = []

    def __call__(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        while len(self._texts) < len(cells):
            self._texts.append({})
        return tuple(
            texts.setdefault(cell, cell) if len(texts) < _MOST_SHARED else texts.get(cell, cell)
            for texts, cell in zip(self._texts, cells, strict=False)
        )


def _json_lines(path: Path, exact: str) -> TableFile:
    records: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", _text(path)), start=1):
        if not line.strip():
            continue
        try:
            record = files.parse_json(line, allow_nan=True)
        except ValueError as error:
            raise CorpusError(
                f"line {number} of {str(path)!r} is no JSON: {error}; expected an object a line"
            ) from error
        if not isinstance(record, dict):
            raise CorpusError(f"line {number} of {str(path)!r} is no JSON object; expected {{...}} in each line")
        records.append((number, record))
    header = tuple(dict.fromkeys(name for _, record in records for name in record))
    kept = _kept(header, exact)
    rows = [(number, _stripped([_cell(record.get(name)) for name in header], kept)) for number, record in records]
    for number, cells in [(1, header), *rows]:
        try:
            "".join(cells).encode()
        except UnicodeEncodeError as error:  # half of a letter, such as "\ud800"
            raise CorpusError(f"line {number} of {str(path)!r} holds what is no letter: {error.reason}") from error
    return TableFile(path, header, tuple(rows))


def _cell(value: Any) -> str:
    """Write a value of JSON as a text."""
    if value is None or value != value:  # a NaN is not equal to itself
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def sound_column(path: Path) -> str:
    """Return the column of a Parquet file that holds recordings in place of their names; "" without any.

    Data sets of the Hugging Face hub are such files.  Only the schema is read, not the sound.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    if {name.lower() for name in schema.names} & set(_FILES):
        return ""
    for field in schema:
        kind = field.type.field("bytes").type if _has_bytes(field.type) else field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
    return ""


def _has_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _parquet(path: Path, exact: str) -> TableFile:
    """Read header and rows; rows are numbered like the lines of a CSV file, from 2."""
    import pandas as pd  # imported here: CSV and the names of corpora need none of it

    try:
        if column := sound_column(path):
            raise CorpusError(
                f"{str(path)!r} holds the recordings themselves, in its column {column!r}, as data sets of the Hugging "
                "Face hub do; expected a table that names files. docs/how-to/ecosystem.md has the lines that write "
                "the recordings to files, with such a table"
            )
        table = read_flat(path)
    except (CorpusError, ImportError):
        raise
    except Exception as error:  # pandas believes what the file says of its index
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if any(name is not None for name in table.index.names):  # audformat keeps file, start and end in the index
        table = table.reset_index()
    texts = table.astype(object).map(
        lambda cell: str(cell) if not pd.api.types.is_scalar(cell) or pd.notna(cell) else ""
    )
    header = tuple(str(column) for column in table)
    kept = _kept(header, exact)
    rows = ((line, _stripped(cells, kept)) for line, cells in enumerate(texts.to_numpy().tolist(), start=2))
    return TableFile(path, header, tuple(rows))


def _kept(header: Sequence[str], exact: str) -> frozenset[int]:
    """Return the places of a column, "" for none, whose texts are kept as they are."""
    return frozenset(place for place, name in enumerate(header) if exact and name.lower() == exact)


def _stripped(cells: Sequence[str], kept: frozenset[int] = frozenset()) -> tuple[str, ...]:
    return tuple(cell if place in kept else cell.strip() for place, cell in enumerate(cells))
