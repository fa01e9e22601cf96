"""The commands that `kills.py` kills: small inputs, what is run, and what must be the same afterwards."""

import csv
import hashlib
import http.client
import http.server
import io
import json
import os
import signal
import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import load_client
import numpy as np
from kills_runs import Forked

#: Speakers of the small corpus; emotion -> pitch in Hz and level of its voices.
_N_SPEAKERS = 4
_VOICES = {"neutral": (120.0, 0.05), "happy": (220.0, 0.1), "sad": (100.0, 0.02), "angry": (180.0, 0.2)}
_RATE_HZ = 16_000
_ARCHIVE = "Audio_Speech_Actors_01-24.zip"
#: Bytes of the archive that the local server sends at a time, with a pause in seconds after each.
_PIECE_BYTES, _PAUSE_S = 16_384, 0.01


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes
    ----------
    name
        Its name.
    work
        Runs it, in the current folder.
    use
        What a client does with it until a moment (`time.monotonic`), if it is a service.
    finish
        Ends it once it has done its work, and returns a result that no file has.
    """

    name: str
    work: Callable[[], object]
    use: Callable[[float], None] | None = None
    finish: Callable[[Forked], dict[str, str]] | None = None


def corpus(folder: Path) -> Path:
    """Write a small corpus of synthetic voices, and return its manifest."""
    from emotone.audio import write_wav

    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for speaker in range(_N_SPEAKERS):
        for emotion, (pitch_hz, level) in _VOICES.items():
            for number in range(2):
                path = folder / f"{speaker}_{emotion}_{number}.wav"
                write_wav(path, _voice(rng, pitch_hz + 10 * speaker, level))
                rows.append((path.name, emotion, f"speaker {speaker}"))
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "emotion", "speaker"), *rows])
    return folder / "clips.csv"


def _voice(rng: np.random.Generator, pitch_hz: float, level: float) -> Any:
    """Return 0.6 s of a sound with harmonics, (n,) float32."""
    t = np.arange(round(0.6 * _RATE_HZ)) / _RATE_HZ
    pitch_hz *= 1 + 0.02 * rng.standard_normal()
    wave = sum(np.sin(2 * np.pi * pitch_hz * n * t + rng.uniform(0, 6)) / n for n in range(1, 8))
    return (level * wave + 0.002 * rng.standard_normal(t.size)).astype(np.float32)


def emotone(*arguments: str) -> Callable[[], object]:
    """Return what runs a command line of Emotone."""

    def work() -> None:
        from emotone.cli.main import main

        sys.argv = ["emotone", *arguments]
        main()

    return work


def commands(manifest: Path, *, archive_url: str, port: int) -> dict[str, Command]:
    """Return all commands, by name."""
    clips = str(manifest)
    training = (clips, "--protocol", "leave-one-speaker-out", "--quiet")
    annotating = ("annotate", str(manifest.parent), "--out", "rows", "--workers", "2", "--part-files", "4", "--quiet")
    made = (
        Command("train", emotone("train", *training, "--model", "knn", "--workers", "1", "--out", "run")),
        Command("compare", emotone("compare", *training, "--models", "knn,svm", "--workers", "2", "--out", "compared")),
        Command("explore", emotone("explore", clips, "--out", "explored", "--quiet")),
        Command("annotate", emotone(*annotating)),
        Command("fetch", lambda: _fetch(archive_url)),
        _service(port, next(manifest.parent.glob("*_happy_0.wav"))),
    )
    return {command.name: command for command in made}


# ---- fetch ----


def _clips() -> list[str]:
    return [
        f"Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav" for actor in (1, 2, 3, 4) for emotion in (1, 5)
    ]


def _archive() -> bytes:
    held, rng = io.BytesIO(), np.random.default_rng(0)
    with zipfile.ZipFile(held, "w") as archive:
        for name in _clips():
            archive.writestr(zipfile.ZipInfo(name), rng.bytes(100_000))
    return held.getvalue()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _fetch(url: str) -> None:
    """Run `emotone fetch ravdess` with a small archive from a local server."""
    from emotone.corpora import registry
    from emotone.corpora.fetch import fetch
    from emotone.corpora.info import Archive, Source

    archive = Archive(file=_ARCHIVE, channel="speech", n_clips=len(_clips()), max_unpacked_bytes=2_000_000, md5="")
    info = registry.CORPORA["ravdess"]
    small = replace(info, source=Source(record="1188976", archives=(replace(archive, md5=_md5(_archive())),)))
    registry.CORPORA["ravdess"] = small  # type: ignore[index]
    os.environ["no_proxy"] = "*"
    fetch.fetch("ravdess", to=Path("data"), base_url=url)


@contextmanager
def archive_server() -> Iterator[str]:
    """Serve the archive with the paths of Zenodo, slowly and in parts; yield the address."""
    content = _archive()
    listing = {"files": [{"key": _ARCHIVE, "size": len(content), "checksum": f"md5:{_md5(content)}"}]}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
            body = content if "/files/" in self.path else json.dumps(listing).encode()
            asked = self.headers.get("Range", "bytes=0-")
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", '"1"')
            self.end_headers()
            for at in range(start, len(body), _PIECE_BYTES):
                self.wfile.write(body[at : at + _PIECE_BYTES])
                time.sleep(_PAUSE_S)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # the client was killed

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pid = os.fork()  # not a thread: this process forks the runs
    if pid == 0:
        try:
            server.serve_forever()
        finally:  # the fork must not go on with what this process does afterwards
            os._exit(0)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        server.server_close()


# ---- serve ----


def free_port() -> int:
    """Return a port of this machine that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _service(port: int, clip: Path) -> Command:
    """Return the service with its page, whose clients upload files, start jobs and ask for predictions."""
    data = clip.read_bytes()
    paths = ("/gradio_api/upload", "/v1/jobs", "/v1/predict", "/v1/timeline")

    def use(until: float) -> None:
        while time.monotonic() < until:
            for path in paths:
                _post(port, path, data, within_s=until - time.monotonic())

    def finish(run: Forked) -> dict[str, str]:
        run.wait(lambda: _post(port, "/v1/predict", data, within_s=5.0) is not None)
        answers = {path: str(_post(port, path, data, within_s=60.0)) for path in ("/v1/predict", "/v1/timeline")}
        folders = list(run.place.temporary.glob("emotone-*"))  # its own folder, and no other
        os.kill(run.pid, signal.SIGINT)
        run.wait()
        return answers | {"temporary folders while it runs": str(len(folders))}

    work = emotone("serve", "--port", str(port), "--workers", "1")
    return Command("serve", work, use, finish)


def _post(port: int, path: str, data: bytes, *, within_s: float) -> bytes | None:
    """Send a recording; return the answer, None without a good one in time."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=max(0.01, within_s))
    field = "files" if path.startswith("/gradio") else "file"
    body = load_client.form(data).replace(b'name="file"', f'name="{field}"'.encode(), 1)
    try:
        line.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={load_client.BOUNDARY}"})
        answer = line.getresponse()
        return answer.read() if answer.status < 300 else None
    except (OSError, http.client.HTTPException):
        time.sleep(0.01)
        return None
    finally:
        line.close()
