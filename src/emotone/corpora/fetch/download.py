"""Download a file, verify its checksum, and resume interrupted downloads."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from emotone import files
from emotone._version import __version__
from emotone.errors import FetchError
from emotone.progress import Progress

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
#: Failures in a row before giving up; the waits between them double, from `_FIRST_WAIT_S`.
_ATTEMPTS = 5
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_MAX_JSON_BYTES = 10_000_000


@dataclass(frozen=True)
class Remote:
    """A file to download: its URL, size in bytes, and MD5 in hexadecimal."""

    url: str
    size: int
    md5: str


class _CutError(Exception):
    """An attempt failed, and another may succeed; the server may require a wait of ``wait_s`` seconds."""

    def __init__(self, message: str, *, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _RangeError(Exception):
    """The server can't send the requested part of the file (416)."""


def read_json(url: str) -> object:
    """Download a small JSON document.

    Raises
    ------
    FetchError
        The server could not be reached in several attempts, refused the request, or did not answer with JSON.
    """
    failures = 0
    while True:
        try:
            with _open(url, {"Accept": "application/json"}) as response:
                return files.parse_json(_read(response, _MAX_JSON_BYTES))
        except _CutError as cut:
            failures += 1
            if failures >= _ATTEMPTS:
                raise FetchError(f"{url} failed {failures} times: {cut}; check the network and try again") from cut
            _wait(failures, cut)
        except ValueError as error:
            raise FetchError(f"{url} did not answer with JSON ({error}); try again later") from error


def download(remote: Remote, *, to: Path, progress: Progress | None = None) -> Path:
    """Download ``remote`` to the file ``to``.

    Received bytes are kept in ``to`` + ``.part``.  This call and later ones continue from there if the server
    supports byte ranges, and start again otherwise.

    Parameters
    ----------
    remote
        What to download.
    to
        The file to write; it appears only when its checksum is right.
    progress
        Called with bytes.

    Raises
    ------
    FetchError
        The server could not be reached in several attempts, refused the request, or sent a file with another
        checksum, which is then removed.
    """
    if to.exists() and _md5(to) == remote.md5:
        return to
    part = to.with_name(to.name + ".part")
    resumed = _fill(part, remote, progress=progress)
    md5 = _md5(part)
    if md5 != remote.md5 and resumed:
        # The file may have changed on the server between the requests: download it once more in a single request.
        _forget(part)
        _fill(part, remote, progress=progress)
        md5 = _md5(part)
    if md5 != remote.md5:
        _forget(part)
        raise FetchError(
            f"{remote.url} has the MD5 {md5}, expected {remote.md5}: damaged or another file. "
            "It was removed; try again, and if it happens again do not use that server"
        )
    os.replace(part, to)
    _forget(part)
    return to


def _fill(part: Path, remote: Remote, *, progress: Progress | None) -> bool:
    """Download until ``part`` has the expected size; return whether it holds bytes of more than one request."""
    resumed = True  # also if part is already complete or too long: the checksum decides
    failures, most = 0, _size(part)
    while _size(part) < remote.size:
        try:
            resumed = _receive(remote, part=part, progress=progress)
        except _CutError as cut:
            # Count only new bytes as progress, or a server that always starts again would be tried forever.
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures >= _ATTEMPTS:
                raise FetchError(
                    f"{remote.url} failed {failures} times in a row: {cut}. {_size(part)} of {remote.size} bytes are "
                    f"kept in {str(part)!r}: check the network and run the same command again to continue"
                ) from cut
            _wait(failures, cut)
        except OSError as error:
            if isinstance(error, FetchError):
                raise
            raise FetchError(f"{str(part)!r} can't be written: {error}; make room, or choose another folder") from error
    return resumed


def _receive(remote: Remote, *, part: Path, progress: Progress | None) -> bool:
    """Append the rest of the file to ``part`` in one request; return False if the server started from byte 0."""
    have = _size(part)
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _etag_file(part).exists():
            headers["If-Range"] = _etag_file(part).read_text(encoding="utf-8")  # a changed file is sent whole
    try:
        response = _open(remote.url, headers)
    except _RangeError:
        _forget(part)
        return False
    with response:
        start = _start(response)
        if start not in (0, have):
            raise _CutError(f"the server sent bytes from {start}, requested {have}")
        _keep_etag(part, response)
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, have=start, remote=remote, progress=progress)
    return start > 0


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], *, have: int, remote: Remote, progress: Progress | None
) -> None:
    """Append a response to ``file``, which holds ``have`` bytes, up to the expected size."""
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
    """Send a request; raise `_CutError` for a transient failure and FetchError for a permanent one."""
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
        if error.code in _TRANSIENT:
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
    """Return the first byte of the file in the response: 0 for a whole file, -1 if unknown."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _wait(failures: int, cut: _CutError) -> None:
    time.sleep(max(_FIRST_WAIT_S * 2 ** (failures - 1), cut.wait_s))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _etag_file(part: Path) -> Path:
    """Return the path of the file with the ETag of ``part``."""
    return part.with_name(part.name + ".etag")


def _keep_etag(part: Path, response: http.client.HTTPResponse) -> None:
    """Keep a strong ETag; a weak one (``W/``) does not identify bytes, and HTTP forbids it in If-Range."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        _etag_file(part).write_text(etag, encoding="utf-8")
    else:
        _etag_file(part).unlink(missing_ok=True)


def _forget(part: Path) -> None:
    for path in (part, _etag_file(part)):
        path.unlink(missing_ok=True)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
