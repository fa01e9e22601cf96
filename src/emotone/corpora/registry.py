"""The corpora that have a reader, with their licences, and where in a data folder each is."""

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotone.corpora.readers import cremad, emodb, emovo, nemo, ravdess, savee, tess
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError


@dataclass(frozen=True)
class CorpusInfo:
    """A corpus that Emotone can read: its reader, and what one must know before one trains on it.

    ``reader`` takes the corpus's folder; ``expected`` says in words what lies there; ``commercial_use`` is whether
    the licence lets a product be built on it (False where nothing says so); ``fetchable``, whether
    ``emotone fetch`` can download it.
    """

    name: str
    title: str
    language: str
    licence: str
    url: str
    commercial_use: bool
    reader: Callable[[Path], Corpus]
    expected: str
    aliases: tuple[str, ...] = ()
    fetchable: bool = False


_INFOS = (
    CorpusInfo(
        name="ravdess",
        title="Ryerson Audio-Visual Database of Emotional Speech and Song",
        language="en",
        licence="CC BY-NC-SA 4.0",
        url="https://zenodo.org/records/1188976",
        commercial_use=False,
        reader=ravdess.read,
        expected=ravdess.EXPECTED,
        fetchable=True,
    ),
    CorpusInfo(
        name="tess",
        title="Toronto Emotional Speech Set",
        language="en",
        licence="CC BY-NC-ND 4.0",
        url="https://doi.org/10.5683/SP2/E8H2MF",
        commercial_use=False,
        reader=tess.read_tess,
        expected=tess.TESS_EXPECTED,
    ),
    CorpusInfo(
        name="nemo",
        title="nEMO, a dataset of emotional speech in Polish",
        language="pl",
        licence="CC BY-NC-SA 4.0",
        url="https://github.com/amu-cai/nEMO",
        commercial_use=False,
        reader=nemo.read_nemo,
        expected=nemo.NEMO_EXPECTED,
    ),
    CorpusInfo(
        name="emodb",
        title="Berlin Database of Emotional Speech (EMO-DB)",
        language="de",
        licence="free use",
        url="http://emodb.bilderbar.info",
        commercial_use=False,  # free use is offered, but no written licence grants a commercial one
        reader=emodb.read_emodb,
        expected=emodb.EMODB_EXPECTED,
        aliases=("emo-db", "berlin"),
    ),
    CorpusInfo(
        name="cremad",
        title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
        language="en",
        licence="Open Database License (ODbL) 1.0",
        url="https://github.com/CheyneyComputerScience/CREMA-D",
        commercial_use=True,
        reader=cremad.read_cremad,
        expected=cremad.CREMAD_EXPECTED,
        aliases=("crema-d", "crema"),
    ),
    CorpusInfo(
        name="savee",
        title="Surrey Audio-Visual Expressed Emotion",
        language="en",
        licence="free for research",
        url="http://kahlan.eps.surrey.ac.uk/savee/",
        commercial_use=False,
        reader=savee.read_savee,
        expected=savee.SAVEE_EXPECTED,
    ),
    CorpusInfo(
        name="emovo",
        title="EMOVO, an Italian emotional speech corpus",
        language="it",
        licence="free for research",
        url="http://voice.fub.it/activities/corpora/emovo/index.html",
        commercial_use=False,
        reader=emovo.read_emovo,
        expected=emovo.EMOVO_EXPECTED,
    ),
)

#: Name -> corpus, in the order in which help and errors list them.
CORPORA: dict[str, CorpusInfo] = {info.name: info for info in _INFOS}


def find(name: str) -> CorpusInfo | None:
    """Find the corpus of a name or alias, in any case, with or without hyphens; ``None`` if there is none.

    Examples
    --------
    >>> find("EMO-DB").name, find("crema").name, find("my_calls.csv")
    ('emodb', 'cremad', None)
    """
    key = _plain(name)
    return next((info for info in _INFOS if key in {_plain(one) for one in (info.name, *info.aliases)}), None)


def known() -> str:
    """List the names of corpora, for messages."""
    return ", ".join(CORPORA)


def suggestion(name: str) -> str:
    """Give ``"; did you mean 'ravdess'?"``, or nothing, for a name that is close to a known one."""
    near = difflib.get_close_matches(_plain(name), [_plain(one) for one in CORPORA], n=1)
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
        corpus = info.reader(root)
    except CorpusError as error:
        raise CorpusError(f"{info.name} can't be read from {str(root)!r}: {error}; {_remedy(info, data)}") from error
    if not len(corpus):
        raise CorpusError(
            f"no clip of {info.name} in {str(root)!r}: {_finding(info, root, corpus)}; {_remedy(info, data)}"
        )
    return corpus


def _finding(info: CorpusInfo, root: Path, corpus: Corpus) -> str:
    """Say what is in a folder that holds no clip of the corpus, and what was expected."""
    found = "there is no recording, in subfolders neither"
    if corpus.rejected:
        found = f"{len(corpus.rejected)} recordings do not fit ({corpus.rejected[0].path}: {corpus.rejected[0].reason})"
    archives = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".zip", ".gz", ".tar", ".7z"))
    unpack = f"; unpack {archives[0]}" if archives else ""
    return f"{found}{unpack}; expected {info.expected}"


def _root(info: CorpusInfo, data: Path) -> Path:
    """Find the subfolder of the corpus's name, in any case, or else take ``data``; absolute, links not resolved."""
    if (data / info.name).is_dir():
        return Path(os.path.abspath(data / info.name))
    names = {_plain(name) for name in (info.name, *info.aliases)}
    named = sorted(path for path in data.iterdir() if _plain(path.name) in names and path.is_dir())
    return Path(os.path.abspath(named[0] if named else data))


def _remedy(info: CorpusInfo, data: Path) -> str:
    """Say how to get the corpus."""
    if info.fetchable:
        return f"'emotone fetch {info.name} --to {data}' downloads it"
    return f"get it at {info.url} ({info.licence}) and unpack it into {data / info.name}"


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
