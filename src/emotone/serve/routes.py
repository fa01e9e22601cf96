"""The HTTP routes.

A recording arrives as multipart form data.  It is read into memory, never into a file, decoded once in bounded memory,
and predicted in a thread.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from emotone._version import __version__
from emotone.audio.channels import channel_number
from emotone.errors import AudioError
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.answers import predict_json, shown_name
from emotone.serve.counters import CONTENT_TYPE, Metrics
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError, too_large
from emotone.serve.security import check_key, check_length, check_origin
from emotone.serve.settings import ServeSettings
from emotone.serve.timeouts import UploadTimeout
from emotone.serve.work_queue import Deadline, WorkQueue

#: Parts of a model card that the service shows.
_SCORES = ("accuracy", "uar", "macro_f1", "interval", "n_clips")
_PROTOCOL = ("name", "description", "speaker_disjoint")
_CORPUS = ("name", "title", "clips", "speakers", "language", "licence", "url", "commercial_use")


class AdaptedModel(BaseModel):
    """Number of utterances that the answer was adapted to."""

    source: int
    speaker: int


class PredictionModel(BaseModel):
    """Prediction for a segment; ``emotion`` is null if the model is unsure or detects no speech."""

    start_s: float
    end_s: float
    emotion: str | None
    label: str
    confidence: float
    scores: dict[str, float]
    speech: float | None = None
    notes: list[str] = []
    adapted: AdaptedModel
    speaker: str | None = None


class FilePredictionModel(PredictionModel):
    """Prediction for a recording."""

    file: str


class SpeakerModel(BaseModel):
    """What a timeline says of a speaker."""

    speaker: str
    talk_s: float
    talk_share: float
    turns: int
    shares: dict[str, float]
    course: list[dict[str, float]]
    adapted_s: float


class TimelineModel(BaseModel):
    """Predictions over time, with ``timeline=true``."""

    duration_s: float
    spoken_s: float
    shares: dict[str, float]
    notes: list[str] = []
    adapted: AdaptedModel
    speakers: list[SpeakerModel] = []
    overlaps: list[tuple[float, float]] = []
    segments: list[PredictionModel]


_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
}
_PREDICT_PROBLEMS = (
    *("bad_request", "unauthorized", "forbidden_origin", "idle", "too_large", "too_long", "not_audio", "no_channel"),
    *("too_short", "silent", "unanswerable", "internal", "busy", "timeout"),
)


def _checked_channel(value: str) -> str:
    try:
        channel_number(value)
    except AudioError:
        raise ValueError("expected mix, left, right, or a number from 1") from None
    return value


_Top = Annotated[int | None, Query(ge=1, description="Keep only this many scores, the most probable first.")]
_Channel = Annotated[
    str,
    AfterValidator(_checked_channel),
    Query(
        description="Channel of the recording: its number from 1, `left`, `right`, or `mix` for the mean of all.",
        json_schema_extra={"pattern": "^(mix|left|right|0*[1-9][0-9]*)$"},
    ),
]
_Track = Annotated[
    int | None, Query(ge=1, description="Sound track, for files with several (videos); the file's default if absent.")
]

_Adapt = Annotated[
    Literal["auto", "none"],
    Query(description="`none` neither adapts to the source that the service has learnt nor extends it."),
]


def prediction_routes(recognizer: Recognizer, queue: WorkQueue, source: OwnSource) -> APIRouter:
    """Return the routes under ``/v1``."""
    settings = queue.settings

    async def check_access(request: Request) -> None:
        if request.method == "POST":  # browsers send forms to other origins without asking
            check_origin(settings, request.headers)
        check_key(settings, request.headers)

    # HTTPBearer is only for the schema: its own errors are not problem details
    documented = [] if settings.key is None else [Depends(HTTPBearer(auto_error=False))]
    router = APIRouter(prefix="/v1", dependencies=[Depends(check_access), *documented])

    @router.post(
        "/predict",
        response_model=None,
        responses={200: {"model": FilePredictionModel | TimelineModel}, **problems.responses(*_PREDICT_PROBLEMS)},
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
    )
    async def predict(
        request: Request,
        timeline: Annotated[bool, Query(description="Predict emotion over time.")] = False,
        top: _Top = None,
        channel: _Channel = "mix",
        track: _Track = None,
        adapt: _Adapt = "auto",
    ) -> Response:
        """Predict the emotion of a recording, sent as the form's field `file`."""
        check_length(settings, request.headers)
        with queue.admit() as slot:
            data, name = await _upload(request, settings)
            deadline = Deadline(settings.max_seconds)

            def work() -> dict[str, Any]:
                return predict_json(
                    recognizer,
                    data,
                    name,
                    as_timeline=timeline,
                    deadline=deadline,
                    settings=settings,
                    source=source if adapt == "auto" else None,
                    channel=channel,
                    track=track,
                )

            answer = await queue.run(work, slot=slot, deadline=deadline, gone=lambda: _disconnected(request))
        return JSONResponse(answer if top is None else _top(answer, top))

    @router.get("/model", responses=problems.responses("unauthorized"))
    async def model() -> dict[str, Any]:
        """Describe the model: its scores, protocol and training corpora."""
        return _model(recognizer) | {"learns_source": source.learns, "source_clips": source.n_utterances}

    return router


