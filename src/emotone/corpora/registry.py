"""The corpora that have a reader, and where each is in a data folder."""

import difflib
import os
from pathlib import Path

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers import ased, cremad, emodb, emovo, nemo, ravdess, savee, tess
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

#: Name -> corpus, in the order in which help and errors list them.
CORPORA: dict[str, CorpusInfo] = {
    reader.INFO.name: reader.INFO for reader in (ravdess, tess, nemo, emodb, cremad, savee, emovo, ased)
}


def find(name: str) -> CorpusInfo | None:
    """Find a corpus by name or alias, in any case, with or without hyphens; return None if it is unknown.

    Examples
    --------
    >>> find("EMO-DB").name, find("crema").name, find("my_calls.csv")
    ('emodb', 'cremad', None)
    """
    key = _plain(name)
    return next((info for info in CORPORA.values() if key in _names(info)), None)


def known() -> str:
    """List the names of corpora, for messages."""
    return ", ".join(CORPORA)


def suggestion(name: str) -> str:
    """Return ``"; did you mean 'ravdess'?"`` for a name that resembles a known name, else ``""``."""
    near = difflib.get_close_matches(_plain(name), list(CORPORA), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def read(info: CorpusInfo, data: Path) -> Corpus:
    """Read a corpus from ``data``: the folder that holds it by name (``DATA/ravdess``), or the corpus itself.

    Raises
    ------
    CorpusError
        The folder is missing or holds no clip of this corpus.
    """
    if not data.is_dir():
        raise CorpusError(f"no folder {str(data)!r} to read {info.name} from; {_remedy(info, data)}")
    root = _root(info, data)
    try:
        corpus = info.read(root)
    except CorpusError as error:
        raise CorpusError(f"{info.name} can't be read from {str(root)!r}: {error}; {_remedy(info, data)}") from error
    if not len(corpus):
        raise CorpusError(
            f"no clip of {info.name} in {str(root)!r}: {_finding(info, root, corpus)}; {_remedy(info, data)}"
        )
    return corpus


def _finding(info: CorpusInfo, root: Path, corpus: Corpus) -> str:
    """Say what a folder without a clip of the corpus holds, and what was expected."""
    content = "it holds no recording, nor do its subfolders"
    if corpus.rejected:
        content = (
            f"{len(corpus.rejected)} recordings do not fit ({corpus.rejected[0].path}: {corpus.rejected[0].reason})"
        )
    archives = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".zip", ".gz", ".tar", ".7z"))
    unpack = f"; unpack {archives[0]}" if archives else ""
    return f"{content}{unpack}; expected {info.expected}"


def _root(info: CorpusInfo, data: Path) -> Path:
    """Return the subfolder with the corpus's name, in any case, else ``data``; absolute, links not resolved."""
    if (data / info.name).is_dir():
        return Path(os.path.abspath(data / info.name))
    named = sorted(path for path in data.iterdir() if _plain(path.name) in _names(info) and path.is_dir())
    return Path(os.path.abspath(named[0] if named else data))


def _remedy(info: CorpusInfo, data: Path) -> str:
    """Say how to get the corpus."""
    if info.source is not None:
        return f"'emotone fetch {info.name} --to {data}' downloads it"
    return f"get it at {info.url} ({info.licence}) and unpack it into {data / info.name}"


def _names(info: CorpusInfo) -> set[str]:
    return {_plain(name) for name in (info.name, *info.aliases)}


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
