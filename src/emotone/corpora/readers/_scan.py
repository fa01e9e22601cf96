"""Read a corpus from a folder of files: what all readers share."""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.rejected import Rejected, UnusableError
from emotone.corpora.table import Corpus, Row
from emotone.errors import CorpusError

_LOSSLESS = (".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64")
#: Suffixes of recordings.  Readers ignore all other files of a corpus folder: tables, licences, videos.
AUDIO_SUFFIXES: tuple[str, ...] = (*_LOSSLESS, ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".wma")
_JUNK_FOLDERS = {"__macosx", "$recycle.bin", "system volume information"}
_LFS_POINTER = b"version https://git-lfs"
_LFS_POINTER_MAX_BYTES = 1024


@dataclass(frozen=True)
class Clip:
    """What a file name, or a row of a table, says about a recording.

    ``key`` identifies the recording within its corpus: two files with the same key are copies.  ``speaker`` is the
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


def files(root: Path) -> list[PurePosixPath]:
    """List all files under ``root`` as relative paths, sorted by code point, without system files.

    Hidden files and folders (``._x``, ``.DS_Store``), ``__MACOSX`` and ``Thumbs.db`` are skipped.  Links to folders
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
    """Check whether the suffix, in upper or lower case, is that of a recording."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def unusable(path: Path) -> str:
    """Return why a file can't be a recording, whatever its name; ``""`` if it may be."""
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


def match_name(pattern: re.Pattern[str], path: PurePosixPath, *, form: str) -> tuple[str, ...]:
    """Match a file name without its suffix; return the pattern's groups in lower case, ``""`` for an absent group.

    Raises
    ------
    CorpusError
        The name does not match; the message describes the expected ``form``.
    """
    match = pattern.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form {form}: {path.name!r}")
    return tuple(group.lower() for group in match.groups(default=""))


def read_tree(
    root: Path, *, name: str, language: str, parse: Parse, paths: Sequence[PurePosixPath] | None = None
) -> Corpus:
    """Read the recordings under ``root`` with ``parse``, sorted by relative path.

    Of several copies of a recording (Kaggle's RAVDESS holds every actor twice, CREMA-D holds WAV and MP3) one is kept,
    lossless if possible.  The others are in ``rejected``, with every recording that does not fit.  ``paths`` is
    `files` of ``root`` if the caller has them.  Speaker names become global: ``"01"`` becomes ``"ravdess-01"``.
    """
    clips: dict[str, tuple[PurePosixPath, Clip]] = {}
    rejected: list[Rejected] = []
    recordings = filter(is_audio, files(root) if paths is None else paths)
    for path in sorted(recordings, key=lambda path: (path.suffix.lower() not in _LOSSLESS, str(path))):
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        try:
            if shown != str(path):  # tables and CSV files hold text only
                raise CorpusError("the name of the file is not UTF-8; rename it")
            clip = parse(path)
            if reason := unusable(root / path):
                raise UnusableError(reason, group="whose file can't be read")
            if clip.key in clips:
                raise UnusableError(f"a copy of {clips[clip.key][0]}", group="that are copies of others")
            clips[clip.key] = (path, clip)
        except CorpusError as error:
            rejected.append(Rejected.of(shown, error))
    rows = [
        Row(
            path=str(root / path),
            start_s=0.0,
            end_s=math.nan,
            emotion=clip.emotion,
            speaker=f"{name}-{clip.speaker}" if clip.speaker else "",
            gender=clip.gender,
            intensity=clip.intensity,
            statement=clip.statement,
            channel=clip.channel,
            corpus=name,
            language=language,
        )
        for path, clip in sorted(clips.values(), key=lambda item: str(item[0]))
    ]
    return Corpus.of_rows(rows, name, sorted(rejected, key=lambda item: item.path))


def reader_of(info: CorpusInfo, parse: Parse) -> Callable[[Path], Corpus]:
    """Return the reader of a corpus whose file names hold all labels."""

    def read(root: Path) -> Corpus:
        return read_tree(root, name=info.name, language=info.language, parse=parse)

    return read
