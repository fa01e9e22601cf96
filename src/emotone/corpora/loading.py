"""Read the corpora that a user names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from emotone.corpora import registry
from emotone.corpora.readers import audformat_database, audiofolder, manifest
from emotone.corpora.table import Corpus
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError


def load(
    corpora: str | Path | Sequence[str | Path],
    data: str | Path = ".",
    *,
    channel: str = "speech",
    emotions: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
) -> Corpus:
    """Read one corpus, or the union of several.

    Parameters
    ----------
    corpora
        One or more names in `CORPORA` (``"ravdess"``, ``"EMO-DB"``) or paths, as they are or relative to ``data``: of
        a CSV manifest, of an audformat table, or of a folder: a database of audformat, an AudioFolder of Hugging Face's
        datasets, or a folder per emotion.
    data
        The folder that holds corpora by name (``DATA/ravdess/...``), or the corpus itself; here by default.
    channel
        ``"speech"``, ``"song"`` or ``"all"``; each corpus must have clips of it.
    emotions
        Emotions to keep, names or aliases; each must occur in at least one corpus.  ``None`` keeps all.  A word that
        is neither is an own class: clips with this label are read.
    labels
        What labels of the corpora mean: ``{"gioia": "happy", "stanco": "boredom"}``.  They apply to the labels of
        manifests, to names of folders, and to the emotions of known corpora (``{"calm": "neutral"}``).
    classes
        Further own classes to read, such as those of a trained model.

    Returns
    -------
    Corpus
        Clips sorted by path relative to their corpus's folder, so that rows have the same order on every machine.
        Several corpora follow each other in the order of ``corpora``.

    Raises
    ------
    CorpusError
        A name is unknown, a corpus is missing or holds no clip, or no clip has the requested channel or emotion.

    Examples
    --------
    >>> load("ravdess", "/no/such/folder")
    Traceback (most recent call last):
        ...
    emotone.errors.CorpusError: no folder '/no/such/folder' to read ravdess from; ...
    """
    names = _names(corpora)
    if isinstance(emotions, str):
        raise CorpusError(f"emotions is the text {emotions!r}; expected several names, such as ['happy', 'sad']")
    vocabulary = Vocabulary(labels or {}, (*(emotions or ()), *classes))
    union = Corpus.union([_read(name, Path(data), vocabulary).only(channel=channel) for name in names])
    return union if emotions is None else union.only(emotions=emotions)


def _names(corpora: str | Path | Sequence[str | Path]) -> list[str]:
    names = [str(name) for name in ([corpora] if isinstance(corpora, str | Path) else corpora)]
    if not names:
        raise CorpusError(f"no corpus is named; expected some of {', '.join(registry.CORPORA)}, or a path")
    if "" in names:
        raise CorpusError("the name of a corpus is empty; expected a name or a path")
    return names


def _read(name: str, data: Path, vocabulary: Vocabulary) -> Corpus:
    info = registry.find(name)
    if info is not None:
        return registry.read(info, data).relabelled(vocabulary)
    if not data.is_dir():
        raise CorpusError(f"no folder {str(data)!r}; give a folder that exists as data, or leave data out")
    for path in (Path(name).expanduser(), data / name):
        if database := audformat_database.find_database(path):
            root, is_chosen = database
            return audformat_database.read_database(root, vocabulary, is_chosen=is_chosen)
        if path.is_file():
            return manifest.read_manifest(path, vocabulary, data=data)
        if path.is_dir():
            read = audiofolder.read_audiofolder if audiofolder.find_lists(path) else manifest.read_folder_per_class
            return read(path, vocabulary)
    if "://" in name:
        raise CorpusError(f"{name} is an address, and corpora are read from files; download it and name the file")
    if name == "-":
        raise CorpusError("- is standard input, and corpora are read from files; write the manifest to a file")
    raise CorpusError(
        f"unknown corpus {name!r}: expected {', '.join(registry.CORPORA)}, or the path of a manifest or folder, here "
        f"or in {str(data)!r}{registry.suggestion(name)}"
    )
