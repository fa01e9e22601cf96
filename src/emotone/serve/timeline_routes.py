"""The HTTP route of timelines."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.own_source import OwnSource
from emotone.serve.query import check_query
from emotone.serve.schemas import TIMELINE_BODY, Format, timeline_options, timeline_responses
from emotone.serve.security import access_to, check_length
from emotone.serve.timelines import TimelineOptions, file_response, timeline_of, written
from emotone.serve.uploads import UPLOAD_PROBLEMS, Upload, disconnected, read_upload
from emotone.serve.work_queue import Deadline, WorkQueue

#: Problems of predicting an upload over time.
TIMELINE_PROBLEMS = (
    "bad_request",
    "too_long",
    "not_audio",
    "no_channel",
    "unanswerable",
    "internal",
    "bad_model",
    "busy",
    "timeout",
)
TimelineQuery = Annotated[TimelineOptions, Depends(timeline_options)]


def timeline_routes(recognizer: Recognizer, queue: WorkQueue, source: OwnSource) -> APIRouter:
    """Return the route ``/v1/timeline``."""
    settings = queue.settings
    router = APIRouter(prefix="/v1", dependencies=[*access_to(settings), Depends(check_query)])

    @router.post(
        "/timeline",
        response_class=Response,
        responses=timeline_responses() | problems.responses(*UPLOAD_PROBLEMS, *TIMELINE_PROBLEMS),
        openapi_extra=TIMELINE_BODY,
    )
    async def timeline(request: Request, options: TimelineQuery, format: Format = "json") -> Response:
        """Predict emotion over time in a recording, sent as the form's field `file`, and return it as a file."""
        check_length(request.headers, max_upload_bytes=settings.max_upload_bytes)
        queue.check_room()
        upload = await read_upload(
            request, max_upload_bytes=settings.max_upload_bytes, receptions=queue.receptions, takes_rttm=True
        )
        with queue.admit() as slot:
            name, deadline = upload.name, Deadline(settings.max_seconds)

            def work(upload: Upload = upload) -> bytes:
                made = timeline_of(
                    recognizer,
                    upload,
                    options=options,
                    source=source,
                    max_duration_s=settings.max_duration_s,
                    deadline=deadline,
                )
                return written(made, format)

            del upload  # a request that is dropped gives it back
            content = await queue.run(work, slot=slot, deadline=deadline, gone=lambda: disconnected(request))
        return file_response(content, name=name, format=format)

    return router
