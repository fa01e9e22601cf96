"""What stands before the page: who may use it, what it may load, and how much it takes in."""

import asyncio
import contextlib
from importlib import resources
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.serve.page import html
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key, check_origin
from emotone.serve.settings import ServeSettings
from emotone.serve.timeouts import UploadTimeout
from emotone.serve.work_queue import Slot, WorkQueue

#: The page's own files -> their type.
ASSETS = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "worklet.js": "text/javascript",
}
#: Of the paths that Gradio brings, those that no page of ours uses: they show its inside, or fetch from elsewhere.
_CLOSED = (
    *("/login", "/logout", "/monitoring", "/pwa_icon", "/robots.txt", "/gradio_api/file/", "/gradio_api/proxy="),
    *("/gradio_api/vibe", "/gradio_api/undo-vibe", "/gradio_api/dev", "/gradio_api/profiling", "/gradio_api/mcp"),
    *("/gradio_api/run-history", "/gradio_api/runs", "/gradio_api/deep_link", "/gradio_api/process_recording"),
    *("/gradio_api/custom_component", "/gradio_api/token", "/gradio_api/user", "/gradio_api/openapi.json"),
    *("/gradio_api/component_server", "/gradio_api/stream/"),
)
#: Everything from here and nowhere else: a browser enforces it, whatever a library would like to fetch.
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
#: How often it is looked whether the service ends.
_CLOSING_S = 0.5
_UPLOAD, _FILE = "/gradio_api/upload", "/gradio_api/file="
#: The most that a request may bring that is no upload, and what an upload's form may take beside the recordings, bytes.
_MOST_BYTES, _FORM_BYTES = 1 << 20, 65_536
#: So many of the largest uploads may lie in the folder at once.
_MOST_KEPT = 4
#: Files whose names change with their content.
_LASTING = ("/assets/", "/static/")


def assets() -> APIRouter:
    """Make the paths of the page's own files, which need no key: they are the same for everybody."""
    paths = APIRouter(include_in_schema=False)
    folder = resources.files("emotone.serve.page") / "assets"
    held = {name: (folder / name).read_bytes() for name in ASSETS}

    @paths.get("/page/{name}")
    async def asset(name: str) -> Response:
        if name not in held:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-cache"}
        return Response(held[name], media_type=f"{ASSETS[name]}; charset=utf-8", headers=headers)

    return paths


class Guard:
    """Passes to the page what may be passed.

    Parameters
    ----------
    page
        Gradio's application.
    folder
        Where uploads are; no other file is given out.
    load, settings
        Uploads count as requests, and are refused as those are.
    """

    def __init__(self, page: ASGIApp, *, folder: str, load: WorkQueue, settings: ServeSettings) -> None:
        self.page, self.load, self.settings = page, load, settings
        self._folder = Path(folder)
        self._files = f"{_FILE}{folder}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        path, headers = scope["path"], Headers(scope=scope)
        if scope["type"] != "http" or path == "/v1" or path.startswith(("/v1/", *_CLOSED)):
            raise HTTPException(404)
        if path.startswith(_FILE) and (not path.startswith(self._files) or "/../" in path):
            raise HTTPException(404)
        try:
            check_key(self.settings, headers)
        except ProblemError:
            if path == "/" and scope["method"] in ("GET", "HEAD"):
                return await RedirectResponse("login", status_code=303)(scope, receive, send)
            raise
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            check_origin(self.settings, headers)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["Content-Security-Policy"] = _POLICY
                answer["Referrer-Policy"] = "no-referrer"
                if path.startswith(_LASTING):
                    answer["Cache-Control"] = "private, max-age=604800"
            await send(message)

        if path.rstrip("/") != _UPLOAD:
            return await self.page(scope, self._limited(receive, _MOST_BYTES), told)
        try:
            slot = self._admitted(headers)
        except ProblemError as problem:  # Gradio shows what it is told, whatever that is
            words = PlainTextResponse(html.in_words(problem), status_code=problem.status, headers=problem.headers)
            return await words(scope, receive, told)
        try:
            most = self.settings.max_upload_bytes + _FORM_BYTES
            await self.page(scope, self._limited(receive, most), told)
        finally:
            slot.release()

    def _admitted(self, headers: Headers) -> Slot:
        """Make room for an upload, in memory and in the folder."""
        most, length = self.settings.max_upload_bytes, headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > most + _FORM_BYTES:
            raise ProblemError("too_large", f"the upload is larger than {most} bytes; send fewer or shorter recordings")
        if _size(self._folder) > _MOST_KEPT * most:
            raise ProblemError("busy", "the uploads of the last minutes fill their room; try again in some minutes")
        return self.load.admit()

    def _until_the_end(self, receive: Receive) -> Receive:
        """Receive as before, and tell that the client has gone once the service ends.

        A page that is open holds a stream open, on which nothing comes: the service would wait for it in vain.
        """

        async def limited() -> Message:
            message = asyncio.ensure_future(receive())
            try:
                while not message.done():
                    if self.load.closing and self.load.is_idle:
                        return {"type": "http.disconnect"}
                    await asyncio.wait({message}, timeout=_CLOSING_S)
                return message.result()
            finally:
                message.cancel()

        return limited

    def _limited(self, receive: Receive, most: int) -> Receive:
        """Receive as before, and give up on a body that is larger than so many bytes, or of which too little comes."""
        n_bytes, is_whole, patience = 0, False, UploadTimeout(self.settings.idle_stream_s)
        after = self._until_the_end(receive)

        async def limited() -> Message:
            nonlocal n_bytes, is_whole
            if is_whole:
                return await after()
            try:
                async with asyncio.timeout(patience.wait_s(n_bytes)):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            n_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            return message if n_bytes <= most else {"type": "http.disconnect"}

        return limited


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    n_bytes = 0
    for one in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it was deleted meanwhile
            n_bytes += one.lstat().st_size
    return n_bytes
