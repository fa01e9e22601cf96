"""Download one file, verified, and resumed where it was cut."""

import contextlib
import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from emotone._version import __version__
from emotone.errors import FetchError
from emotone.progress import Progress

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
#: Attempts in a row that brought nothing; the waits between them grow from `_FIRST_WAIT_S` by a factor of two.
_ATTEMPTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_MAX_JSON_BYTES = 10_000_000


@dataclass(frozen=True)
class Remote:
    """A file to download: where it is, and the size (bytes) and MD5 (hexadecimal) that it must have."""

    url: str
    size: int
    md5: str


class _CutError(Exception):
    """An attempt failed in a way that another may not; the server may ask for a wait of ``wait_s`` seconds."""

    def __init__(self, message: str, *, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _RangeError(Exception):
    """The server can't send that part of the file (416)."""


def read_json(url: str) -> object:
    """Download a small JSON document.

    Raises
    ------
    FetchError
        The server could not be reached in several attempts, refused, or answered with something else.
    """
    failures = 0
    while True:
        try:
            with _open(url, {"Accept": "application/json"}) as response:
                return json.loads(_read(response, _MAX_JSON_BYTES))
        except _CutError as cut:
            failures += 1
            if failures >= _ATTEMPTS:
                raise FetchError(f"{url} failed {failures} times: {cut}; check the network and try again") from cut
            _wait(failures, cut)
        except ValueError as error:
            raise FetchError(f"{url} did not answer with JSON ({error}); try again later") from error


def download(remote: Remote, *, to: Path, progress: Progress | None = None) -> Path:
    """Download ``remote`` to the file ``to``.

    What has arrived is kept in ``to`` + ``.part``, from where this and any later call goes on, if the server can
    send the rest of a file; otherwise it starts again.

    Parameters
    ----------
    remote
        What to download.
    to
        The file to write; it appears only once its checksum is right.
    progress
        Called with bytes.

    Raises
    ------
    FetchError
        The server could not be reached in several attempts, refused, or sent a file with another checksum, which
        is then removed.
    """
    if to.exists() and _md5(to) == remote.md5:
        return to
    part = to.with_name(to.name + ".part")
    resumed = _persist_download(remote, part=part, progress=progress)
    found = _md5(part)
    if found != remote.md5 and resumed:
        # It was put together from several answers, perhaps of a file that changed: worth one whole download.
        _forget(part)
        _persist_download(remote, part=part, progress=progress)
        found = _md5(part)
    if found != remote.md5:
        _forget(part)
        raise FetchError(
            f"{remote.url} has the MD5 {found}, expected {remote.md5}: damaged or another file. "
            "It was removed; try again, and if it happens again do not use that server"
        )
    os.replace(part, to)
    _forget(part)
    return to


def _persist_download(remote: Remote, *, part: Path, progress: Progress | None) -> bool:
    """Fill ``part`` up to the size expected; tell whether it was put together from more than one answer."""
    resumed = True  # also of a part that is whole, or too long: the checksum will tell
    failures, most = 0, _size(part)
    while _size(part) < remote.size:
        try:
            resumed = _receive(remote, part=part, progress=progress)
        except _CutError as cut:
            # Only getting further than ever before counts as progress: a server that always starts again may not.
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures >= _ATTEMPTS:
                raise FetchError(
                    f"{remote.url} failed {failures} times in a row: {cut}. {_size(part)} of {remote.size} bytes are "
                    f"kept in {str(part)!r}: check the network and run the same command again to go on"
                ) from cut
            _wait(failures, cut)
        except OSError as error:
            if isinstance(error, FetchError):
                raise
            raise FetchError(f"{str(part)!r} can't be written: {error}; make room, or choose another folder") from error
    return resumed


def _receive(remote: Remote, *, part: Path, progress: Progress | None) -> bool:
    """Append the rest of the file to ``part`` in one request; False if the server made it start from 0."""
    have = _size(part)
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator := _validator(part):
            headers["If-Range"] = validator  # the whole file comes instead if it is not the same any more
    try:
        response = _open(remote.url, headers)
    except _RangeError:
        _forget(part)
        return False
    with response:
        start = _start(response)
        if start not in (0, have):
            raise _CutError(f"the server sent bytes from {start}, asked for {have}")
        _remember(part, response)
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, have=start, remote=remote, progress=progress)
    return start > 0


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], *, have: int, remote: Remote, progress: Progress | None
) -> None:
    """Copy a response to ``file``, which holds ``have`` bytes; not a byte more than the file must have."""
    what = f"downloading {Path(urllib.parse.urlsplit(remote.url).path).name}"
    while have < remote.size:
        chunk = _read(response, min(_CHUNK_BYTES, remote.size - have))
        if not chunk:
            raise _CutError(f"the connection ended after {have} of {remote.size} bytes")
        file.write(chunk)
        have += len(chunk)
        if progress is not None:
            progress(have, remote.size, what)


def _read(response: http.client.HTTPResponse, n_bytes: int) -> bytes:
    try:
        return response.read(n_bytes)
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(f"the connection was cut ({error})") from error


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Send a request; a failure that may pass is a `_CutError`, another a FetchError."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url!r} is not an address to download from; expected https://...")
    request = urllib.request.Request(url, headers={"User-Agent": f"emotone/{__version__}", **headers})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            raise _RangeError from error
        if error.code in _PASSING:
            seconds = error.headers.get("Retry-After", "")
            wait_s = min(float(seconds), _LONGEST_WAIT_S) if seconds.isdecimal() else 0.0
            raise _CutError(f"the server answered {error.code} {error.reason}", wait_s=wait_s) from error
        raise FetchError(
            f"{url} answered {error.code} {error.reason}; check the address, or try again later"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _CutError(f"the server can't be reached ({reason})") from error


def _start(response: http.client.HTTPResponse) -> int:
    """Find where in the file the response starts: 0 for a whole one."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _wait(failures: int, cut: _CutError) -> None:
    time.sleep(max(_FIRST_WAIT_S * 2 ** (failures - 1), cut.wait_s))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _note(part: Path) -> Path:
    """Name the file that remembers which version of the remote file ``part`` is of."""
    return part.with_name(part.name + ".etag")


def _validator(part: Path) -> str:
    note = _note(part)
    return note.read_text(encoding="utf-8") if note.exists() else ""


def _remember(part: Path, response: http.client.HTTPResponse) -> None:
    """Keep a strong ETag; a weak one (``W/``) says nothing about bytes, and may not be sent in If-Range."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        _note(part).write_text(etag, encoding="utf-8")
    else:
        _note(part).unlink(missing_ok=True)


def _forget(part: Path) -> None:
    for path in (part, _note(part)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
