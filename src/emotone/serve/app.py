"""The application: routes, streams, page and counters."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotone._version import TAGLINE, __version__
from emotone.audio.push_decoder import LIVE_FORMATS
from emotone.recognition.recognizer import Recognizer
from emotone.serve import api_docs, problems, sockets
from emotone.serve.counters import Metrics
from emotone.serve.hosts import CheckHost, HostRule
from emotone.serve.job_routes import job_routes
from emotone.serve.jobs import Jobs
from emotone.serve.own_source import OwnSource
from emotone.serve.routes import health_routes, prediction_routes
from emotone.serve.settings import ServeSettings
from emotone.serve.timeline_routes import timeline_routes
from emotone.serve.work_queue import WorkQueue

#: OpenAPI can't describe WebSockets, so the description does.
_DESCRIPTION = (
    f"{TAGLINE}\n\n"
    "Live sound goes to the WebSocket `/v1/stream`: send "
    '`{"rate": 16000, "channels": 1, "format": "s16le", "adapt": false}`, then the sound in binary messages of at most '
    '1 MiB, and `{"end": true}` last. '
    f"`format` is {', '.join(LIVE_FORMATS)}; a container has its own rate and channels. "
    "The Media Streams of Twilio may connect to the same address. Each event comes back as "
    "a JSON object with `kind` (`speech_start`, `emotion` or `speech_end`), `time_s` and, if there is a prediction, "
    "the keys of a prediction (`emotion`, `label`, `confidence`, `scores`, `speech`, `start_s`, `end_s`, `notes`, "
    "`adapted`)."
)
#: Paths that are counted by name.
_COUNTED = (
    *("/v1/predict", "/v1/timeline", "/v1/jobs", "/v1/jobs/ID", "/v1/jobs/ID/result", "/v1/jobs/ID/events"),
    *("/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
)
_JOB = re.compile("^/v1/jobs/[^/]+")


def create_app(
    recognizer: Recognizer, *, settings: ServeSettings | None = None, page: bool = False, listens_on: str | None = None
) -> FastAPI:
    """Return the service of a model; ``app.state.queue`` is its `WorkQueue`, ``app.state.jobs`` its `Jobs`.

    Parameters
    ----------
    recognizer
        The model; all requests share it.
    settings
        Limits and access.
    page
        Whether there is a web page at ``/``.
    listens_on
        Address that the service listens on, which decides by which names it may be called (`HostRule`).

    Raises
    ------
    MissingExtraError
        ``page`` is set, and gradio is not installed.
    ConfigError
        The settings say to learn the source, and the model can't adapt.
    """
    settings, metrics = settings or ServeSettings(), Metrics(_COUNTED)
    queue, source = WorkQueue(settings, metrics), OwnSource(recognizer, learns=settings.learn_source)
    jobs = Jobs(queue)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if queue.closing:
            queue.open()
            jobs.open()
        forgetting = asyncio.create_task(jobs.forget_regularly())
        yield
        forgetting.cancel()
        queue.closing = True
        recognizer.close()  # a graph that does not end would hold up a thread
        await jobs.close()
        await queue.close()

    # FastAPI's /docs and /redoc would load scripts from another host
    app = FastAPI(
        title="Emotone", version=__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.queue, app.state.jobs, app.state.settings = queue, jobs, settings
    problems.add_handlers(app)
    problems.describe(app)
    app.include_router(prediction_routes(recognizer, queue, source))
    app.include_router(timeline_routes(recognizer, queue, source))
    app.include_router(job_routes(recognizer, jobs, source))
    app.include_router(health_routes(queue, jobs, metrics))
    if api_docs.is_installed():
        app.include_router(api_docs.docs_routes())

    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await sockets.serve_stream(websocket, recognizer=recognizer, queue=queue, source=source)

    _add_middleware(app, settings, metrics, listens_on)
    if page:
        from emotone.serve.page.mount import add_page  # imports gradio

        add_page(app, recognizer, queue=queue, jobs=jobs, source=source)
    return app


def _add_middleware(app: FastAPI, settings: ServeSettings, metrics: Metrics, listens_on: str | None) -> None:
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After", "Location", "Content-Disposition"],
        )
    app.add_middleware(CheckHost, rule=HostRule(settings, listens_on=listens_on))
    app.add_middleware(_CountRequests, metrics=metrics)  # the outermost


class _CountRequests:
    """Count requests by path and status, and forbid caches and guesses of the content type."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            self.metrics.count(_JOB.sub("/v1/jobs/ID", scope["path"]), status)
