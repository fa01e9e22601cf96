"""Download a corpus from where its authors publish it."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emotone.corpora import registry
from emotone.corpora.fetch.download import Remote, download, read_json
from emotone.corpora.fetch.unpack import need_space, unpack
from emotone.corpora.registry import CORPORA, CorpusInfo
from emotone.errors import FetchError
from emotone.progress import Progress

_ZENODO = "https://zenodo.org"


@dataclass(frozen=True)
class Archive:
    """A published zip: its name, how many clips of which channel it holds, the most it may unpack to, and its MD5.

    Where the MD5 is not known here, the record's description gives it.
    """

    file: str
    channel: str
    n_clips: int
    max_unpacked_bytes: int
    md5: str = ""

    @property
    def folder(self) -> str:
        """The folder to unpack into: zip members start at ``Actor_NN/``."""
        return PurePosixPath(self.file).stem


@dataclass(frozen=True)
class Source:
    """A Zenodo record and the archives to take from it."""

    record: str
    archives: tuple[Archive, ...]


#: The corpora that can be downloaded without a form to fill in.
SOURCES: dict[str, Source] = {
    "ravdess": Source(
        record="1188976",
        archives=(
            Archive(
                file="Audio_Speech_Actors_01-24.zip",
                channel="speech",
                n_clips=1440,
                max_unpacked_bytes=2_000_000_000,
                md5="bc696df654c87fed845eb13823edef8a",
            ),
            Archive(
                file="Audio_Song_Actors_01-24.zip",
                channel="song",
                n_clips=1012,
                max_unpacked_bytes=2_000_000_000,
            ),
        ),
    ),
}
#: Recordings compress little: what an archive unpacks to is guessed as this many times its size.
_UNPACKED_FACTOR = 3


def notice(name: str) -> str:
    """Say what a corpus is, under which licence, and what that means: to show before a download.

    >>> print(notice("ravdess"))
    Ryerson Audio-Visual Database of Emotional Speech and Song
    licence: CC BY-NC-SA 4.0 (no commercial use), https://zenodo.org/records/1188976
    """
    info = CORPORA[_known(name)]
    use = "commercial use allowed" if info.commercial_use else "no commercial use"
    return f"{info.title}\nlicence: {info.licence} ({use}), {info.url}"


def fetch(name: str, *, to: Path, base_url: str | None = None, progress: Progress | None = None) -> Path:
    """Download, verify and unpack a corpus.

    A download that was cut goes on where it stopped, in this call or a later one.  What is already there is
    not downloaded again, which ``progress`` is told in one call.

    Parameters
    ----------
    name
        A name in `SOURCES`.
    to
        The data folder; the corpus goes to ``TO/NAME``, where `emotone.corpora.load` finds it.
    base_url
        A server with Zenodo's addresses, for a mirror; ``None`` is Zenodo.
    progress
        Called with bytes.

    Returns
    -------
    Path
        ``TO/NAME``.

    Raises
    ------
    FetchError
        The corpus can't be downloaded by a program (the message says where to get it), the server failed or sent
        something else than was published, the disk has no room, or an incomplete copy is in the way.
    """
    name = _known(name)
    info = CORPORA[name]
    folder = Path(to).absolute() / name
    if name not in SOURCES:
        raise FetchError(
            f"{info.title} can't be downloaded by a program: get it at {info.url} (licence: {info.licence}), unpack it "
            f"into {str(folder)!r}, which then holds {info.expected}. 'emotone fetch' knows: {', '.join(SOURCES)}"
        )
    source = SOURCES[name]
    wanted = _missing(source, info, folder)
    if not wanted:
        if progress is not None:
            progress(1, 1, f"already there: {folder}")
        return folder
    remotes = _remotes(source, wanted, base_url=(base_url or _ZENODO).rstrip("/"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(f"{str(folder)!r} can't be made: {error}; choose another folder") from error
    total = sum(remote.size for remote in remotes)
    need_space(folder, total * (1 + _UNPACKED_FACTOR), what=f"fetching {name} (zips and what is in them)")
    for archive, remote in zip(wanted, remotes, strict=True):
        packed = download(remote, to=folder / archive.file, progress=progress)
        unpack(packed, to=folder / archive.folder, max_bytes=archive.max_unpacked_bytes, progress=progress)
        packed.unlink()
    return folder


def _known(name: str) -> str:
    info = registry.find(name)
    if info is None:
        raise FetchError(
            f"unknown corpus {name!r}; expected one of {registry.known()}{registry.suggestion(name)}; "
            f"of these {', '.join(SOURCES)} can be downloaded"
        )
    return info.name


def _missing(source: Source, info: CorpusInfo, folder: Path) -> list[Archive]:
    """List the archives whose clips are not all in ``folder``, in whatever layout they may lie there.

    Part of the clips in the very folder that an archive would make is an error: only a hand can have left it so.
    """
    if not folder.is_dir():
        return list(source.archives)
    counts = info.reader(folder).table["channel"].value_counts()
    missing = []
    for archive in source.archives:
        found = int(counts.get(archive.channel, 0))
        if found >= archive.n_clips:
            continue
        if (folder / archive.folder).exists():
            raise FetchError(
                f"{str(folder)!r} holds {found} clips of {archive.channel}, expected {archive.n_clips}: move "
                f"its folder {archive.folder!r} away and fetch again"
            )
        missing.append(archive)
    return missing


def _remotes(source: Source, archives: list[Archive], *, base_url: str) -> list[Remote]:
    """Look up size and checksum of archives in the record's description."""
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
