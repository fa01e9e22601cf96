"""A local server with the paths of Zenodo, which can cut, refuse and send wrong bytes."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotone.corpora import CORPORA
from emotone.corpora.fetch import download, fetch
from emotone.corpora.info import Archive, Source

SPEECH = "Audio_Speech_Actors_01-24.zip"


CLIPS = [f"Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav" for actor in (1, 2) for emotion in (1, 5)]


def pack(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


GOOD = pack({clip: bytes(range(256)) * 400 + clip.encode() for clip in CLIPS})


class Zenodo:
    """One record with one zip, and what the server does wrong with it."""

    def __init__(self) -> None:
        self.content = GOOD
        self.checksum = "md5:" + md5(GOOD)
        self.size = len(GOOD)
        self.etag = '"v1"'
        self.ranges = True
        self.cuts: list[int] = []  # the n-th answer with the zip stops after so many bytes
        self.statuses: list[int] = []  # the first answers to anything are these errors
        self.retry_after = "soon"
        self.seen: list[tuple[str, str | None, str | None]] = []  # path, Range, If-Range

    @property
    def zips(self) -> list[tuple[str | None, str | None]]:
        """Range and If-Range of the requests for the zip."""
        return [seen[1:] for seen in self.seen if "/files/" in seen[0]]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
        self.seen.append((request.path, asked, condition))
        if self.statuses:
            request.send_response(self.statuses.pop(0))
            request.send_header("Retry-After", self.retry_after)
            request.end_headers()
        elif request.path == "/api/records/1188976":
            listing = {"files": [{"key": SPEECH, "size": self.size, "checksum": self.checksum}]}
            self.send(request, json.dumps(listing).encode(), 200, {})
        elif request.path == f"/records/1188976/files/{SPEECH}?download=1":
            self.send_zip(request, asked, condition)
        else:
            request.send_error(404)

    def send_zip(self, request: BaseHTTPRequestHandler, asked: str | None, condition: str | None) -> None:
        headers = {"ETag": self.etag} if self.etag else {}
        if asked is None or not self.ranges or condition not in (None, self.etag):
            self.send(request, self.content, 200, headers, cut=True)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.content):
            request.send_error(416)
            return
        headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        self.send(request, self.content[start:], 206, headers, cut=True)

    def send(
        self, request: BaseHTTPRequestHandler, body: bytes, status: int, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for header in headers.items():
            request.send_header(*header)
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if cut and self.cuts else body)
        request.close_connection = True


def use_archive(monkeypatch: pytest.MonkeyPatch, *, md5: str = "") -> None:
    """Make the small archive, with a checksum or none, the source of RAVDESS."""
    archive = Archive(file=SPEECH, channel="speech", n_clips=len(CLIPS), max_unpacked_bytes=1_000_000, md5=md5)
    info = replace(CORPORA["ravdess"], source=Source(record="1188976", archives=(archive,)))
    monkeypatch.setitem(CORPORA, "ravdess", info)


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    state = Zenodo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  (the name that http.server calls)
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    waits: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    use_archive(monkeypatch, md5=md5(GOOD))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/"  # type: ignore[attr-defined]
    state.waits = waits  # type: ignore[attr-defined]
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def get(zenodo: Zenodo, to: Path, **options: object) -> Path:
    return fetch.fetch("ravdess", to=to, base_url=zenodo.url, **options)  # type: ignore[attr-defined, arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected_tree() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return {f"Audio_Speech_Actors_01-24/{name}": archive.read(name) for name in archive.namelist()}
