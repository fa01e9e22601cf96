"""The HTTP routes of predictions, of the model and of monitoring.

A recording arrives as multipart form data.  It is read into memory, never into a file, decoded once in bounded memory,
and predicted in a thread.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from emotone._version import __version__
from emotone.metrics import SCORES
from emotone.recognition import trust
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.answers import predict_json
from emotone.serve.counters import CONTENT_TYPE, Metrics
from emotone.serve.jobs import Jobs
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.query import check_query
from emotone.serve.schemas import Adapt, Channel, FilePredictionModel, TimelineModel, Top, Track
from emotone.serve.security import access_to, check_length
from emotone.serve.uploads import FORM, body_of, disconnected, read_upload
from emotone.serve.work_queue import Deadline, WorkQueue

#: Parts of a model card that the service shows.
_SCORES = (*SCORES, "interval", "n_clips")
_INTERVAL = ("low", "high", "unit")
_PROTOCOL = ("name", "description", "speaker_disjoint")
_CORPUS = ("name", "title", "clips", "speakers", "language", "licence", "url", "commercial_use")
#: Keys that the card's figures on other corpora must have; others are not checked.
_ELSEWHERE = ("protocol", "uar", "accuracy", "ece", "adapted")
_ELSEWHERE_CORPUS = ("name", "clips", "speakers", "emotions", "uar", "accuracy", "ece", "adapted")

_PREDICT_PROBLEMS = (
    *("bad_request", "unauthorized", "forbidden_origin", "idle", "too_large", "too_long", "not_audio", "no_channel"),
    *("too_short", "silent", "unanswerable", "internal", "bad_model", "busy", "timeout"),
)


def prediction_routes(recognizer: Recognizer, queue: WorkQueue, source: OwnSource) -> APIRouter:
    """Return the routes under ``/v1``."""
    settings = queue.settings

    router = APIRouter(prefix="/v1", dependencies=[*access_to(settings), Depends(check_query)])

    @router.post(
        "/predict",
        response_model=None,
        responses={200: {"model": FilePredictionModel | TimelineModel}, **problems.responses(*_PREDICT_PROBLEMS)},
        openapi_extra=body_of(FORM),
    )
    async def predict(
        request: Request,
        timeline: Annotated[bool, Query(description="Predict emotion over time.")] = False,
        top: Top = None,
        channel: Channel = "mix",
        track: Track = None,
        adapt: Adapt = "auto",
    ) -> Response:
        """Predict the emotion of a recording, sent as the form's field `file`."""
        check_length(request.headers, max_upload_bytes=settings.max_upload_bytes)
        queue.check_room()
        upload = await read_upload(request, max_upload_bytes=settings.max_upload_bytes, receptions=queue.receptions)
        with queue.admit() as slot:
            deadline = Deadline(settings.max_seconds)

            def work() -> dict[str, Any]:
                return predict_json(
                    recognizer,
                    upload.data,
                    upload.name,
                    as_timeline=timeline,
                    deadline=deadline,
                    settings=settings,
                    source=source if adapt == "auto" else None,
                    channel=channel,
                    track=track,
                )

            answer = await queue.run(work, slot=slot, deadline=deadline, gone=lambda: disconnected(request))
        return JSONResponse(answer if top is None else _top(answer, top))

    @router.get("/model", responses=problems.responses("bad_request", "unauthorized"))
    async def model() -> dict[str, Any]:
        """Describe the model: its scores, on new speakers and on other corpora, protocol and training corpora.

        `elsewhere` has the scores on corpora that the model was not trained on, and is null if they were not measured.
        """
        return _model(recognizer) | {"learns_source": source.learns, "source_clips": source.n_utterances}

    return router


def health_routes(queue: WorkQueue, jobs: Jobs, metrics: Metrics) -> APIRouter:
    """Return the routes for monitoring, which need no key."""
    router = APIRouter(dependencies=[Depends(check_query)])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", responses=problems.responses("bad_request"))
    async def alive() -> dict[str, str]:
        """Return "ok" while the process works."""
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False, response_model=None)
    @router.get("/readyz", responses=problems.responses("bad_request", "busy"), response_model=None)
    async def ready() -> dict[str, str]:
        """Return "ready" if the service accepts requests; 503 once it is shutting down."""
        if queue.closing:
            raise ProblemError("busy", "the service is shutting down; use another service")
        return {"status": "ready"}

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problems.responses("bad_request")},
    )
    async def counters() -> Response:
        """Return the counters, for Prometheus."""
        gauges = {
            "emotone_queue_length": ("Requests that upload or wait.", lambda: queue.waiting),
            "emotone_uploads_bytes": (
                "Bytes of uploads that are being received.",
                lambda: queue.receptions.n_bytes,
            ),
            "emotone_streams_open": ("Open WebSockets and streams of events.", lambda: queue.streams),
            "emotone_jobs_kept": ("Jobs that wait or run, or whose result is kept.", lambda: jobs.n_kept),
            "emotone_jobs_bytes": ("Bytes of the uploads and results of jobs.", lambda: jobs.n_bytes),
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
    card, known = recognizer.card, trust.of_card(recognizer.card)
    return {
        "name": card["name"],
        "model": card["model"],
        "sha256": card["sha256"],
        "version": __version__,
        "emotions": list(recognizer.emotions),
        "threshold": recognizer.threshold,
        "adapts": recognizer.adapts,
        "checks_speech": recognizer.checks_speech,
        "scores": {"scope": known.tested, **_scores(card.get("scores", {}))},
        "elsewhere": _elsewhere(known),
        "trust": [*known.right, known.calibration, *filter(None, (known.confident, known.reaching))],
        "protocol": _pick(card.get("protocol", {}), _PROTOCOL),
        "corpora": [_pick(corpus, _CORPUS) for corpus in card.get("training", {}).get("corpora", [])],
    }


def _scores(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores that the service shows; of the interval only what was checked."""
    shown = _pick(measured, _SCORES)
    if shown.get("interval") is not None:
        shown["interval"] = _pick(shown["interval"], _INTERVAL)
    return shown


def _elsewhere(known: trust.Trust) -> dict[str, Any] | None:
    """Return the figures on corpora that the model was not trained on; None if there are no such figures."""
    figures = known.elsewhere
    if figures is None:
        return None
    return {
        "scope": trust.OTHER_CORPORA,
        **_pick(figures, _ELSEWHERE),
        "confident": _pick(figures["confident"], ("from", "share", "right")),
        "unsure": _pick(figures["unsure"], ("coverage", "accuracy_above", "accuracy_below")),
        "corpora": [_pick(corpus, _ELSEWHERE_CORPUS) for corpus in figures["corpora"]],
    }


def _pick(table: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}
