"""Files with a checksum that can be made again: a damaged one, or a full disk, costs only time."""

import hashlib
import warnings
from pathlib import Path

from emotone import files
from emotone.errors import StoreWarning

_MARK = b"emotone kept file 1\n"
_SUM_BYTES = 32
#: Largest file, in bytes: graphs of encoders have hundreds of megabytes.
_MOST_BYTES = 2 << 30


def read_kept(path: Path) -> bytes | None:
    """Return what `keep` wrote; None, with a note unless the file is missing, if it has to be made again."""
    try:
        content = files.read_regular(path, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        _note(f"{path} can't be read ({error.strerror or error}): its content is made again")
        return None
    start = len(_MARK) + _SUM_BYTES
    if content[:start] != _MARK + hashlib.sha256(content[start:]).digest():
        _note(f"{path} is damaged: its content is made again")
        return None
    return content[start:]


def keep(path: Path, content: bytes) -> None:
    """Write a file with its checksum, atomically; a note says why if it can't be written."""
    try:
        with files.replacing(path) as temporary:
            temporary.write_bytes(_MARK + hashlib.sha256(content).digest() + content)
    except OSError as error:
        remedy = "make the folder writable, or choose another folder with --cache"
        _note(f"{path} can't be written ({error.strerror or error}): its content is not kept; {remedy}")


def _note(text: str) -> None:
    warnings.warn(text, StoreWarning, stacklevel=3)
