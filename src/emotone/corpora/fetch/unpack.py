"""Unpack an untrusted zip file: no member leaves the folder, and the size is limited."""

import os
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from emotone.errors import FetchError
from emotone.progress import Progress
from emotone.temporary import temporary_folder

#: Begin of the names of folders that are being unpacked.
UNFINISHED = ".unpacking-"
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_MEMBERS = 100_000


def unpack(archive: Path, *, to: Path, max_bytes: int, progress: Progress | None = None) -> Path:
    """Unpack a zip file into the new folder ``to``, which appears only when it is complete.

    Parameters
    ----------
    archive
        The zip file.
    to
        The folder to create; it must not exist.
    max_bytes
        Limit on the unpacked size, bytes.
    progress
        Called with bytes.

    Raises
    ------
    FetchError
        The file is no zip or is damaged; a member would leave the folder, is a link, or is encrypted; or the content
        is larger than ``max_bytes`` or than the free disk space.  No partial content remains.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            total = _check(members, archive=archive, max_bytes=max_bytes)
            need_space(to.parent, total, what=f"unpacking {archive.name}")
            with temporary_folder(UNFINISHED, parent=to.parent) as folder:
                # The temporary folder is private to this user. The corpus, a new folder in it, is not.
                fresh = folder / to.name
                fresh.mkdir()
                _extract(source, members, to=fresh, total=total, progress=progress)
                os.rename(fresh, to)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FetchError(f"{str(archive)!r} is damaged or no zip: {error}; remove it and fetch again") from error
    except OSError as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"{str(archive)!r} can't be unpacked into {str(to)!r}: {error}") from error
    return to


def need_space(folder: Path, n_bytes: int, *, what: str) -> None:
    """Check that the disk of ``folder`` has ``n_bytes`` of free space.

    Raises
    ------
    FetchError
        It has less; the message says how much.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise FetchError(
            f"{what} needs {n_bytes / 1e6:.0f} MB, and the disk of {str(folder)!r} has {free / 1e6:.0f} MB free; "
            "make room, or choose another folder"
        )


def _check(members: list[zipfile.ZipInfo], *, archive: Path, max_bytes: int) -> int:
    """Check every member before writing any; return the unpacked size in bytes."""
    if len(members) > _MAX_MEMBERS:
        raise FetchError(
            f"{archive.name} has {len(members)} members, expected at most {_MAX_MEMBERS}; it was not unpacked"
        )
    for member in members:
        if fault := _fault(member):
            raise FetchError(f"{archive.name} holds {member.filename!r}, {fault}; it was not unpacked")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise FetchError(
            f"{archive.name} would unpack to {total / 1e6:.0f} MB, expected at most {max_bytes / 1e6:.0f} MB; "
            "it was not unpacked"
        )
    return total


def _fault(member: zipfile.ZipInfo) -> str:
    """Return why a member must not be unpacked; ``""`` if it may."""
    # On Windows a backslash separates folders, so treat it as a slash on every system.
    name = member.filename.replace("\\", "/")
    mode = member.external_attr >> 16
    if name.startswith("/") or _DRIVE.match(name):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path out of its folder"
    if ":" in name:
        return "a name with a colon, which Windows reads as a drive or a stream"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or device, not a file"
    if member.flag_bits & _ENCRYPTED:
        return "an encrypted file"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"packed with method {member.compress_type}, expected stored or deflated"
    return ""


def _extract(
    source: zipfile.ZipFile, members: list[zipfile.ZipInfo], *, to: Path, total: int, progress: Progress | None
) -> None:
    """Write the checked members below ``to``; zipfile checks their declared sizes and CRCs."""
    done = 0
    for member in members:
        target = to / member.filename.replace("\\", "/")
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open(member) as packed, target.open("xb") as file:  # "x": a repeated name is an error
            while chunk := packed.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
        if progress is not None:
            progress(done, total, f"unpacking {to.name}")
