"""The corpora that have a reader, and where in a data folder each is."""

import difflib
import os
from pathlib import Path
from typing import Protocol

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers import ased, cremad, emodb, emovo, nemo, ravdess, savee, tess
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError


class Reader(Protocol):
    """A module of `emotone.corpora.readers`: what the corpus is, and the function that reads its folder."""

    INFO: CorpusInfo

    def read(self, root: Path) -> Corpus:
        """Read the corpus in the folder ``root``."""


_READERS: tuple[Reader, ...] = (ravdess, tess, nemo, emodb, cremad, savee, emovo, ased)
#: Name -> reader, in the order in which errors and documents list corpora.
READERS: dict[str, Reader] = {reader.INFO.name: reader for reader in _READERS}
#: Name -> description, in the same order.
CORPORA: dict[str, CorpusInfo] = {name: reader.INFO for name, reader in READERS.items()}


def find(name: str) -> CorpusInfo | None:
    """Find the corpus with a name or alias, in any case, with or without hyphens; ``None`` if unknown.

    Examples
    --------
    >>> find("EMO-DB").name, find("crema").name, find("my_calls.csv")
    ('emodb', 'cremad', None)
    """
    return next((info for info in CORPORA.values() if _normalized(name) in _names(info)), None)


def suggestion(name: str) -> str:
    """Return ``"; did you mean 'ravdess'?"`` for a name that is close to a known one, else ``""``."""
    near = difflib.get_close_matches(_normalized(name), CORPORA, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def read(info: CorpusInfo, data: Path) -> Corpus:
    """Read a corpus from ``data``: the folder that holds it by name (``DATA/ravdess``), or the corpus itself.

    Raises
    ------
    CorpusError
        The folder is missing or holds no clip of this corpus.
    """
    remedy = f"get it at {info.url} ({info.licence}) and unpack it into {data / info.name}"
    if info.source is not None:
        remedy = f"'emotone fetch {info.name} --to {data}' downloads it"
    if not data.is_dir():
        raise CorpusError(f"no folder {str(data)!r} to read {info.name} from; {remedy}")
    root = _root(info, data)
    try:
        corpus = READERS[info.name].read(root)
    except CorpusError as error:
        raise CorpusError(f"{info.name} can't be read from {str(root)!r}: {error}; {remedy}") from error
    if not len(corpus):
        raise CorpusError(
            f"no clip of {info.name} in {str(root)!r}: {_contents(root, corpus)}; expected {info.layout}; {remedy}"
        )
    return corpus


def _contents(root: Path, corpus: Corpus) -> str:
    """Describe a folder that holds no clip of the corpus."""
    contents = "there is no recording in it or its subfolders"
    if corpus.rejected:
        first = corpus.rejected[0]
        contents = f"{len(corpus.rejected)} recordings do not fit ({first.path}: {first.reason})"
    archives = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".zip", ".gz", ".tar", ".7z"))
    return contents + (f"; unpack {archives[0]}" if archives else "")


def _root(info: CorpusInfo, data: Path) -> Path:
    """Find the subfolder with the corpus's name, in any case, or else take ``data``; absolute, links not resolved."""
    if (data / info.name).is_dir():
        return Path(os.path.abspath(data / info.name))
    folders = sorted(path for path in data.iterdir() if _normalized(path.name) in _names(info) and path.is_dir())
    return Path(os.path.abspath(folders[0] if folders else data))


def _names(info: CorpusInfo) -> set[str]:
    return {_normalized(name) for name in (info.name, *info.aliases)}


def _normalized(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
