"""Recordings that a command line names."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from emotone.cli import console as output
from emotone.cli.answers import Answer
from emotone.errors import AudioError, EmotoneError

if TYPE_CHECKING:
    from emotone.audio import AudioSource
    from emotone.audio.raw import RawFormat

#: Names of standard input.
STDIN = ("-", "/dev/stdin", "/dev/fd/0")
#: A file of a folder with one of these suffixes is a recording, and an error if it can't be read.  Of all other files,
#: the content decides.  A file that is named itself can have any suffix.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64", ".ogg", ".oga", ".opus", ".mp3", ".m4a"),
        *(".aac", ".webm", ".wma", ".mp4", ".mkv", ".mov", ".3gp", ".amr", ".avi"),
        *(".weba", ".mka", ".m4b", ".spx", ".flv", ".wv", ".mp2", ".ac3", ".sph", ".voc", ".mpga"),
    )
)
#: First bytes of common files without sound: JPEG, PNG, GIF, zip, gzip, PDF, ELF, NumPy, SQLite, HDF5.
_NO_SOUND = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"PK\x03\x04", b"\x1f\x8b", b"%PDF", b"\x7fELF", b"\x93NUMPY", b"SQLite"),
    b"\x89HDF",
)
#: Kinds of files that are counted one by one in the note on what a folder holds besides.
_MAX_KINDS = 5


def recordings(paths: Sequence[str], *, raw: RawFormat | None = None) -> list[str | Answer[Any]]:
    """List the files, and of each folder all recordings, also in subfolders, by name; an error where that fails.

    Prints how many files of the folders are no recordings.

    Raises
    ------
    typer.BadParameter
        Standard input is named twice.
    """
    if sum(path in STDIN for path in paths) > 1:
        raise typer.BadParameter("standard input can be read once, and FILE names it twice; give '-' once")
    files: list[str | Answer[Any]] = []
    others: Counter[str] = Counter()
    for path in paths:
        if not os.path.isdir(path):
            files.append(path)
        elif raw is not None:
            files.append(Answer(path, error=f"{path}: --raw takes files and this is a folder; name the files in it"))
        else:
            files += _in_folder(path, others) or [_empty_folder(path)]
    if others:
        most = others.most_common(_MAX_KINDS)
        kinds = [f"{count} {kind}" for kind, count in most]
        if len(others) > _MAX_KINDS:
            kinds.append(f"{others.total() - sum(count for _, count in most)} of other kinds")
        n_files = "1 file" if others.total() == 1 else f"{others.total()} files"
        output.note(f"passed over {n_files} that can't be read as sound: {', '.join(kinds)}")
    return files


def source_of(path: str, *, raw: RawFormat | None = None) -> AudioSource:
    """Return what a recognizer reads for the name of a file: standard input, headerless sound, or the file itself.

    Raises
    ------
    AudioError
        Standard input is a terminal or closed, or headerless sound can't be read or has a header.
    """
    source: str | BinaryIO = path
    if path in STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise AudioError(
                f"{path} is standard input, which is {'closed' if sys.stdin is None else 'a terminal'}; pipe a "
                "recording into it, for example: cat clip.wav | emotone predict -"
            )
        source = sys.stdin.buffer
    if raw is None:
        return source
    from emotone.audio.raw import header_of
    from emotone.audio.sources import open_file

    with ExitStack() as stack:
        content = open_file(source, stack)[0].read()
    if len(content) < raw.frame_bytes:
        raise AudioError(f"{path}: {len(content)} bytes are no sample of {raw.frame_bytes} bytes; correct --raw")
    if header := header_of(content):
        raise AudioError(
            f"{path}: the file has the header of {header}, and --raw is for sound without; leave out --raw"
        )
    return raw.decode(content), raw.rate


def _empty_folder(path: str) -> Answer[Any]:
    return Answer(path, error=f"{path}: no recording in this folder; expected files such as .wav, .flac, .mp3 or .m4a")


def _in_folder(path: str, others: Counter[str]) -> list[str | Answer[Any]]:
    """List the recordings of a folder; count the other files by their kind in ``others``.

    Links to folders are followed, but no folder is listed twice.  Hidden files are left out.
    """

    def add_unreadable(error: OSError) -> None:
        failed.append(Answer(str(error.filename), error=f"{error.filename}: {error.strerror}; check its permissions"))

    failed: list[str | Answer[Any]] = []
    files: list[str | Answer[Any]] = []
    entered = {_identity(path)}
    for folder, subfolders, names in os.walk(path, onerror=add_unreadable, followlinks=True):
        visible = sorted(name for name in subfolders if not name.startswith("."))
        subfolders.clear()
        for name in visible:
            identity = _identity(os.path.join(folder, name))
            if identity not in entered:
                entered.add(identity)
                subfolders.append(name)
        for name in sorted(name for name in names if not name.startswith(".")):
            file = os.path.join(folder, name)
            kind = _kind_unless_recording(file)
            if kind:
                others[kind] += 1
            else:
                files.append(file)
    return files + failed


def _identity(path: str) -> tuple[int, int] | str:
    try:
        status = os.stat(path)
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)  # 0 on some file systems


def _kind_unless_recording(path: str) -> str:
    """Return "" for a recording, and otherwise what the file is: its suffix, for example."""
    suffix = os.path.splitext(path)[1].lower()
    try:
        mode = os.stat(path).st_mode
    except OSError:  # a broken link
        return "" if suffix in SUFFIXES else "unreadable"
    if not stat.S_ISREG(mode):
        return "pipes and devices"
    return "" if suffix in SUFFIXES or _has_sound(path) else suffix or "without suffix"


def _has_sound(path: str) -> bool:
    """Say whether a decoder can read the beginning of a file."""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return False
    is_text = not any(byte < 32 and byte not in b"\t\r\n\f" for byte in head)
    if head.startswith(_NO_SOUND) or is_text and not head.startswith(b"NIST_1A"):
        return False  # a decoder would take 20 ms to say so
    from emotone.audio.decoding import open_reader

    try:
        with open_reader(path) as reader:
            return next(reader.chunks(0, reader.sample_rate // 10), None) is not None
    except (EmotoneError, MemoryError):
        return False
