"""The HTTP routes of jobs: to start one, to follow it, and to fetch or delete its result."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve import problems
from emotone.serve.jobs import Job, JobDeadline, Jobs, Results, Work
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.query import check_query
from emotone.serve.schemas import TIMELINE_BODY, Format, JobModel, timeline_responses
from emotone.serve.security import access_to, announced_bytes, check_length
from emotone.serve.timeline_routes import TIMELINE_PROBLEMS, TimelineQuery
from emotone.serve.timelines import TimelineOptions, check_opens, file_response, timeline_of, written
from emotone.serve.uploads import UPLOAD_PROBLEMS, Upload, read_upload
from emotone.serve.work_queue import Deadline, StreamedResponse, closing_error

#: Seconds between two looks at a job, and without an event before a comment is sent.
_LOOK_S, _HEARTBEAT_S = 0.2, 10.0


def job_routes(recognizer: Recognizer, jobs: Jobs, source: OwnSource) -> APIRouter:
    """Return the routes under ``/v1/jobs``."""
    router = APIRouter(prefix="/v1/jobs", dependencies=[*access_to(jobs.settings), Depends(check_query)])
    _add_start(router, recognizer, jobs, source)
    _add_known(router, jobs)
    return router


def _add_start(router: APIRouter, recognizer: Recognizer, jobs: Jobs, source: OwnSource) -> None:
    """Add the route that starts a job."""
    settings = jobs.settings

    @router.post(
        "",
        status_code=202,
        response_model=JobModel,
        responses=problems.responses(*UPLOAD_PROBLEMS, "too_long", "no_channel", "timeout")
        | {202: {"headers": {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}}},
        openapi_extra=TIMELINE_BODY,
    )
    async def start(request: Request, options: TimelineQuery) -> Response:
        """Predict a long recording over time in the background; `Location` is the job's path."""
        limit = settings.max_job_upload_bytes
        check_length(request.headers, max_upload_bytes=limit)
        announced = announced_bytes(request.headers)
        jobs.check_room(limit if announced is None else min(announced, limit))
        upload = await read_upload(request, max_upload_bytes=limit, receptions=jobs.queue.receptions, takes_rttm=True)
        with jobs.reserve(upload.n_bytes) as place:
            check = functools.partial(
                check_opens,
                upload,
                options=options,
                max_duration_s=settings.max_job_duration_s,
                deadline=Deadline(settings.max_seconds),
            )
            await jobs.queue.in_thread(check)
            work = _work(recognizer, upload, options=options, source=source, max_duration_s=settings.max_job_duration_s)
            job = jobs.add(place, name=upload.name, n_bytes=upload.n_bytes, work=work)
        location = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
        return JSONResponse(jobs.describe(job), status_code=202, headers={"Location": location})


def _add_known(router: APIRouter, jobs: Jobs) -> None:
    """Add the routes of a job that was started."""
    known = problems.responses("bad_request", "unauthorized", "forbidden_origin", "not_found")

    @router.get("/{id}", response_model=JobModel, responses=known)
    async def show(id: str) -> JSONResponse:
        """Return where a job is: `waiting`, `running`, `done` or `failed`, and the seconds that are predicted."""
        return JSONResponse(jobs.describe(jobs.get(id)))

    @router.delete("/{id}", status_code=204, responses=known)
    async def delete(id: str) -> Response:
        """Cancel a job, and forget it and its result."""
        jobs.delete(id)
        return Response(status_code=204)

    @router.get(
        "/{id}/result",
        response_class=Response,
        responses=timeline_responses() | known | problems.responses("not_done", *TIMELINE_PROBLEMS),
    )
    async def result(id: str, format: Format = "json") -> Response:
        """Return the timeline of a job that is done, or why it failed."""
        job = jobs.get(id)
        content = await asyncio.to_thread(job.result, format)
        return file_response(content, name=job.name, format=format)

    @router.get(
        "/{id}/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}}
        | known
        | problems.responses("bad_request", "too_many_streams"),
    )
    async def events(id: str) -> StreamingResponse:
        """Follow a job: server-sent events `progress`, and `done` or `failed` last, each with the job as JSON."""
        job = jobs.get(id)
        slot = jobs.queue.open_stream()
        return StreamedResponse(_events(job, jobs), ended=slot.release, media_type="text/event-stream")


def _work(
    recognizer: Recognizer, upload: Upload, *, options: TimelineOptions, source: OwnSource, max_duration_s: float
) -> Work:
    """Return the work of a job: the timeline in all formats."""

    def work(deadline: JobDeadline) -> Results:
        timeline = timeline_of(
            recognizer, upload, options=options, source=source, max_duration_s=max_duration_s, deadline=deadline
        )
        results: dict[str, bytes | ProblemError] = {}
        for format in FORMATS:
            deadline.check()
            try:
                results[format] = written(timeline, format)
            except ProblemError as problem:
                results[format] = problem
        return results

    return work


async def _events(job: Job, jobs: Jobs) -> AsyncIterator[str]:
    """Yield the events of a job until it is over.

    The job is looked at regularly: nothing of a client is registered anywhere, so nothing is left when it disconnects.
    """
    last, silent_s = None, 0.0
    while True:
        name, content = _event(job, jobs)
        if content != last:
            last, silent_s = content, 0.0
            yield f"event: {name}\ndata: {json.dumps(content)}\n\n"
        if name != "progress":
            return
        if silent_s >= _HEARTBEAT_S:
            silent_s = 0.0
            yield ": the job goes on\n\n"
        await asyncio.sleep(_LOOK_S)
        silent_s += _LOOK_S


def _event(job: Job, jobs: Jobs) -> tuple[str, dict[str, Any]]:
    """Return name and content of the present event of a job."""
    content = jobs.describe(job)
    if job.is_cancelled:
        problem = ProblemError("deleted", "the job was deleted")
    elif jobs.queue.closing and content["status"] in ("waiting", "running"):
        problem = closing_error()
    else:
        return content["status"] if content["status"] in ("done", "failed") else "progress", content
    return "failed", content | {"status": "failed", "problem": problem.to_dict()}