def health_routes(queue: WorkQueue, metrics: Metrics) -> APIRouter:
    """Return the routes for monitoring, which need no key."""
    router = APIRouter()

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """Return "ok" while the process works."""
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False, response_model=None)
    @router.get("/readyz", responses=problems.responses("busy"), response_model=None)
    async def ready() -> dict[str, str]:
        """Return "ready" if the service accepts requests; 503 once it is shutting down."""
        if queue.closing:
            raise ProblemError("busy", "the service is shutting down; use another service")
        return {"status": "ready"}

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def counters() -> Response:
        """Return the counters, for Prometheus."""
        gauges = {
            "emotone_queue_length": ("Requests that upload or wait.", lambda: queue.waiting),
            "emotone_streams_open": ("Open WebSockets.", lambda: queue.streams),
        }
        return Response(metrics.text(gauges), headers={"Content-Type": CONTENT_TYPE})

    return router


def _top(answer: dict[str, Any], top: int) -> dict[str, Any]:
    """Keep the most probable scores of a prediction, or of each segment of a timeline."""
    if "segments" in answer:
        return {**answer, "segments": [_top(segment, top) for segment in answer["segments"]]}
    ranked = sorted(answer["scores"].items(), key=lambda item: -item[1])
    return {**answer, "scores": dict(ranked[:top])}


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
        "scores": _pick(card.get("scores", {}), _SCORES),
        "protocol": _pick(card.get("protocol", {}), _PROTOCOL),
        "corpora": [_pick(corpus, _CORPUS) for corpus in card.get("training", {}).get("corpora", [])],
    }


def _pick(table: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}


async def _upload(request: Request, settings: ServeSettings) -> tuple[bytes, str]:
    """Read the form within the limits, and return the recording and its name."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ProblemError(
            "bad_request", "the body is not multipart/form-data; send the recording as the form's field 'file'"
        )
    parser = MultiPartParser(request.headers, _limited(request, settings), max_files=1, max_fields=10)
    parser.spool_max_size = 2 * settings.max_request_bytes  # uploads stay in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError("bad_request", f"the form can't be read: {error.message}") from error
    except (LookupError, ValueError) as error:  # an unknown character set or an empty boundary
        raise ProblemError("bad_request", "the form can't be read; send multipart/form-data (RFC 7578)") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ProblemError("bad_request", "the form has no file in its field 'file'; send the recording there")
        data = await file.read()
    finally:
        await form.close()
    if len(data) > settings.max_upload_bytes:
        raise too_large(settings.max_upload_bytes)
    return data, shown_name(file.filename)


async def _limited(request: Request, settings: ServeSettings) -> AsyncGenerator[bytes, None]:
    """Yield the body in chunks; raise `ProblemError` if it is too large or too slow."""
    n_bytes, chunks, timeout = 0, request.stream(), UploadTimeout(settings.idle_stream_s)
    while True:
        try:
            async with asyncio.timeout(timeout.wait_s(n_bytes)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            detail = f"the upload paused for {settings.idle_stream_s:g} s or is too slow; send it again"
            raise ProblemError("idle", detail) from None
        if chunk is None:
            return
        n_bytes += len(chunk)
        if n_bytes > settings.max_request_bytes:
            raise too_large(settings.max_upload_bytes)
        yield chunk


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
