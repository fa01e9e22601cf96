"""The routes of the page's answers: an upload comes, and lines of JSON go, the last of which has the HTML.

Uploads are held in memory and never written to a file, and take a place when they are complete, as those of ``/v1``.
Timelines, which may be long, are jobs; the lines before the last say how far they are.  A client that disconnects ends
its work.
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData, UploadFile

from emotone.formatting import size_text
from emotone.serve import problems
from emotone.serve.jobs import Job, Jobs, Results
from emotone.serve.page import html
from emotone.serve.page.handlers import MAX_CLIPS, PageHandlers, Voice
from emotone.serve.problems import ProblemError, too_large
from emotone.serve.security import access_to, announced_bytes, check_length
from emotone.serve.uploads import Upload, disconnected, read_form, shown_name
from emotone.serve.work_queue import Deadline, StreamedResponse, closing_error

MEDIA_TYPE = "application/x-ndjson"
#: Seconds between two looks at a job; each is a line, which also shows whether the client is still there.
_LOOK_S = 0.25
#: Name of the page among the results of a job.
_PAGE = "page"
#: Name of the recording, and what returns the HTML.
_Work = tuple[str, Callable[[Deadline], str]]


def answer_routes(handlers: PageHandlers, jobs: Jobs) -> APIRouter:
    """Return the routes, which are not in the OpenAPI schema."""
    settings = handlers.settings
    router = APIRouter(prefix="/page/answers", include_in_schema=False, dependencies=access_to(settings))

    @router.post("/recognise")
    async def recognise(request: Request) -> Response:
        return await _answer(request, jobs, _of_recording(handlers.recognise))

    @router.post("/timeline")
    async def timeline(request: Request) -> Response:
        work = functools.partial(handlers.timeline, speakers=request.query_params.get("speakers", "auto"))
        if _has_jobs(handlers):
            return await _follow(request, jobs, functools.partial(work, max_duration_s=settings.max_job_duration_s))
        # there are only requests, and their limits
        return await _answer(
            request, jobs, _of_recording(functools.partial(work, max_duration_s=settings.max_duration_s))
        )

    @router.post("/voice")
    async def voice(request: Request) -> Response:
        async def work_of(form: FormData) -> _Work:
            sent = await _voice(form)
            return sent.test.name, functools.partial(handlers.compare, sent)

        return await _answer(request, jobs, work_of, max_files=MAX_CLIPS + 2)

    return router


def _has_jobs(handlers: PageHandlers) -> bool:
    """Return whether timelines are jobs, whose progress is a stream."""
    return handlers.settings.max_jobs > 0 and handlers.settings.max_streams > 0


def max_timeline_bytes(handlers: PageHandlers) -> int:
    """Return the largest upload for a timeline."""
    settings = handlers.settings
    return settings.max_job_upload_bytes if _has_jobs(handlers) else settings.max_upload_bytes


async def _answer(
    request: Request, jobs: Jobs, work_of: Callable[[FormData], Awaitable[_Work]], *, max_files: int = 1
) -> Response:
    """Answer a request as those of the service are answered: a place once it is complete, and a deadline."""
    queue, settings, title = jobs.queue, jobs.settings, ""
    limit = settings.max_upload_bytes
    try:
        check_length(request.headers, max_upload_bytes=limit)
        queue.check_room()
        async with _form(request, jobs, max_bytes=limit, max_files=max_files) as form:
            title, work = await work_of(form)
        with queue.admit() as slot:
            deadline = Deadline(settings.max_seconds)
            guarded = functools.partial(_guarded, work, deadline)
            shown = await queue.run(guarded, slot=slot, deadline=deadline, gone=lambda: disconnected(request))
    except ProblemError as problem:
        return _problem(problem, title, limit)
    return Response(_line(html=shown), media_type=MEDIA_TYPE)


async def _follow(request: Request, jobs: Jobs, work: Callable[[Upload, Deadline], str]) -> Response:
    """Answer a request by a job, which takes turns with other requests and may take long; it is deleted at the end."""
    settings = jobs.settings
    limit = settings.max_job_upload_bytes
    try:
        check_length(request.headers, max_upload_bytes=limit)
        announced = announced_bytes(request.headers)
        jobs.check_room(limit if announced is None else min(announced, limit))
        jobs.queue.check_streams()
        async with _form(request, jobs, max_bytes=limit, max_files=1) as form:
            upload = await _upload(form, "file")
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(jobs.reserve(upload.n_bytes))
            slot = stack.enter_context(jobs.queue.open_stream())  # lines of progress are a stream like others

            def results(deadline: Deadline) -> Results:
                return {_PAGE: work(upload, deadline).encode()}

            job = jobs.add(place, name=upload.name, n_bytes=upload.n_bytes, work=results)
            slot.taken = True
    except ProblemError as problem:
        return _problem(problem, "", limit)

    def ended() -> None:
        slot.release()
        with contextlib.suppress(ProblemError):  # forgotten by now
            jobs.delete(job.id)

    return StreamedResponse(_progress(job, jobs, limit), ended=ended, media_type=MEDIA_TYPE)


async def _progress(job: Job, jobs: Jobs, limit: int) -> AsyncIterator[str]:
    """Yield how far a job is until it is over, and its HTML last."""
    while not job.is_over and not jobs.queue.closing:
        yield _line(status=job.status, done_s=round(job.done_s, 1), total_s=job.total_s)
        await asyncio.sleep(_LOOK_S)
    try:
        if not job.is_over:
            raise closing_error()
        shown = (await asyncio.to_thread(job.result, _PAGE)).decode()
    except ProblemError as problem:
        shown = _shown(problem, job.name, limit)
    yield _line(html=shown)


def _guarded(work: Callable[[Deadline], str], deadline: Deadline) -> str:
    """Do the work; only the log has the details of an error in the service itself."""
    try:
        return work(deadline)
    except Exception as error:
        raise problems.problem_of(error, failed="an answer of the page") from error


@contextlib.asynccontextmanager
async def _form(request: Request, jobs: Jobs, *, max_bytes: int, max_files: int) -> AsyncIterator[FormData]:
    """Read a form, and close it after the ``with`` statement."""
    receptions = jobs.queue.receptions
    form = await read_form(request, max_bytes=max_bytes, receptions=receptions, max_files=max_files)
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if sum(file.size or 0 for file in files) > max_bytes:
            raise too_large(max_bytes)
        yield form
    finally:
        await form.close()


async def _upload(form: FormData, field: str) -> Upload:
    """Return the only file of a field; raise `ProblemError` bad_request if it has no file."""
    file = form.get(field)
    if not isinstance(file, UploadFile):
        raise ProblemError("bad_request", f"the form has no file in its field '{field}'; load the page again")
    return Upload(await file.read(), shown_name(file.filename))


def _of_recording(work: Callable[[Upload, Deadline], str]) -> Callable[[FormData], Awaitable[_Work]]:
    async def work_of(form: FormData) -> _Work:
        upload = await _upload(form, "file")
        return upload.name, functools.partial(work, upload)

    return work_of


async def _voice(form: FormData) -> Voice:
    """Return what the form of the tab "Your voice" holds."""
    files = [file for file in form.getlist("clips") if isinstance(file, UploadFile)]
    clips = [Upload(await file.read(), shown_name(file.filename)) for file in files]
    profile = await _upload(form, "profile") if "profile" in form else None
    return Voice(str(form.get("name", "")), clips, profile, await _upload(form, "test"))


def _line(**content: object) -> str:
    return json.dumps(content) + "\n"


def _shown(problem: ProblemError, title: str, limit: int) -> str:
    if problem.code == "too_large":
        problem = ProblemError("too_large", f"This page takes up to {size_text(limit)} at once")
    return html.problem(problem, title=title)


def _problem(problem: ProblemError, title: str, limit: int) -> Response:
    """Return a problem as HTML, with its status."""
    content = _line(html=_shown(problem, title, limit))
    return Response(content, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)
