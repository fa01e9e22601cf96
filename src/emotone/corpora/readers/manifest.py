"""Corpora of users: a CSV manifest, an audformat table, or one folder per emotion."""

import csv
import math
import os
from pathlib import Path, PurePosixPath

import pandas as pd

from emotone.corpora.readers._scan import Clip, read_tree, unusable
from emotone.corpora.table import CHANNELS, Corpus, Rejected, Row
from emotone.emotions import canonical
from emotone.errors import CorpusError

_REQUIRED = ("file", "emotion")
_OPTIONAL = ("start", "end", "speaker", "gender", "intensity", "statement", "channel", "corpus", "language")
_COLUMNS = (*_REQUIRED, *_OPTIONAL)
_GENDERS = {
    **dict.fromkeys(("female", "f", "w", "woman"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
    **dict.fromkeys(("", "other", "unknown", "nan", "none"), ""),
}
_MISSING_TIMES = {"", "nan", "nat", "none", "<na>"}


def read_manifest(path: Path) -> Corpus:
    """Read a table that lists recordings and their emotions.

    The table is one of these:

    - a manifest ``file,emotion,speaker,gender``: ``file`` and ``emotion`` are required; ``intensity``, ``statement``,
      ``channel``, ``corpus`` and ``language`` are optional, other columns are ignored;
    - an audformat table ``file,start,end,emotion``: start and end are seconds or ``"0 days 00:00:01.5"``.  A missing
      end, or ``NaT``, is the end of the file.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv`` (UTF-8; comma, semicolon or tab) or ``.parquet``.  Relative files are relative to its
        folder.  Without a column ``corpus``, the name of the table without suffix is the name of the corpus.

    Returns
    -------
    Corpus
        Rows sorted by file as written, then by start.  A row that can't be used (unknown emotion, missing file,
        repeated segment) is in ``rejected``.  Without a ``speaker``, the speaker is ``""``, and no speaker-disjoint
        protocol can be built.

    Raises
    ------
    CorpusError
        The table can't be read, lacks a column, or no row can be used.
    """
    rows: list[tuple[str, Row]] = []
    rejected: list[Rejected] = []
    seen: dict[tuple[str, float, float], tuple[int, str]] = {}
    for line, cells in _records(path):
        try:
            row = _row(cells, folder=path.parent.absolute(), name=path.stem)
            segment = _segment(row)
            if segment in seen:
                first, emotion = seen[segment]
                raise CorpusError(f"line {first} lists the same recording, as {emotion}")
        except CorpusError as error:
            rejected.append(Rejected(cells["file"], f"line {line}: {error}"))
            continue
        seen[segment] = (line, row.emotion)
        rows.append((cells["file"], row))
    if not rows:
        why = f"; first: {rejected[0].path!r}, {rejected[0].reason}" if rejected else ""
        raise CorpusError(f"no row of {str(path)!r} can be used, {len(rejected)} are rejected{why}")
    rows.sort(key=lambda item: (item[0], _segment(item[1])))
    return Corpus.of_rows([row for _, row in rows], path.stem, rejected)


def read_folder_per_class(root: Path) -> Corpus:
    """Read recordings in folders named by emotion, canonical or alias (``happy/``, ``Fear/``).

    The nearest folder with such a name counts: both ``train/angry/x.wav`` and ``angry/anna/x.wav`` are read.
    Speakers are unknown (``""``), so no speaker-disjoint protocol can be built.

    Raises
    ------
    CorpusError
        No recording lies in a folder named by an emotion.
    """
    root = Path(os.path.abspath(root))
    corpus = read_tree(root, name=root.name, language="", parse=_parse_class)
    if not len(corpus):
        raise CorpusError(
            f"no recording in {str(root)!r} lies in a folder named by an emotion ({len(corpus.rejected)} do not fit); "
            "expected folders such as happy/ and sad/. A corpus that Emotone knows is read by its name, "
            "such as 'ravdess', with this folder as the data folder"
        )
    return corpus


def _parse_class(path: PurePosixPath) -> Clip:
    """Take the emotion of the nearest folder that is named by an emotion."""
    for folder in path.parent.parts[::-1]:
        try:
            return Clip(key=str(path), emotion=canonical(folder))
        except CorpusError:
            continue
    raise CorpusError("no folder on its path is named by an emotion")


def _records(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a table as line numbers and texts by column, ``""`` for an absent column; types are not guessed."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise CorpusError(f"{str(path)!r} is no table; expected .csv, .tsv or .parquet, or a folder of folders")
    try:
        header, lines = _parquet(path) if suffix == ".parquet" else _csv(path)
    except (OSError, ValueError, csv.Error) as error:  # UnicodeDecodeError and pyarrow's errors are ValueErrors
        raise CorpusError(f"{str(path)!r} can't be read as a table: {error}; expected UTF-8 with a header") from error
    names = [name.strip().lower() for name in header]
    if missing := [column for column in _REQUIRED if column not in names]:
        raise CorpusError(
            f"{str(path)!r} has no column {missing[0]!r}, only {', '.join(names) or 'nothing'}; "
            f"expected {', '.join(_REQUIRED)} and, where known, {', '.join(_OPTIONAL)}"
        )
    if twice := [column for column in _COLUMNS if names.count(column) > 1]:
        raise CorpusError(f"{str(path)!r} has the column {twice[0]!r} twice; rename one")
    records = []
    for number, cells in lines:
        if len(cells) > len(names):
            raise CorpusError(
                f"line {number} of {str(path)!r} has {len(cells)} cells, the header {len(names)}; "
                "put texts that hold the separator in quotes"
            )
        texts = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        records.append((number, {column: texts.get(column, "") for column in _COLUMNS}))
    return records


def _csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the header, and the numbers and cells of the lines that are not blank."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
        header = next(reader, [])
        return header, [(reader.line_num, cells) for cells in reader if any(cells)]


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read header and rows as texts; rows are numbered like the lines of a CSV file, from 2."""
    table = pd.read_parquet(path)
    if any(name is not None for name in table.index.names):  # audformat keeps file, start and end in the index
        table = table.reset_index()
    texts = table.astype(object).map(lambda cell: "" if pd.isna(cell) else str(cell))
    return [str(column) for column in table], list(enumerate(texts.to_numpy().tolist(), start=2))


def _row(cells: dict[str, str], *, folder: Path, name: str) -> Row:
    """Read a clip; a CorpusError says why a row can't be used."""
    if not cells["file"]:
        raise CorpusError("no file is named")
    file = Path(os.path.abspath(folder / cells["file"].replace("\\", "/")))
    if not file.is_file():
        raise CorpusError(f"no such file: {cells['file']}")
    if reason := unusable(file):
        raise CorpusError(reason)
    if cells["gender"].lower() not in _GENDERS:
        raise CorpusError(f"gender {cells['gender']!r}; expected female, male, or nothing")
    channel = cells["channel"].lower() or "speech"
    if channel not in CHANNELS:
        raise CorpusError(f"channel {cells['channel']!r}; expected {' or '.join(CHANNELS)}")
    start_s = _seconds(cells["start"], missing=0.0)
    end_s = _seconds(cells["end"], missing=math.nan)
    if start_s < 0 or end_s <= start_s:
        raise CorpusError(f"segment from {cells['start'] or 0!r} to {cells['end']!r}; expected 0 <= start < end")
    corpus = cells["corpus"] or name
    speaker = cells["speaker"]
    return Row(
        path=str(file),
        start_s=start_s,
        end_s=end_s,
        emotion=canonical(cells["emotion"]),
        # A table written from a corpus already has global names.
        speaker=speaker if not speaker or speaker.startswith(f"{corpus}-") else f"{corpus}-{speaker}",
        gender=_GENDERS[cells["gender"].lower()],
        intensity=cells["intensity"].lower(),
        statement=cells["statement"],
        channel=channel,
        corpus=corpus,
        language=cells["language"].lower(),
    )


def _segment(row: Row) -> tuple[str, float, float]:
    """Identify a recording; infinity is the end of the file here, since NaN does not equal itself."""
    return row.path, row.start_s, math.inf if math.isnan(row.end_s) else row.end_s


def _seconds(text: str, *, missing: float) -> float:
    """Convert ``"1.5"``, ``"00:00:01.5"`` or ``"0 days 00:00:01.500000"`` to seconds.

    >>> _seconds("0 days 00:01:01.500000", missing=0.0), _seconds("2", missing=0.0), _seconds("NaT", missing=0.0)
    (61.5, 2.0, 0.0)
    """
    if text.lower() in _MISSING_TIMES:
        return missing
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = float(pd.Timedelta(text).total_seconds())
        except ValueError as error:
            raise CorpusError(f"time {text!r}; expected seconds or a form such as '0 days 00:00:01.5'") from error
    if not math.isfinite(seconds):
        raise CorpusError(f"time {text!r}; expected a finite number of seconds")
    return seconds
