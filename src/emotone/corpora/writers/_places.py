"""Where the recordings of a written corpus are: as they were, or copied into its folder."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

#: The folder of copied recordings.
COPIES = "audio"


def check_folder(folder: Path, *, names: Sequence[str]) -> None:
    """Raise CorpusError if a folder has one of the files that would be written, or is a file."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise CorpusError(f"{str(folder)!r} is a file; expected a folder to write a corpus into")
    if there := [name for name in names if os.path.lexists(folder / name)]:
        raise CorpusError(
            f"{str(folder)!r} contains {there[0]!r}, which would be overwritten; choose another folder, or delete it"
        )


def copies(corpus: Corpus, folder: Path) -> dict[str, str]:
    """Copy the recordings of a corpus into ``FOLDER/audio``, in the folders that they have in common.

    Returns
    -------
    Path of each recording -> path of its copy, relative to ``folder``, with ``/``.

    Raises
    ------
    CorpusError
        A recording can't be read, or they are on several drives.
    """
    paths = sorted(set(corpus.table["path"]))
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError as error:
        raise CorpusError(f"the recordings can't be copied: {error}; expected one drive") from error
    places = {path: (Path(COPIES) / os.path.relpath(path, common)).as_posix() for path in paths}
    for path, place in places.items():
        target = folder / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        except OSError as error:
            raise CorpusError(f"{path!r} can't be copied to {str(target)!r}: {error.strerror or error}") from error
    return places


def places_in(corpus: Corpus, folder: Path) -> dict[str, str]:
    """Return the path of each recording -> its path relative to a folder, with ``/``, if it is in the folder."""
    start = os.path.abspath(folder)
    relative = {path: Path(os.path.relpath(path, start)).as_posix() for path in set(corpus.table["path"])}
    return {path: place for path, place in relative.items() if not place.startswith("../") and place != ".."}
