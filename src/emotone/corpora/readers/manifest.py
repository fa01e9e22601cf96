"""Corpora of users: a CSV manifest, an audformat table, or one folder per emotion."""

import os
from functools import partial
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._listed import COLUMNS, OPTIONAL, REQUIRED, clips_of, corpus_of
from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.readers._table_file import read_table_file, tables_in
from emotone.corpora.table import Corpus
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError, UnknownEmotionError

_ANY = Vocabulary()


def read_manifest(path: Path, vocabulary: Vocabulary = _ANY, *, data: Path | None = None) -> Corpus:
    """Read a table that lists recordings and their emotions: a manifest, or an audformat table.

    ``file`` and ``emotion`` are required; ``start``, ``end``, ``duration``, ``speaker``, ``gender``, ``intensity``,
    ``statement``, ``channel``, ``corpus``, ``language`` and ``audio_channel`` are optional, and other columns are
    ignored.  ``audio_channel`` (``left``, ``right``, ``mix``, or a number from 1) is the channel of the recording that
    has the voice; ``channel`` is speech or song, or may name that channel too.  Times are
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
    folders = [os.path.abspath(folder) for folder in (path.parent, data) if folder is not None]
    table = read_table_file(path, exact="file")
    names = [name.lower() for name in table.header]
    if missing := [column for column in REQUIRED if column not in names]:
        raise CorpusError(
            f"{str(path)!r} has no column {missing[0]!r}, only {', '.join(names) or 'nothing'}; "
            f"expected {', '.join(REQUIRED)} and, where known, start, end, duration, {', '.join(OPTIONAL)}"
        )
    columns = {column: column for column in COLUMNS if column in names}
    return corpus_of(clips_of(table, columns, folders=folders), vocabulary, name=path.stem, source=path)


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
        raise CorpusError(_no_class(root, corpus))
    return corpus


def _no_class(root: Path, corpus: Corpus) -> str:
    """Say why a folder is no corpus of a folder per emotion, and what it may be instead."""
    tables = [] if corpus.rejected else tables_in(root, files(root))
    if tables:
        number = "a table" if len(tables) == 1 else f"{len(tables)} tables"
        return f"{str(root)!r} holds no recording, but {number}; name the table itself, such as {str(tables[0])!r}"
    problem = f"{str(root)!r} holds no recording"
    if corpus.rejected:
        problem = f"no recording in {str(root)!r} lies in a folder named by an emotion ({len(corpus.rejected)} do not "
        problem += f"fit; first: {corpus.rejected[0].reason})"
    return (
        f"{problem}; expected folders such as happy/ and sad/, or words that --labels maps. "
        "A corpus that Emotone knows is read by its name, such as 'ravdess', with this folder as the data folder; "
        "one that a table lists, by the table"
    )


def _parse_class(path: PurePosixPath, *, vocabulary: Vocabulary) -> Clip:
    return Clip(key=str(path), emotion=vocabulary.resolve(class_folder(path, vocabulary)))


def class_folder(path: PurePosixPath, vocabulary: Vocabulary) -> str:
    """Return the name of the nearest folder on a path that is named by an emotion.

    Raises
    ------
    CorpusError
        There is no such folder.
    """
    nearest: UnknownEmotionError | None = None
    for folder in path.parent.parts[::-1]:
        try:
            vocabulary.resolve(folder)
            return folder
        except UnknownEmotionError as error:
            nearest = nearest if nearest and (nearest.nearest or not error.nearest) else error
    if nearest is None:
        raise CorpusError("no folder on its path is named by an emotion")
    message = f"no folder on its path is named by an emotion: {nearest}"
    raise UnknownEmotionError(message, word=nearest.word, nearest=nearest.nearest)
