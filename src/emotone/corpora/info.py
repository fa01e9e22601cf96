"""What each corpus is: its licence, its source, and what a complete copy holds."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Archive:
    """A published zip file: its name in the Zenodo record, and how many clips of which channel it holds.

    ``max_unpacked_bytes`` limits the unpacked size.  Without ``md5`` (hexadecimal), the record's checksum is used.
    """

    file: str
    channel: str
    n_clips: int
    max_unpacked_bytes: int
    md5: str = ""

    @property
    def folder(self) -> str:
        """The folder to unpack into; members start at ``Actor_NN/``."""
        return PurePosixPath(self.file).stem


@dataclass(frozen=True)
class Source:
    """A Zenodo record, by its number, and the archives to download from it."""

    record: str
    archives: tuple[Archive, ...]


@dataclass(frozen=True)
class CorpusInfo:
    """A corpus that Emotone can read.

    Attributes
    ----------
    name, aliases
        The name in commands and in the column ``corpus``, and other names that users may type.
    title, citation, url
        Full name, publication, and web page.
    language
        ISO 639-1 code.
    licence, commercial_use
        The licence, and whether it permits commercial products (False if it does not say).
    emotions, n_clips, n_speakers
        What a complete copy holds, all channels together; emotions in canonical order.
    layout
        What the folder must contain, for error messages.
    source
        Where ``emotone fetch`` downloads it; None: the user must get it from ``url``.
    """

    name: str
    title: str
    language: str
    licence: str
    url: str
    citation: str
    emotions: tuple[str, ...]
    n_clips: int
    n_speakers: int
    layout: str
    aliases: tuple[str, ...] = ()
    commercial_use: bool = False
    source: Source | None = None
