"""Which files of a folder are recordings."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from emotone.errors import EmotoneError

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


class Entry(NamedTuple):
    """A file of a folder, or a folder that can't be listed.

    Attributes
    ----------
    path
        It begins with the path of the folder.
    kind
        "" for a recording, and otherwise what the file is: its suffix, for example.
    error
        Why a folder can't be listed, and what to do; "" for files.
    """

    path: str
    kind: str = ""
    error: str = ""


def entries(folder: str) -> Iterator[Entry]:
    """Yield the files of a folder and its subfolders, by name; the memory used is that of the largest folder.

    Links to folders are followed, but no folder is listed twice.  Hidden files are left out.
    """
    failed: list[Entry] = []

    def add_unreadable(error: OSError) -> None:
        name = str(error.filename)
        failed.append(Entry(name, error=f"{name}: {error.strerror}; check its permissions"))

    entered = {_identity(folder)}
    for parent, subfolders, names in os.walk(folder, onerror=add_unreadable, followlinks=True):
        visible = sorted(name for name in subfolders if not name.startswith("."))
        subfolders.clear()
        for name in visible:
            identity = _identity(os.path.join(parent, name))
            if identity not in entered:
                entered.add(identity)
                subfolders.append(name)
        for name in sorted(name for name in names if not name.startswith(".")):
            file = os.path.join(parent, name)
            yield Entry(file, _kind_unless_recording(file))
    yield from failed


def _identity(path: str) -> tuple[int, int] | str:
    try:
        status = os.stat(path)
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)  # 0 on some file systems


def _kind_unless_recording(path: str) -> str:
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
    from emotone.audio.isolated_source import IsolatedSource

    try:
        with IsolatedSource(path).reader() as reader:  # any file can crash the decoder
            return next(reader.chunks(0, reader.sample_rate // 10), None) is not None
    except (EmotoneError, MemoryError):
        return False
