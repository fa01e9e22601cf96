"""Build a corpus from a folder of files: what all readers of file names share."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from emotone.corpora.info import CorpusInfo
from emotone.corpora.table import COLUMNS, Corpus, Rejected
from emotone.errors import CorpusError

_LOSSLESS = (".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64")
#: Suffixes of files that may be clips.  Everything else in a corpus folder (tables, licences, videos) is ignored.
AUDIO_SUFFIXES: tuple[str, ...] = (*_LOSSLESS, ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".wma")
_JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information"}
_LFS_POINTER = b"version https://git-lfs"
_LFS_POINTER_MAX_BYTES = 1024


@dataclass(frozen=True)
class Clip:
    """The labels of a recording, from its file name or a row of a table.

    ``key`` is the recording's name in its corpus's scheme: two files with the same key are copies.  ``speaker`` is the
    corpus's own name of the speaker, ``""`` if unknown.
    """

    key: str
    emotion: str
    speaker: str = ""
    gender: str = ""
    intensity: str = ""
    statement: str = ""
    channel: str = "speech"


#: Reads a clip from a path relative to the corpus folder; raises CorpusError with the reason if the path does not fit.
Parse = Callable[[PurePosixPath], Clip]


def by_name(parse: Parse) -> Callable[[CorpusInfo, Path], Corpus]:
    """Return the reader of a corpus whose paths contain all labels."""

    def read(info: CorpusInfo, root: Path) -> Corpus:
        return read_tree(root, name=info.name, language=info.language, parse=parse, paths=files(root))

    return read


def decode(what: str, code: str, meanings: Mapping[str, str]) -> str:
    """Return the meaning of a code; raise CorpusError if it has none."""
    if code not in meanings:
        raise CorpusError(f"{what} code {code}; expected {', '.join(meanings)}")
    return meanings[code]


def files(root: Path) -> list[PurePosixPath]:
    """List all files under ``root`` as relative paths, sorted by code point, without the clutter of operating systems.

    Hidden files and folders (``._x``, ``.DS_Store``), ``__MACOSX`` and ``Thumbs.db`` are not listed.  Links to folders
    are followed, each folder once.
    """
    paths: list[PurePosixPath] = []
    seen = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        kept = []
        for name in sorted(subfolders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and name.lower() not in _JUNK_FOLDERS and real not in seen:
                seen.add(real)
                kept.append(name)
        subfolders[:] = kept
        relative = PurePosixPath(Path(folder).relative_to(root).as_posix())
        paths += [relative / name for name in names if not name.startswith(".") and name.lower() != "thumbs.db"]
    return sorted(paths, key=str)


def is_audio(path: PurePosixPath) -> bool:
    """Return whether the suffix is that of a recording, in upper or lower case."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def unusable(path: Path) -> str:
    """Say why a file can't be a recording, whatever its name; ``""`` if it may be a recording."""
    try:
        size = path.stat().st_size
        if size == 0:
            return "the file is empty (0 bytes); download it again"
        if size <= _LFS_POINTER_MAX_BYTES:
            with path.open("rb") as file:
                if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                    return "a Git LFS pointer, not the recording; run 'git lfs pull' in the corpus's clone"
    except OSError as error:
        return f"the file can't be read: {error.strerror or error}"
    return ""


def read_tree(root: Path, *, name: str, language: str, parse: Parse, paths: Sequence[PurePosixPath]) -> Corpus:
    """Read the recordings among ``paths`` with ``parse``, sorted by path relative to ``root``.

    Of several copies of a recording (Kaggle's RAVDESS holds every actor twice, CREMA-D holds WAV and MP3) only the
    first is kept, lossless files first.  The others are in ``rejected``, with every recording that does not fit.
    """
    clips: dict[str, tuple[PurePosixPath, Clip]] = {}
    rejected: list[Rejected] = []
    for path in sorted(filter(is_audio, paths), key=lambda path: (path.suffix.lower() not in _LOSSLESS, str(path))):
        try:
            clip = parse(path)
        except CorpusError as error:
            rejected.append(Rejected(str(path), str(error)))
            continue
        if reason := unusable(root / path):
            rejected.append(Rejected(str(path), reason))
        elif clip.key in clips:
            rejected.append(Rejected(str(path), f"a copy of {clips[clip.key][0]}"))
        else:
            clips[clip.key] = (path, clip)
    rows = (
        _row(str(root / path), clip, name=name, language=language)
        for path, clip in sorted(clips.values(), key=lambda row: str(row[0]))
    )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Corpus(table, name, sorted(rejected, key=lambda item: item.path))


def _row(path: str, clip: Clip, *, name: str, language: str) -> tuple[str | float, ...]:
    """Return a whole file as a row, with a global speaker name: ``"01"`` of ravdess is ``"ravdess-01"``."""
    speaker = f"{name}-{clip.speaker}" if clip.speaker else ""
    labels = (clip.emotion, speaker, clip.gender, clip.intensity, clip.statement, clip.channel)
    return (path, 0.0, float("nan"), *labels, name, language)
