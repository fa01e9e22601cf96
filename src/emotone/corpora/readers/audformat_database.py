"""Databases of audformat: a folder with ``db.yaml``, the header, and a file for each table.

Format: https://audeering.github.io/audformat.  audformat itself would run code that the header or a pickled table of
others contains.  So the header is read as plain YAML, and tables as CSV or Parquet only.
"""

import fnmatch
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from emotone import files
from emotone.corpora.readers._channels import channel_text
from emotone.corpora.readers._listed import OPTIONAL, Listed, corpus_of
from emotone.corpora.readers._parquet import check_flat
from emotone.corpora.table import CHANNELS, Corpus
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError, MissingExtraError
from emotone.temporary import temporary_folder

#: The file that makes a folder a database.
HEADER = "db.yaml"
#: Most bytes, parts and levels of a header, which lists the values of its schemes and no clips.
_MOST_BYTES, _MOST_PARTS, _MOST_LEVELS = 16 << 20, 300_000, 64
#: Most bytes of a table.
_MOST_TABLE_BYTES = 4 << 30
_FORMATS = (".parquet", ".csv")  # of two files of a table, audformat also reads the first
#: What a clip needs -> names of schemes and columns, as audformat writes them, that can hold it.
_SCHEMES = {
    "emotion": ("emotion", "emotions"),
    "speaker": ("speaker", "speaker_id", "speakers"),
    "gender": ("gender", "sex"),
    "intensity": ("intensity",),
    "statement": ("statement", "transcription"),
    "channel": ("channel",),
    "corpus": ("corpus",),
    "language": ("language",),
    "audio_channel": ("audio_channel",),
}
#: What is an error where it differs for the same clip: with another one, scores are of other voices or other sound.
_NEEDED = {"speaker": "speakers", "audio_channel": "channels of the recordings"}
_ANY = Vocabulary()
#: A file, and its start and end in seconds; None as end is the end of the file.
_Segment = tuple[str, float, float | None]


def find_database(path: Path) -> tuple[Path, Callable[[str], bool]] | None:
    """Return the folder of a database, and which of its tables a path names; None if it is no path of a database.

    ``DIR`` and ``DIR/db.yaml`` name all tables, ``DIR/db.ID.csv`` one, and ``DIR/db.NAME`` those whose ID is NAME or
    starts with ``NAME.``; ``*`` in NAME is any text.
    """
    if path.is_dir():
        return (path, lambda table: True) if (path / HEADER).is_file() else None
    if not path.name.startswith("db.") or not (path.parent / HEADER).is_file():
        return None
    name = path.name.removeprefix("db.")
    if path.name == HEADER:
        return path.parent, lambda table: True
    if path.is_file():
        return path.parent, lambda table: table == path.stem.removeprefix("db.")
    return path.parent, lambda table: any(fnmatch.fnmatchcase(table, name + end) for end in ("", ".*"))


def read_database(
    root: Path, vocabulary: Vocabulary = _ANY, *, is_chosen: Callable[[str], bool] = lambda table: True
) -> Corpus:
    """Read a database of audformat.

    The scheme or column ``emotion`` gives the labels.  ``speaker``, ``gender``, ``language``, ``intensity``,
    ``channel`` and ``statement`` or ``transcription`` come from any table, or from the labels of a scheme.

    Parameters
    ----------
    root
        Its folder.  Files are relative to it.
    vocabulary
        What the words for emotions mean.
    is_chosen
        Whether the emotions of a table, by its ID, are read.

    Returns
    -------
    Corpus
        Named as the database.  Clips without an emotion and those that can't be used are in ``rejected``.  Without a
        speaker, the speaker is ``""``, and no speaker-disjoint protocol can be built.  Splits of the database are not
        kept: a protocol makes its own.

    Raises
    ------
    CorpusError
        The database can't be read, has no emotions, has two for a clip, or no clip can be used.
    MissingExtraError
        audformat is not installed.
    """
    root = Path(os.path.abspath(root))
    try:
        import audformat  # noqa: F401 - the functions below need it
        import yaml  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the audformat database {str(root)!r}", extra="audformat") from error
    try:
        database = _load(root)
        emotions = _emotions(database, _labelled_tables(database, root, is_chosen), root)
        values = {column: _values(database, column, root) for column in OPTIONAL}
        clips = list(_clips(emotions, values, folder=str(root), language=_language(database)))
    except CorpusError:
        raise
    except Exception as error:  # audformat checks little, so a wrong header fails in many ways
        raise CorpusError(
            f"{str(root)!r} can't be read as an audformat database: {_one_line(error)}; expected what "
            "audformat.Database.save writes"
        ) from error
    return corpus_of(clips, vocabulary, name=str(database.name), source=root)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _load(root: Path) -> Any:
    """Read header and tables, without running code of theirs."""
    import audformat
    import yaml

    content = files.read_regular(root / HEADER, most_bytes=_MOST_BYTES)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _check_extent(yaml.parse(content, loader), root)
    header = yaml.load(content, loader)
    if not isinstance(header, dict) or not isinstance(header.get("name"), str):
        raise CorpusError(
            f"{str(root)!r} can't be read as an audformat database: {HEADER} has no name that is a text; expected what "
            "audformat.Database.save writes"
        )
    database = audformat.Database.load_header_from_yaml(header)
    # others, such as tables of embeddings, may hold what is not read here
    database.drop_tables(
        [
            table
            for table, content in database.tables.items()
            if not any(_columns(content, names) for names in _SCHEMES.values())
        ]
    )
    with temporary_folder("emotone-audformat-") as aside:
        for table in (*database.misc_tables, *database.tables):  # the first can hold labels of the others
            if not isinstance(table, str) or {"/", "\\", "\0"} & set(table):  # it would be a file elsewhere
                raise CorpusError(
                    f"{HEADER} in {str(root)!r} names a table {table!r:.100}, which can't be a file of it"
                )
            _load_table(database[table], root / f"db.{table}", aside=aside / "table")
    return database


