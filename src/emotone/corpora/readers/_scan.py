"""From a folder of files to a corpus: what every reader of file names shares."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from emotone.corpora.table import COLUMNS, Corpus, Rejected
from emotone.errors import CorpusError

_LOSSLESS = (".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64")
#: Suffixes of files that may be clips.  Everything else in a corpus folder (tables, licences, videos) is not looked at.
AUDIO_SUFFIXES: tuple[str, ...] = (*_LOSSLESS, ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".wma")
_JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information"}
_LFS_POINTER = b"version https://git-lfs"
_LFS_POINTER_MAX_BYTES = 1024


@dataclass(frozen=True)
class Clip:
    """What a file name, or a row of a table, says about one recording.

    ``key`` is the recording's name in its corpus's scheme: two files with one key are copies.  ``speaker`` is the
    corpus's own name of the speaker, ``""`` if not known.
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


def files(root: Path) -> list[PurePosixPath]:
    """List all files under ``root`` as relative paths, sorted by code point, without what systems leave behind.

    Hidden files and folders (``._x``, ``.DS_Store``), ``__MACOSX`` and ``Thumbs.db`` are not listed.  Links to folders
    are followed, each folder once.
    """
    found: list[PurePosixPath] = []
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
        found += [relative / name for name in names if not name.startswith(".") and name.lower() != "thumbs.db"]
    return sorted(found, key=str)


def is_audio(path: PurePosixPath) -> bool:
    """Tell whether the suffix is one of a recording, in upper or lower case."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def preference(path: PurePosixPath) -> tuple[int, str]:
    """Give the sort key among copies of one recording: lossless first, then by path."""
    return (0 if path.suffix.lower() in _LOSSLESS else 1, str(path))


def unusable(path: Path) -> str:
    """Say why a file can't be a recording, whatever its name; ``""`` if it may be one."""
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
    """Read the recordings among ``paths`` as ``parse`` understands them, sorted by path relative to ``root``.

    Of several copies of one recording (Kaggle's RAVDESS holds every actor twice, CREMA-D holds WAV and MP3) one
    is kept, a lossless one if there is; the others are in ``rejected``, as is every recording that does not fit.
    """
    clips: dict[str, tuple[PurePosixPath, Clip]] = {}
    rejected: list[Rejected] = []
    for path in sorted(filter(is_audio, paths), key=preference):
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        if shown != str(path):  # tables and CSV files hold text alone
            rejected.append(Rejected(shown, "the name of the file is not UTF-8; rename it"))
            continue
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
    rows = sorted(clips.values(), key=lambda row: str(row[0]))
    table = to_table(((str(root / path), clip) for path, clip in rows), name=name, language=language)
    return Corpus(table, name, sorted(rejected, key=lambda one: one.path))


def to_table(rows: Iterable[tuple[str, Clip]], *, name: str, language: str) -> pd.DataFrame:
    """Make the table of whole files, with speaker names made global: ``"01"`` of ravdess is ``"ravdess-01"``."""
    cells = [
        (
            path,
            0.0,
            float("nan"),
            clip.emotion,
            f"{name}-{clip.speaker}" if clip.speaker else "",
            clip.gender,
            clip.intensity,
            clip.statement,
            clip.channel,
            name,
            language,
        )
        for path, clip in rows
    ]
    return pd.DataFrame(cells, columns=list(COLUMNS))
