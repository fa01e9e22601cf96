"""Download a corpus from where its authors publish it."""

import shlex
from contextlib import suppress
from pathlib import Path

from emotone.corpora import registry
from emotone.corpora.fetch.download import Remote, download, read_json
from emotone.corpora.fetch.unpack import UNFINISHED, need_space, unpack
from emotone.corpora.info import Archive, CorpusInfo, Source
from emotone.errors import ByHandError, CorpusError, FetchError
from emotone.progress import Progress
from emotone.temporary import remove_leftovers

_ZENODO = "https://zenodo.org"
#: Estimate of an archive's unpacked size, as a multiple of its size: recordings compress little.
_UNPACKED_FACTOR = 3


def notice(name: str) -> str:
    """Describe a corpus and its licence, to show before a download.

    >>> print(notice("ravdess"))
    Ryerson Audio-Visual Database of Emotional Speech and Song
    licence: CC BY-NC-SA 4.0 (no commercial use), https://zenodo.org/records/1188976
    """
    info = _find(name)
    use = "commercial use allowed" if info.commercial_use else "no commercial use"
    return f"{info.title}\nlicence: {info.licence} ({use}), {info.url}"


def fetch(name: str, *, to: Path, base_url: str = _ZENODO, progress: Progress | None = None) -> Path:
    """Download, verify and unpack a corpus.

    An interrupted download continues in this call or a later one.  A complete corpus is not downloaded again;
    ``progress`` is then called once.

    Parameters
    ----------
    name
        A corpus whose `CorpusInfo` has a ``source``, or one that a user has unpacked into its folder.
    to
        The data folder; the corpus goes to ``TO/NAME``, where `emotone.corpora.load` finds it.
    base_url
        Zenodo, or a mirror with the same paths.
    progress
        Called with bytes.

    Returns
    -------
    Path
        ``TO/NAME``.

    Raises
    ------
    ByHandError
        The corpus has no source: the message says where to get it.
    FetchError
        The server failed or sent other data than was published, the disk is too full, or an incomplete copy is in the
        way.
    """
    info = _find(name)
    folder = Path(to).absolute() / info.name
    if info.source is None:
        if not _has_clips(info, folder):
            raise _by_hand(info, Path(to))
        archives: list[Archive] = []
    else:
        remove_leftovers(UNFINISHED, parent=folder)
        archives = _missing(info, info.source, folder)
        if archives:
            _download(info.source, archives, folder, base_url=base_url.rstrip("/"), progress=progress)
        _remove_archives(info.source, folder)
    if not archives and progress is not None:
        progress(1, 1, f"already there: {folder}")
    return folder


def _has_clips(info: CorpusInfo, folder: Path) -> bool:
    """Return whether a folder holds clips of a corpus, as a user unpacked it."""
    try:
        return folder.is_dir() and len(registry.READERS[info.name].read(folder)) > 0
    except CorpusError:
        return False


def _by_hand(info: CorpusInfo, to: Path) -> ByHandError:
    """Return the error for a corpus that can't be downloaded by a program, with the steps of a user."""
    folder = to / info.name
    command = shlex.join(["emotone", "train", info.name, "--data", str(to), "--out", f"runs/{info.name}"])
    return ByHandError(
        f"{info.title} can't be downloaded by a program: get it at {info.url} (licence: {info.licence}) and unpack "
        f"it into {str(folder)!r}, which must contain {info.layout}. 'emotone fetch' can download: {_fetchable()}",
        steps=[
            "Emotone can't download this corpus. To get it yourself:",
            f"1. Open {info.url}, and download the recordings.",
            f"2. Unpack them into {folder}. It must contain {info.layout}.",
            f"3. Use it by its name: {command}",
            f"'emotone fetch' can download: {_fetchable()}",
        ],
    )