def _check_extent(events: Iterable[Any], root: Path) -> None:
    """Raise CorpusError before a header is built that is huge, deep, or grows by names for parts of it (`*name`)."""
    import yaml

    sizes: dict[str, int] = {}
    within: list[tuple[str | None, int]] = [(None, 0)]  # name and size of each collection that is open
    for event in events:
        anchor, size = getattr(event, "anchor", None), 0
        if isinstance(event, yaml.CollectionStartEvent):
            within.append((anchor, 0))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = within.pop()
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(anchor or "", _MOST_PARTS)  # unknown: it is within itself
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
        if size and anchor and not isinstance(event, yaml.AliasEvent):
            sizes[anchor] = size
        within[-1] = (within[-1][0], within[-1][1] + size + 1)
        if within[-1][1] > _MOST_PARTS or len(within) > _MOST_LEVELS:
            raise CorpusError(
                f"{HEADER} in {str(root)!r} has more than {_MOST_PARTS:,} parts or {_MOST_LEVELS} levels; expected the "
                "header of a database, without its clips"
            )


def _load_table(table: Any, path: Path, *, aside: Path) -> None:
    """Load a copy that has no pickled table next to it, which audformat would prefer."""
    for suffix in _FORMATS:
        if (file := path.with_name(path.name + suffix)).is_file():
            if file.stat().st_size > _MOST_TABLE_BYTES:
                raise CorpusError(f"{str(file)!r} has more than {_MOST_TABLE_BYTES:,} bytes; divide the table")
            if suffix == ".parquet":
                check_flat(file)
            shutil.copyfile(file, aside.with_suffix(suffix))
            table.load(str(aside))
            aside.with_suffix(suffix).unlink()
            return
    expected = " or ".join(path.name + suffix for suffix in _FORMATS)
    raise CorpusError(
        f"{str(path.parent)!r} has no {expected}, a table that {HEADER} names. A pickled table is not read, since it "
        "can run code; if you trust it, write the database again with audformat: db.save(folder, storage_format='csv')"
    )


def _labelled_tables(database: Any, root: Path, is_chosen: Callable[[str], bool]) -> dict[str, list[str]]:
    """Return the chosen tables with their columns of emotions."""
    tables = {table: _columns(database.tables[table], _SCHEMES["emotion"]) for table in database.tables}
    tables = {table: columns for table, columns in tables.items() if columns}
    if not tables:
        schemes = ", ".join(map(str, database.schemes)) or "none"
        raise CorpusError(
            f"the audformat database {str(root)!r} has no scheme or column 'emotion' in a table; its schemes: "
            f"{schemes}; rename the scheme of the emotions, or write a manifest with the columns file and emotion"
        )
    chosen = {table: columns for table, columns in tables.items() if is_chosen(table)}
    if not chosen:
        raise CorpusError(
            f"no such table with emotions in the audformat database {str(root)!r}; it has: {', '.join(tables)}"
        )
    return chosen


