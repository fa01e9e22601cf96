"""Folders as the AudioFolder of Hugging Face's `datasets` reads them: recordings, and ``metadata`` files.

Format: https://huggingface.co/docs/datasets/audio_dataset.  The library itself is not needed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._listed import OPTIONAL, Listed, clips_of, corpus_of, find_file
from emotone.corpora.readers._scan import files, is_audio
from emotone.corpora.readers._table_file import TableFile, read_table_file
from emotone.corpora.readers.manifest import class_folder
from emotone.corpora.rejected import Rejected, UnusableError
from emotone.corpora.table import Corpus
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError

#: The names that a list of recordings can have.
METADATA: tuple[str, ...] = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
#: The column with the path of the recording, relative to the folder of the list.
FILE = "file_name"
_LABELS = ("emotion", "label")
_SPEAKERS = ("speaker", "speaker_id")
_ANY = Vocabulary()


def find_lists(root: Path) -> list[tuple[PurePosixPath, TableFile]]:
    """Return the lists of recordings in a folder and its subfolders, with their paths relative to it, sorted.

    A file of this name without a column ``file_name`` is something else.

    Raises
    ------
    CorpusError
        A file of this name can't be read.
    """
    named = [path for path in files(root) if path.name in METADATA and (root / path).is_file()]
    tables = [(path, read_table_file(root / path, exact=FILE)) for path in named]
    return [(path, table) for path, table in tables if FILE in _header(table)]


def read_audiofolder(root: Path, vocabulary: Vocabulary = _ANY) -> Corpus:
    """Read a folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, in it or in its subfolders, such as splits.

    A list has the column ``file_name`` and, where known, ``emotion`` or ``label``, ``speaker`` or ``speaker_id``, and
    those of a manifest (see `emotone.corpora.readers.manifest.read_manifest`).  Without a label, the nearest folder
    that is named by an emotion counts.  Clips of all splits are read: a protocol makes its own.

    Returns
    -------
    Corpus
        Recordings that no list names are in ``rejected``, as are rows that can't be used.  Without a speaker, the
        speaker is ``""``, and no speaker-disjoint protocol can be built.  Without a column ``corpus``, the name of
        the folder is the name of the corpus.

    Raises
    ------
    CorpusError
        A list can't be read, or no row can be used.
    """
    root = Path(os.path.abspath(root))
    lists = find_lists(root)
    if not lists:
        raise CorpusError(f"no {' or '.join(METADATA)} with a column {FILE!r} in {str(root)!r}; expected at least one")
    clips = [clip for path, table in lists for clip in _clips(root, path, table, vocabulary)]
    corpus = corpus_of(clips, vocabulary, name=root.name, source=root)
    listed = set(filter(None, (_path(clip) for clip in clips)))
    unlisted = [
        Rejected(str(path), f"no {lists[0][0].name} names it", group="that no list of the folder names")
        for path in filter(is_audio, files(root))
        if root / path not in listed
    ]
    return Corpus(corpus.table, corpus.name, (*corpus.rejected, *unlisted))


def _clips(root: Path, path: PurePosixPath, table: TableFile, vocabulary: Vocabulary) -> Iterator[Listed]:
    """Yield the clips of a list; a label that only a folder gives is added."""
    names = _columns(table)
    for clip in clips_of(table, names, folders=[str((root / path).parent)], place=f" of {path}"):
        if "emotion" in names:
            yield clip
            continue
        try:
            word = class_folder(_below(root, path, clip), vocabulary)
        except CorpusError as error:
            raise CorpusError(
                f"{str(table.path)!r} has no column {' or '.join(_LABELS)}, only {', '.join(_header(table))}, and "
                f"{clip.cells['file']!r} is in no folder named by an emotion; rename the column of the labels"
            ) from error
        yield clip._replace(cells={**clip.cells, "emotion": word})


def _below(root: Path, path: PurePosixPath, clip: Listed) -> PurePosixPath:
    """Return the place of a clip in the folder, where a list names it."""
    file = _path(clip)
    if file is not None:
        with suppress(ValueError):  # on another drive
            return PurePosixPath(Path(os.path.relpath(file, root)).as_posix())
    return path.parent / clip.cells["file"].replace("\\", "/")


def _path(clip: Listed) -> Path | None:
    """Return the recording of a clip, None if it is missing."""
    try:
        return find_file(clip.cells["file"], clip.folders)[0]
    except UnusableError:
        return None


def _columns(table: TableFile) -> dict[str, str]:
    """Return what of a clip the table states -> the name of its column."""
    header = _header(table)
    names = {column: column for column in OPTIONAL if column in header} | {"file": FILE}
    for column, synonyms in (("emotion", _LABELS), ("speaker", _SPEAKERS)):
        if there := [name for name in synonyms if name in header]:
            names[column] = there[0]
    return names


def _header(table: TableFile) -> Sequence[str]:
    return [name.lower() for name in table.header]
