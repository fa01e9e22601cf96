"""The application: routes, streams, page and counters in one."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone._version import TAGLINE, __version__
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems, sockets
from emotone.serve.counters import Metrics
from emotone.serve.routes import _answers, _health
from emotone.serve.settings import ServeSettings
from emotone.serve.work_queue import WorkQueue

#: What the schema can't say: OpenAPI has no WebSockets.
_DESCRIPTION = (
    f"{TAGLINE}\n\n"
    'Live sound goes to the WebSocket `/v1/stream`: send `{"rate": 16000, "channels": 1, "adapt": false}`, then '
    '16-bit little-endian PCM in binary messages of at most 1 MiB, and `{"end": true}` last; events come back as JSON.'
)


def create_app(recognizer: Recognizer, *, settings: ServeSettings | None = None, page: bool = False) -> FastAPI:
    """Make the service of a model.

    Parameters
    ----------
    recognizer
        Answers; all requests share it.
    settings
        What the service takes on.
    page
        Whether there is a web page at ``/``.

    Returns
    -------
    FastAPI
        ``app.state.load`` tells who waits and runs; set its ``closing`` before the service ends.
    """
    settings = settings or ServeSettings()
    metrics = Metrics(("/v1/predict", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json"))
    load = WorkQueue(settings, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if load.closing:
            load.open()
        yield
        await load.close()

    # the pages of /docs and /redoc would be fetched from another host
    app = FastAPI(
        title="Emotone",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.load, app.state.settings = load, settings
    problems.add_handlers(app)
    app.include_router(_answers(recognizer, load, settings))
    app.include_router(_health(load, metrics))

    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await sockets.serve_stream(websocket, recognizer=recognizer, load=load, settings=settings)

    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(_Counted, metrics=metrics)
    if page:
        from emotone.serve.page.mount import add_page  # brings gradio

        add_page(app, recognizer, load=load)
    return app


class _Counted:
    """Counts requests by path and status, and says that answers are not to be kept or guessed at."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status = 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, told)
        finally:
            self.metrics.count(scope["path"], status)
