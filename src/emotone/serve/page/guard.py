"""The guard in front of Gradio's endpoints: access, content security policy, and limits of requests."""

import asyncio
import contextlib
from importlib import resources
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import PlainTextResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.serve.page import html
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key, check_length, check_origin
from emotone.serve.settings import max_request_bytes
from emotone.serve.timeouts import UploadTimeout
from emotone.serve.work_queue import Slot, WorkQueue

#: The page's own files -> their type.
ASSETS = {
    "answers.js": "text/javascript",
    "conversation.ogg": "audio/ogg",
    "icon.svg": "image/svg+xml",
    "lanes.css": "text/css",
    "live.js": "text/javascript",
    "microphone.js": "text/javascript",
    "names.js": "text/javascript",
    "page.css": "text/css",
    "recorder.js": "text/javascript",
    "tabs.js": "text/javascript",
    "timeline.js": "text/javascript",
    "voice.js": "text/javascript",
    "woman_lively.wav": "audio/wav",
    "woman_plain.wav": "audio/wav",
    "woman_subdued.wav": "audio/wav",
    "worklet.js": "text/javascript",
}
#: Paths of Gradio that this page does not use; they expose internals or fetch from other hosts.
_CLOSED = (
    *("/login", "/logout", "/monitoring", "/pwa_icon", "/robots.txt", "/gradio_api/file/", "/gradio_api/proxy="),
    *("/gradio_api/vibe", "/gradio_api/undo-vibe", "/gradio_api/dev", "/gradio_api/profiling", "/gradio_api/mcp"),
    *("/gradio_api/run-history", "/gradio_api/runs", "/gradio_api/deep_link", "/gradio_api/process_recording"),
    *("/gradio_api/custom_component", "/gradio_api/token", "/gradio_api/user", "/gradio_api/openapi.json"),
    *("/gradio_api/component_server", "/gradio_api/stream/"),
)
#: Browsers load everything from this service only, even if a library asks for another host.
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-ancestors 'self'",
        "form-action 'self'",
        "base-uri 'self'",
    ]
)
#: Seconds between two checks whether the service ends.
_CLOSING_S = 0.5
_UPLOAD, _FILE = "/gradio_api/upload", "/gradio_api/file="
#: Largest request that is not an upload.
_MAX_BYTES = 1 << 20
#: Size of the upload folder, in uploads of the largest size.
_MAX_KEPT = 4
#: Files whose names change with their content, so browsers may cache them.
_CACHEABLE = ("/assets/", "/static/")


def assets() -> APIRouter:
    """Return the routes of the page's static files, which need no key."""
    routes = APIRouter(include_in_schema=False)
    folder = resources.files("emotone.serve.page") / "assets"
    contents = {name: (folder / name).read_bytes() for name in ASSETS}

    @routes.get("/page/{name}")
    async def asset(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-cache"}
        kind = ASSETS[name] if ASSETS[name].startswith("audio/") else f"{ASSETS[name]}; charset=utf-8"
        return Response(contents[name], media_type=kind, headers=headers)

    return routes


class Guard:
    """Pass allowed requests to Gradio's application, ``page``; send no file outside ``folder`` of the uploads."""

    def __init__(self, page: ASGIApp, *, folder: str, queue: WorkQueue) -> None:
        self.page, self.queue, self.settings = page, queue, queue.settings
        self._folder = Path(folder)
        self._files = f"{_FILE}{folder}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        path, headers = scope["path"], Headers(scope=scope)
        if scope["type"] != "http" or path == "/v1" or path.startswith(("/v1/", *_CLOSED)):
            raise HTTPException(404)
        if path.startswith(_FILE) and (not path.startswith(self._files) or "/../" in path):
            raise HTTPException(404)
        check_key(self.settings, headers)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            check_origin(self.settings, headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                response["Content-Security-Policy"] = _POLICY
                response["Referrer-Policy"] = "no-referrer"
                if path.startswith(_CACHEABLE):
                    response["Cache-Control"] = "private, max-age=604800"
            await send(message)

        if path.rstrip("/") != _UPLOAD:
            return await self.page(scope, self._limited(receive, _MAX_BYTES), send_with_headers)
        try:
            slot = self._admit(headers)
        except ProblemError as problem:  # Gradio shows the body of an error as it is
            text = html.problem_text(problem)
            response = PlainTextResponse(text, status_code=problem.status, headers=problem.headers)
            return await response(scope, receive, send_with_headers)
        most = max_request_bytes(self.settings.max_upload_bytes)
        with slot:
            await self.page(scope, self._limited(receive, most), send_with_headers)

    def _admit(self, headers: Headers) -> Slot:
        """Return a slot for an upload, if it fits into memory and into the folder."""
        check_length(headers, max_upload_bytes=self.settings.max_upload_bytes)
        if _size(self._folder) > _MAX_KEPT * self.settings.max_upload_bytes:
            raise ProblemError("busy", "the folder of uploads is full; try again in some minutes")
        return self.queue.admit()

    async def _receive_until_closing(self, receive: Receive) -> Message:
        """Report a disconnect once the service ends, which would wait for the idle connections of open pages."""
        message = asyncio.ensure_future(receive())
        try:
            while not message.done():
                if self.queue.closing and self.queue.is_idle:
                    return {"type": "http.disconnect"}
                await asyncio.wait({message}, timeout=_CLOSING_S)
            return message.result()
        finally:
            message.cancel()

    def _limited(self, receive: Receive, limit: int) -> Receive:
        """Report a disconnect if a body is larger than ``limit`` bytes or too slow."""
        n_bytes, is_complete, timeout = 0, False, UploadTimeout(self.settings.idle_stream_s)

        async def limited() -> Message:
            nonlocal n_bytes, is_complete
            if is_complete:
                return await self._receive_until_closing(receive)
            try:
                async with asyncio.timeout(timeout.wait_s(n_bytes)):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            n_bytes += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            return message if n_bytes <= limit else {"type": "http.disconnect"}

        return limited


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    n_bytes = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            n_bytes += path.lstat().st_size
    return n_bytes