def _columns(table: Any, names: tuple[str, ...]) -> list[str]:
    """Return the columns of a table with one of the names, or else those of a scheme with one of them."""
    named = [column for column in table.columns if column in names]
    return named or [column for column, state in table.columns.items() if state.scheme_id in names]


def _emotions(database: Any, tables: dict[str, list[str]], root: Path) -> dict[_Segment, str]:
    """Return the emotion of each clip, "" where a table states none."""
    emotions: dict[_Segment, str] = {}
    sources: dict[_Segment, str] = {}
    for table, column in [(table, column) for table, columns in tables.items() for column in columns]:
        source = f"{table} ({column})"
        for segment, emotion in _segments(_plain_labels(database.tables[table][column])):
            before = emotions.get(segment, "")
            if before and emotion and before != emotion:
                _refuse(f"{segment[0]!r} is {before} in {sources[segment]}, and {emotion} in {source}", root, tables)
            if not before:
                emotions[segment], sources[segment] = emotion, source
    if len(kinds := {database.tables[table].type for table in tables}) > 1:
        _refuse(f"some tables with emotions are {' and others '.join(sorted(kinds))}", root, tables)
    return emotions


def _refuse(finding: str, root: Path, tables: dict[str, list[str]]) -> NoReturn:
    raise CorpusError(
        f"the audformat database {str(root)!r} has several emotions for the same sound: {finding}. Name the tables to "
        f"read, such as {str(root / f'db.{next(iter(tables))}')!r} (* is any text); with emotions: {', '.join(tables)}"
    )


def _plain_labels(column: Any) -> Any:
    """Return the values of a column, with the texts that a scheme has for them: {"W": "anger"}."""
    labels = column.scheme.labels if column.scheme is not None else None
    is_text = isinstance(labels, dict) and all(isinstance(text, str) and text for text in labels.values())
    return column.get(map=column.scheme_id) if is_text else column.get()


def _segments(series: Any) -> Iterator[tuple[_Segment, str]]:
    """Yield the segments of a series, filewise or segmented, with their values as texts, "" for a missing one."""
    missing = series.isna()
    for key, value, is_missing in zip(series.index, series.astype(object), missing, strict=True):
        file, start, end = key if isinstance(key, tuple) else (key, None, None)
        start_s = start.total_seconds() if start is not None else 0.0
        end_s = None if end is None or math.isnan(end.total_seconds()) else end.total_seconds()
        yield (str(file), start_s, end_s), "" if is_missing else str(value)


def _values(database: Any, column: str, root: Path) -> Callable[[_Segment], str]:
    """Return a function from segments to the values of a column: of the segment, or else of its whole file."""
    values: dict[_Segment, str] = {}
    for name in _SCHEMES[column]:
        try:
            table = database.get(name, map=column != "statement")  # the code of a text is as good as the text
        except (ValueError, TypeError) as error:  # different values for the same sound, or of different types
            if what := _NEEDED.get(column):
                raise CorpusError(
                    f"the {what} of the audformat database {str(root)!r} can't be read: {_one_line(error)}; "
                    "expected one for each clip"
                ) from error
            continue  # unknown rather than wrong
        values = {segment: value for segment, value in _segments(table[name]) if value}
        if values:
            break
    return lambda segment: values.get(segment) or values.get((segment[0], 0.0, None), "")


def _clips(
    emotions: dict[_Segment, str], values: dict[str, Callable[[_Segment], str]], *, folder: str, language: str
) -> Iterator[Listed]:
    for segment, emotion in emotions.items():
        file, start_s, end_s = segment
        cells = {"file": file, "emotion": emotion} | {column: value(segment) for column, value in values.items()}
        if cells["channel"].lower() not in CHANNELS and not _is_channel(cells["channel"]):
            cells["channel"] = ""  # something else
        cells["language"] = _two_letters(cells["language"]) or language
        yield Listed("", cells, (start_s, math.nan if end_s is None else end_s), [folder])


def _is_channel(text: str) -> bool:
    try:
        channel_text(text)
    except CorpusError:
        return False
    return True


def _language(database: Any) -> str:
    """Return the language of all clips, or ""."""
    return _two_letters(database.languages[0]) if len(database.languages) == 1 else ""


def _two_letters(language: str) -> str:
    """Return the ISO 639-1 code of a language that audformat names by ISO 639-3; others as they are."""
    import iso639

    try:
        return str(iso639.Lang(language).pt1 or language) if language else ""
    except iso639.exceptions.InvalidLanguageValue:
        return language
