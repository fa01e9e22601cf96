"""The folder of a written corpus, and where its recordings are: as they were, or copied into it."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from emotone.corpora.table import Corpus
from emotone.errors import CorpusError
from emotone.temporary import temporary_folder

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


def copy_places(corpus: Corpus) -> dict[str, str]:
    """Return the path of each recording -> the path of its copy, relative to the new folder, with ``/``.

    The copies are in ``audio``, in the folders that the recordings have in common.

    Raises
    ------
    CorpusError
        The recordings are on several drives.
    """
    paths = sorted(set(corpus.table["path"]))
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError as error:
        raise CorpusError(f"the recordings can't be copied: {error}; expected one drive") from error
    return {path: (Path(COPIES) / os.path.relpath(path, common)).as_posix() for path in paths}


@contextmanager
def written_whole(folder: Path, *, order: Sequence[str]) -> Iterator[Path]:
    """Yield an empty folder, whose content comes into ``folder`` if the block raises no error.

    Otherwise ``folder`` stays as it was.  A file that another program has put there meanwhile is an error too.

    Parameters
    ----------
    folder
        It is made if it does not exist, and removed again if the block raises an error.
    order
        Names of what comes last, in this order: what makes the folder a corpus.

    Raises
    ------
    CorpusError
        The folder can't be written to.
    """
    made = [parent for parent in (folder, *folder.parents) if not os.path.lexists(parent)]
    moved: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(".emotone-corpus-", parent=folder) as aside:
            yield aside
            for path in sorted(aside.iterdir(), key=lambda path: order.index(path.name) if path.name in order else -1):
                _move_new(path, folder / path.name)
                moved.append(folder / path.name)
    except BaseException as error:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with suppress(OSError):  # others write to it too, or it could not be made
            for parent in made:
                parent.rmdir()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise CorpusError(f"the corpus can't be written to {str(folder)!r}: {reason}") from error
        raise


def _move_new(path: Path, to: Path) -> None:
    """Move a file or folder to where nothing is yet; raise FileExistsError if something is."""
    if path.is_dir():
        if os.path.lexists(to):
            raise FileExistsError(f"{to.name} has been made meanwhile")
        os.rename(path, to)  # onto a folder with content it would fail
        return
    try:
        os.link(path, to)  # unlike a rename, it never replaces
    except FileExistsError:
        raise FileExistsError(f"{to.name} has been made meanwhile") from None
    except OSError:  # a file system without links
        if os.path.lexists(to):
            raise FileExistsError(f"{to.name} has been made meanwhile") from None
        os.rename(path, to)
        return
    path.unlink()


def copy_all(places: Mapping[str, str], folder: Path) -> None:
    """Copy recordings to their places in a folder; raise CorpusError if one can't be copied."""
    for path, place in places.items():
        try:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / place)
        except OSError as error:
            raise CorpusError(f"{path!r} can't be copied to {place!r}: {error.strerror or error}") from error


def places_in(corpus: Corpus, folder: Path) -> dict[str, str]:
    """Return the path of each recording -> its path relative to a folder, with ``/``, if it is in the folder."""
    start = os.path.abspath(folder)
    relative = {path: Path(os.path.relpath(path, start)).as_posix() for path in set(corpus.table["path"])}
    return {path: place for path, place in relative.items() if not place.startswith("../") and place != ".."}
