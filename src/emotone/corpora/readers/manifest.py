"""Corpora of users: a CSV manifest, an audformat table, or one folder per emotion."""

import math
import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, read_tree, unusable
from emotone.corpora.readers._table_file import read_table_file
from emotone.corpora.readers._times import Times
from emotone.corpora.rejected import Rejected, UnusableError, count_groups
from emotone.corpora.table import CHANNELS, Corpus, Row
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError, UnknownEmotionError
from emotone.formatting import left_out_text, plain_cell

_REQUIRED = ("file", "emotion")
_OPTIONAL = ("speaker", "gender", "intensity", "statement", "channel", "corpus", "language")
_COLUMNS = (*_REQUIRED, *_OPTIONAL)
_GENDERS = {
    **dict.fromkeys(("female", "f", "w", "woman"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
    **dict.fromkeys(("", "other", "unknown", "nan", "none"), ""),
}
_AUDIO_CHANNEL = "audio_channel"
_ANY = Vocabulary()
_MOST_SHOWN = 300  # letters of a name in a reason


def read_manifest(path: Path, vocabulary: Vocabulary = _ANY, *, data: Path | None = None) -> Corpus:
    """Read a table that lists recordings and their emotions: a manifest, or an audformat table.

    ``file`` and ``emotion`` are required; ``start``, ``end``, ``duration``, ``speaker``, ``gender``, ``intensity``,
    ``statement``, ``channel``, ``corpus`` and ``language`` are optional, and other columns are ignored.  Times are
    seconds (also with a decimal comma), ``h:mm:ss,mmm`` or ``"0 days 00:00:01.5"``, and milliseconds in a column such
    as ``start_ms``; see `emotone.corpora.readers._times`.  A missing end is the end of the file.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; UTF-8 or UTF-16), JSON Lines or Parquet.  Relative files are relative to its
        folder, or else to ``data``.  Without a column ``corpus``, the name of the table without suffix is the name of
        the corpus.
    vocabulary
        What the words in the column ``emotion`` mean.
    data
        The folder that holds the corpora.

    Returns
    -------
    Corpus
        Rows sorted by the name of the file, then by start.  A row that can't be used (unknown emotion, missing file,
        repeated segment) is in ``rejected``.  Without a ``speaker``, the speaker is ``""``, and no speaker-disjoint
        protocol can be built.

    Raises
    ------
    CorpusError
        The table can't be read, lacks a column, a time is not understood, or no row can be used.
    """
    rows: list[tuple[str, Row]] = []
    rejected: list[Rejected] = []
    seen: dict[tuple[str, float, float], tuple[int, str]] = {}
    folders = [os.path.abspath(folder) for folder in (path.parent, data) if folder is not None]
    for line, cells, times in _records(path):
        try:
            file, name = _file(cells["file"], folders)
            row = _row(cells, file, times, vocabulary, name=path.stem)
            segment = _segment(row)
            if segment in seen:
                first, emotion = seen[segment]
                raise UnusableError(f"line {first} lists the same recording, as {emotion}", group="listed twice")
        except CorpusError as error:
            rejected.append(Rejected.of(cells["file"], error, where=f"line {line}: "))
            continue
        seen[segment] = (line, row.emotion)
        rows.append((name, row))
    if not rows:
        raise CorpusError(f"no row of {str(path)!r} can be used, {len(rejected)} are rejected{_reasons(rejected)}")
    rows.sort(key=lambda item: (item[0], _segment(item[1])))
    return Corpus.of_rows([row for _, row in rows], path.stem, rejected)


def _reasons(rejected: Sequence[Rejected]) -> str:
    if not rejected:
        return ""
    return f"; first: {rejected[0].path!r}, {rejected[0].reason}. {left_out_text(count_groups(rejected))}"


def read_folder_per_class(root: Path, vocabulary: Vocabulary = _ANY) -> Corpus:
    """Read recordings in folders named by emotion: canonical, alias (``Fear/``), or a word of the vocabulary.

    The nearest folder with such a name counts: both ``train/angry/x.wav`` and ``angry/anna/x.wav`` are read.
    Speakers are unknown (``""``), so no speaker-disjoint protocol can be built.

    Raises
    ------
    CorpusError
        No recording lies in a folder named by an emotion.
    """
    root = Path(os.path.abspath(root))
    corpus = read_tree(root, name=root.name, language="", parse=partial(_parse_class, vocabulary=vocabulary))
    if not len(corpus):
        why = f"; first: {corpus.rejected[0].reason}" if corpus.rejected else ""
        raise CorpusError(
            f"no recording in {str(root)!r} lies in a folder named by an emotion ({len(corpus.rejected)} do not fit"
            f"{why}); expected folders such as happy/ and sad/, or words that --labels maps. "
            "A corpus that Emotone knows is read by its name, "
            "such as 'ravdess', with this folder as the data folder"
        )
    return corpus


def _parse_class(path: PurePosixPath, *, vocabulary: Vocabulary) -> Clip:
    """Take the emotion of the nearest folder that is named by an emotion."""
    nearest: UnknownEmotionError | None = None
    for folder in path.parent.parts[::-1]:
        try:
            return Clip(key=str(path), emotion=vocabulary.resolve(folder))
        except UnknownEmotionError as error:
            nearest = nearest if nearest and (nearest.nearest or not error.nearest) else error
    if nearest is None:
        raise CorpusError("no folder on its path is named by an emotion")
    message = f"no folder on its path is named by an emotion: {nearest}"
    raise UnknownEmotionError(message, word=nearest.word, nearest=nearest.nearest)


def _records(path: Path) -> Iterator[tuple[int, dict[str, str], tuple[float, float]]]:
    """Read a table as line numbers, texts by column (``""`` for an absent one), and segments in seconds."""
    table = read_table_file(path)
    names = [name.lower() for name in table.header]
    if missing := [column for column in _REQUIRED if column not in names]:
        raise CorpusError(
            f"{str(path)!r} has no column {missing[0]!r}, only {', '.join(names) or 'nothing'}; "
            f"expected {', '.join(_REQUIRED)} and, where known, start, end, duration, {', '.join(_OPTIONAL)}"
        )
    if twice := [column for column in _COLUMNS if names.count(column) > 1]:
        raise CorpusError(f"{str(path)!r} has the column {twice[0]!r} twice; rename one")
    times = Times(table)
    for line, cells in table.rows:
        texts = dict(zip(names, cells, strict=False))
        if texts.get(_AUDIO_CHANNEL, "").lower() not in ("", "mix"):
            raise CorpusError(
                f"line {line} of {str(path)!r}, column {_AUDIO_CHANNEL!r}: {texts[_AUDIO_CHANNEL]!r}, but a manifest "
                "can't choose a channel of a recording; expected 'mix' or nothing: write each channel to a file"
            )
        yield line, {column: texts.get(column, "") for column in _COLUMNS}, times.segment(line, cells)


def _file(name: str, folders: Sequence[str]) -> tuple[Path, str]:
    """Return the absolute path of a file that a row names, in the first of the folders that holds it, and its name."""
    if not name:
        raise UnusableError("no file is named", group="without a file name")
    reason = f"no such file: {name}"
    for written in dict.fromkeys((name, plain_cell(name))):  # the second: of a table that Emotone wrote
        for folder in folders:
            file = os.path.normpath(os.path.join(folder, written.replace("\\", "/")))
            try:
                if stat.S_ISREG(os.stat(file).st_mode):
                    return Path(file), written
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:  # a name that is too long or has a null byte, a loop of links
                reason = f"{getattr(error, 'strerror', None) or error}: {name[:_MOST_SHOWN]}"
    raise UnusableError(reason, group="whose file is missing")


def _row(cells: dict[str, str], file: Path, times: tuple[float, float], vocabulary: Vocabulary, *, name: str) -> Row:
    """Read a clip; a CorpusError says why a row can't be used."""
    if reason := unusable(file):
        raise UnusableError(reason, group="whose file can't be read")
    if cells["gender"].lower() not in _GENDERS:
        raise CorpusError(f"gender {cells['gender']!r}; expected female, male, or nothing")
    channel = cells["channel"].lower() or "speech"
    if channel not in CHANNELS:
        raise CorpusError(f"channel {cells['channel']!r}; expected {' or '.join(CHANNELS)}")
    start_s, end_s = times
    if start_s < 0 or end_s <= start_s:
        problem = f"segment from {start_s:g} s to {end_s:g} s; expected 0 <= start < end"
        raise UnusableError(problem, group="with a wrong segment")
    corpus = cells["corpus"] or name
    speaker = cells["speaker"]
    return Row(
        path=str(file),
        start_s=start_s,
        end_s=end_s,
        emotion=vocabulary.resolve(cells["emotion"]),
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