def _download(
    source: Source, archives: list[Archive], folder: Path, *, base_url: str, progress: Progress | None
) -> None:
    """Download and unpack archives into ``folder``."""
    remotes = _remotes(source, archives, base_url=base_url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(f"{str(folder)!r} can't be created: {error}; choose another folder") from error
    total = sum(remote.size for remote in remotes)
    need_space(folder, total * (1 + _UNPACKED_FACTOR), what=f"fetching {folder.name} (archives and their contents)")
    for archive, remote in zip(archives, remotes, strict=True):
        packed = download(remote, to=folder / archive.file, progress=progress)
        _mark(packed).touch()
        try:
            unpack(packed, to=folder / archive.folder, max_bytes=archive.max_unpacked_bytes, progress=progress)
            packed.unlink()
        finally:
            _mark(packed).unlink()


def _mark(packed: Path) -> Path:
    """Return the file that says that an archive was downloaded here, and is to be removed after it is unpacked."""
    return packed.with_name(f".{packed.name}.fetched")


def _remove_archives(source: Source, folder: Path) -> None:
    """Remove the archives that a run left which was killed between unpacking and removing them."""
    for packed in (folder / archive.file for archive in source.archives):
        if _mark(packed).is_file():
            with suppress(OSError):  # a folder that can only be read
                packed.unlink(missing_ok=True)
                _mark(packed).unlink()


def _find(name: str) -> CorpusInfo:
    info = registry.find(name)
    if info is None:
        raise FetchError(
            f"unknown corpus {name!r}; expected {', '.join(registry.CORPORA)}{registry.suggestion(name)}; "
            f"of these {_fetchable()} can be downloaded"
        )
    return info


def _fetchable() -> str:
    return ", ".join(info.name for info in registry.CORPORA.values() if info.source is not None)


def _missing(info: CorpusInfo, source: Source, folder: Path) -> list[Archive]:
    """List the archives whose clips are not all in ``folder``, in any layout.

    Raises
    ------
    FetchError
        The folder of an archive exists without all of its clips; unpacking creates it complete, so a user changed it.
    """
    if not folder.is_dir():
        return list(source.archives)
    counts = registry.READERS[info.name].read(folder).table["channel"].value_counts()
    missing = []
    for archive in source.archives:
        n_clips = int(counts.get(archive.channel, 0))
        if n_clips >= archive.n_clips:
            continue
        if (folder / archive.folder).exists():
            raise FetchError(
                f"{str(folder)!r} holds {n_clips} clips of {archive.channel}, expected {archive.n_clips}: move "
                f"its folder {archive.folder!r} away and fetch again"
            )
        missing.append(archive)
    return missing


def _remotes(source: Source, archives: list[Archive], *, base_url: str) -> list[Remote]:
    """Read size and checksum of archives from the Zenodo record."""
    url = f"{base_url}/api/records/{source.record}"
    record = read_json(url)
    try:
        entries = record["files"]  # type: ignore[index]
        listed = {entry["key"]: (int(entry["size"]), str(entry["checksum"])) for entry in entries}
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(f"{url} does not list files with key, size and checksum ({error!r}); try later") from error
    remotes = []
    for archive in archives:
        if archive.file not in listed:
            raise FetchError(f"{url} does not list {archive.file}, only {', '.join(sorted(listed)) or 'nothing'}")
        size, checksum = listed[archive.file]
        kind, _, md5 = checksum.lower().partition(":")
        if kind != "md5" or size <= 0:
            raise FetchError(f"{url} lists {archive.file} with checksum {checksum!r}, {size} bytes; expected 'md5:...'")
        if archive.md5 and md5 != archive.md5:
            raise FetchError(
                f"{url} lists {archive.file} with MD5 {md5}, expected {archive.md5}, as first published: the record "
                "has changed, and nothing was downloaded"
            )
        address = f"{base_url}/records/{source.record}/files/{archive.file}?download=1"
        remotes.append(Remote(url=address, size=size, md5=md5))
    return remotes
