"""The service's paths.

A recording is sent as multipart form data and read into memory, never to a file; it is decoded once, in bounded memory,
and answered for in a thread.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from emotone._version import __version__
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.answers import answer_for, shown_name
from emotone.serve.counters import CONTENT_TYPE, Metrics
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key, check_origin
from emotone.serve.settings import ServeSettings
from emotone.serve.timeouts import UploadTimeout
from emotone.serve.work_queue import Deadline, WorkQueue

#: What a form may take beside the recording: boundaries and headers.
_OVERHEAD_BYTES = 65_536
_SCORES = ("accuracy", "uar", "macro_f1", "interval", "n_clips")
_PROTOCOL = ("name", "description", "speaker_disjoint")
_CORPUS = ("name", "title", "clips", "speakers", "language", "licence", "url", "commercial_use")


class Answer(BaseModel):
    """Answer for one recording; an emotion of null is unsure, or no speech."""

    file: str
    start_s: float
    end_s: float
    emotion: str | None
    label: str
    confidence: float
    scores: dict[str, float]
    speech: float | None = None


class Segment(BaseModel):
    """Stretch of speech of one emotion."""

    start_s: float
    end_s: float
    emotion: str | None
    label: str
    confidence: float
    scores: dict[str, float]
    speech: float | None = None


class Segments(BaseModel):
    """What a recording sounds like from moment to moment, with ``timeline=true``."""

    duration_s: float
    spoken_s: float
    shares: dict[str, float]
    segments: list[Segment]


_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
                }
            }
        },
    }
}
_PREDICT_PROBLEMS = (
    *(
        "bad_request",
        "unauthorized",
        "forbidden_origin",
        "idle",
        "too_large",
        "too_long",
        "not_audio",
        "too_short",
        "silent",
    ),
    *("unanswerable", "internal", "busy", "timeout"),
)


def _answers(recognizer: Recognizer, load: WorkQueue, settings: ServeSettings) -> APIRouter:
    async def keyed(request: Request) -> None:
        if request.method == "POST":  # a form needs nobody's leave to be sent from another origin
            check_origin(settings, request.headers)
        check_key(settings, request.headers)

    # HTTPBearer only puts the key into the schema: what it would answer is no problem+json
    documented = [] if settings.key is None else [Depends(HTTPBearer(auto_error=False))]
    router = APIRouter(prefix="/v1", dependencies=[Depends(keyed), *documented])

    @router.post(
        "/predict",
        response_model=None,
        responses={200: {"model": Answer | Segments}, **problems.responses(*_PREDICT_PROBLEMS)},
        openapi_extra=_FORM,
    )
    async def predict(
        request: Request,
        timeline: Annotated[bool, Query(description="Answer from moment to moment.")] = False,
        top: Annotated[int | None, Query(ge=1, description="Keep so many scores, the most probable first.")] = None,
    ) -> Response:
        """Tell the emotion of a recording, sent as the form's field `file`."""
        _check_length(request, settings)
        slot = load.admit()
        try:
            data, name = await _upload(request, settings)
            deadline = Deadline(settings.max_seconds)

            def work() -> dict[str, Any]:
                return answer_for(recognizer, data, name, as_timeline=timeline, deadline=deadline, settings=settings)

            told = await load.answer(work, slot=slot, deadline=deadline, gone=lambda: _gone(request))
        except BaseException:
            if not slot.taken:
                slot.release()
            raise
        return JSONResponse(told if top is None else _top(told, top))

    @router.get("/model", responses=problems.responses("unauthorized"))
    async def model() -> dict[str, Any]:
        """Tell which model answers, how far it can be trusted, and what it was trained on."""
        return _model(recognizer)

    return router


def _health(load: WorkQueue, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False, response_model=None)
    @router.get("/readyz", responses=problems.responses("busy"), response_model=None)
    async def ready() -> dict[str, str]:
        """Tell whether requests may be sent: the model is loaded, and the service is not about to end."""
        if load.closing:
            raise ProblemError("busy", "the service is shutting down; use another one")
        return {"status": "ready"}

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def counters() -> Response:
        """Tell what happened so far, for Prometheus."""
        gauges = {
            "emotone_queue_length": ("Requests that are uploaded or wait.", lambda: load.waiting),
            "emotone_streams_open": ("WebSockets that are open.", lambda: load.streams),
        }
        return Response(metrics.text(gauges), headers={"Content-Type": CONTENT_TYPE})

    return router


def _top(told: dict[str, Any], top: int) -> dict[str, Any]:
    """Keep the most probable scores, also those of a timeline's segments."""
    if "segments" in told:
        return {**told, "segments": [_top(one, top) for one in told["segments"]]}
    ranked = sorted(told["scores"].items(), key=lambda one: -one[1])
    return {**told, "scores": dict(ranked[:top])}


def _model(recognizer: Recognizer) -> dict[str, Any]:
    card = recognizer.card
    return {
        "name": card["name"],
        "model": card["model"],
        "sha256": card["sha256"],
        "version": __version__,
        "emotions": list(recognizer.emotions),
        "threshold": recognizer.threshold,
        "adapts": recognizer.adapts,
        "checks_speech": recognizer.checks_speech,
        "scores": _of(card.get("scores", {}), _SCORES),
        "protocol": _of(card.get("protocol", {}), _PROTOCOL),
        "corpora": [_of(one, _CORPUS) for one in card.get("training", {}).get("corpora", [])],
    }


def _of(table: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}


def _check_length(request: Request, settings: ServeSettings) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > settings.max_upload_bytes + _OVERHEAD_BYTES:
        raise _too_large(settings)


def _too_large(settings: ServeSettings) -> ProblemError:
    most = settings.max_upload_bytes
    return ProblemError("too_large", f"the upload is larger than {most} bytes; send a shorter or compressed recording")


async def _upload(request: Request, settings: ServeSettings) -> tuple[bytes, str]:
    """Read the form, as far as it is allowed: the recording and how errors may call it."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ProblemError(
            "bad_request", "the body is no multipart/form-data; send the recording as the form's field 'file'"
        )
    parser = MultiPartParser(request.headers, _limited(request, settings), max_files=1, max_fields=10)
    parser.spool_max_size = settings.max_upload_bytes + 2 * _OVERHEAD_BYTES  # so it stays in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError("bad_request", f"the form can't be read: {error.message}") from error
    except (LookupError, ValueError) as error:  # a character set or a boundary that is none
        raise ProblemError(
            "bad_request", "the form can't be read; send multipart/form-data as RFC 7578 says"
        ) from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ProblemError("bad_request", "the form has no file in its field 'file'; send the recording there")
        data = await file.read()
    finally:
        await form.close()
    if len(data) > settings.max_upload_bytes:
        raise _too_large(settings)
    return data, shown_name(file.filename)


async def _limited(request: Request, settings: ServeSettings) -> AsyncGenerator[bytes, None]:
    """Give the body piece by piece, until it is too large or does not go on."""
    n_bytes, chunks, patience = 0, request.stream(), UploadTimeout(settings.idle_stream_s)
    while True:
        try:
            async with asyncio.timeout(patience.wait_s(n_bytes)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            told = f"the upload stood still for {settings.idle_stream_s:g} s or is too slow; send it again"
            raise ProblemError("idle", told) from None
        if chunk is None:
            return
        n_bytes += len(chunk)
        if n_bytes > settings.max_upload_bytes + _OVERHEAD_BYTES:
            raise _too_large(settings)
        yield chunk


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
