"""The guard in front of Gradio's endpoints: access, content security policy, and limits of requests."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import PlainTextResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone.serve import problems
from emotone.serve.page import html
from emotone.serve.page.sessions import in_short
from emotone.serve.problems import ProblemError, too_large
from emotone.serve.receptions import Reception
from emotone.serve.security import check_key, check_length, check_origin
from emotone.serve.settings import max_request_bytes
from emotone.serve.work_queue import WorkQueue

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
#: Paths of Gradio that its clients for programs use.  Its page, its files and the uploads are not among them: nothing
#: here uses them, and they would be HTML and content of others under the address of this page.
_OPEN = re.compile(
    r"/config/?|/gradio_api/("
    r"(info|app_id|startup-events|upload|queue/join|queue/data|reset|cancel)/?|(call|run|api)/.+|heartbeat/[^/]+)"
)
#: What these paths answer is for programs: a browser that opens it loads and runs nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
#: Seconds between two checks whether the service ends.
_CLOSING_S = 0.5
_UPLOAD = "/gradio_api/upload"
#: Largest request that is not an upload.
_MAX_BYTES = 1 << 20
#: Size of the upload folder, in uploads of the largest size.
_MAX_KEPT = 4
#: Statuses of Gradio that the service answers itself.
_REFUSALS = (404, 405)
_log = logging.getLogger(__name__)


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
    """Pass requests of programs to Gradio's application, ``page``, which keeps uploads in ``folder``."""

    def __init__(self, page: ASGIApp, *, folder: str, queue: WorkQueue) -> None:
        self.page, self.queue, self.settings = page, queue, queue.settings
        self._folder = Path(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        path, headers = scope["path"], Headers(scope=scope)
        if scope["type"] != "http" or not _OPEN.fullmatch(path):
            raise HTTPException(404)
        check_key(self.settings, headers)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            check_origin(self.settings, headers)

        answer = _Answer(send)
        if path.rstrip("/") != _UPLOAD:
            return await self._pass_on(scope, receive, answer, max_bytes=_MAX_BYTES)
        try:
            self._check_room(headers)
            await self._pass_on(scope, receive, answer, max_bytes=max_request_bytes(self.settings.max_upload_bytes))
        except ProblemError as problem:  # Gradio shows the body of an error as it is
            text = html.problem_text(problem)
            response = PlainTextResponse(text, status_code=problem.status, headers=problem.headers)
            await response(scope, receive, _Answer(send, holds_back=False).send)

    async def _pass_on(self, scope: Scope, receive: Receive, answer: "_Answer", *, max_bytes: int) -> None:
        """Pass a request on; raise what is wrong with it as `ProblemError` or `HTTPException`."""
        body = _Body(receive, self.queue, max_bytes=max_bytes)
        failed: Exception | None = None

        async def send(message: Message) -> None:
            if body.problem is None:  # what Gradio says of a body that it did not get is of no use
                await answer.send(message)

        with body.opened(scope):
            try:
                await self.page(scope, body.receive, send)
            except Exception as error:  # uvicorn would log it with a traceback of 7 kB
                failed = error
        if body.problem is not None and not answer.is_started:
            raise body.problem
        if failed is not None and not isinstance(failed, ClientDisconnect):
            path = "".join(letter for letter in scope["path"] if letter.isprintable())[:100]
            _log.warning("the page failed on %s %s: %s", scope["method"], path, in_short(failed))
        if answer.is_started:
            return await answer.end()
        if isinstance(failed, OSError) and not isinstance(failed, ClientDisconnect):
            raise problems.internal()
        if failed is not None or answer.status >= 500:
            raise ProblemError("bad_request", "the page can't use what was sent; see /openapi.json for programs")
        if answer.status:
            raise HTTPException(answer.status)

    def _check_room(self, headers: Headers) -> None:
        """Check that an upload fits into the folder."""
        check_length(headers, max_upload_bytes=self.settings.max_upload_bytes)
        if _size(self._folder) > _MAX_KEPT * self.settings.max_upload_bytes:
            raise ProblemError("busy", "the folder of uploads is full; try again in some minutes")


class _Body:
    """A request's body within limits; Gradio sees a disconnect where it is too large, too slow, or complete."""

    def __init__(self, receive: Receive, queue: WorkQueue, *, max_bytes: int) -> None:
        self._receive, self._queue, self._max_bytes = receive, queue, max_bytes
        self._reception: Reception | None = None
        #: What is wrong with it.
        self.problem: ProblemError | None = None

    @contextlib.contextmanager
    def opened(self, scope: Scope) -> Iterator[None]:
        """Count the body among those that are received, until it is complete."""
        with contextlib.ExitStack() as self._stack:
            self._reception = self._stack.enter_context(self._queue.receptions.open(scope, max_bytes=self._max_bytes))
            yield

    async def receive(self) -> Message:
        """Return the next message."""
        if self.problem is not None:
            return {"type": "http.disconnect"}
        if self._reception is None:
            return await self._receive_until_closing()
        try:
            message = await self._reception.wait(self._receive())
            n_bytes = len(message.get("body", b""))
            self._reception.received(n_bytes)
            if self._reception.timeout.n_bytes > self._max_bytes:
                raise too_large(self._max_bytes)
        except ProblemError as problem:
            self.problem = problem
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self._reception = None
            self._stack.close()
        return message

    async def _receive_until_closing(self) -> Message:
        """Report a disconnect once the service ends, which would wait for the idle connections of open pages."""
        message = asyncio.ensure_future(self._receive())
        try:
            while not message.done():
                if self._queue.closing and self._queue.is_idle:
                    return {"type": "http.disconnect"}
                await asyncio.wait({message}, timeout=_CLOSING_S)
            return message.result()
        finally:
            message.cancel()


class _Answer:
    """An answer of the page: its headers are added, and Gradio's refusals held back, for problems of the service.

    Attributes
    ----------
    status
        Its status; 0 before it begins.
    is_started
        Whether the client has got a part of it.
    """

    def __init__(self, send: Send, *, holds_back: bool = True) -> None:
        self._send, self._holds_back = send, holds_back
        self.status, self.is_started, self._is_complete = 0, False, False

    async def send(self, message: Message) -> None:
        """Send a message to the client."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            response = MutableHeaders(scope=message)
            if self.status == 500 and response.get("content-type", "").startswith("application/json"):
                self.status = message["status"] = 422  # Gradio's answer to a program whose recording it can't use
            response.update(_HEADERS)
        if self._holds_back and (self.status in _REFUSALS or self.status >= 500):
            return
        self.is_started = True
        self._is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """Send the end of an answer that broke off."""
        if not self._is_complete:
            await self._send({"type": "http.response.body", "body": b""})


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    n_bytes = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            n_bytes += path.lstat().st_size
    return n_bytes
