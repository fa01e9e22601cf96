"""Jobs: recordings that are predicted in the background, one at a time, and whose results are kept for a while.

A job waits, runs, and is done or has failed; then it is kept for ``keep_jobs_s`` and forgotten.  A client can end it at
any time.  It works in the threads of the requests, in turn with them (`Turn`).  The number of jobs and the bytes of
their uploads and results are bounded.

Short recordings have a place of their own, so that they don't wait for long ones.  How long a recording is shows when
it is decoded: each job of a small upload begins in the short place, and one that turns out to be long leaves it, to
begin anew when its turn among the long ones has come.
"""

import asyncio
import math
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from emotone.serve import problems
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import Deadline, Turn, WorkQueue, closing_error

#: Name of a result -> its bytes, or why it is missing.
Results = Mapping[str, bytes | ProblemError]
Work = Callable[["JobDeadline"], Results]
Status = Literal["waiting", "running", "done", "failed"]
#: Longest recording of a job in the short place, and its largest upload: a minute of stereo at 48 kHz and 32 bits.
SHORT_S, SHORT_BYTES = 60.0, 25_000_000
#: A client that is refused while no job is about to end comes back after so many seconds.
_RETRY_S = 10


class Job:
    """A job, which the threads of the service share.

    Attributes
    ----------
    id
        What only its client knows.
    name
        Name of the recording.
    status
        Where it is.
    done_s, total_s
        Seconds of the recording that are predicted, and of all of it; None if its header does not say.
    problem
        Why it has failed.
    """

    def __init__(self, name: str, work: Work, *, n_bytes: int) -> None:
        self.id = secrets.token_urlsafe(16)
        self.name, self.n_bytes = name, n_bytes
        self.status: Status = "waiting"
        self.done_s = 0.0
        self.total_s: float | None = None
        self.problem: ProblemError | None = None
        self.is_cancelled = False
        self.work: Work | None = work  # holds the upload
        self.expires: float | None = None
        self.results: dict[str, bytes | ProblemError] = {}

    @property
    def is_over(self) -> bool:
        """Whether it is done or has failed."""
        return self.status in ("done", "failed")

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return {
            "id": self.id,
            "file": self.name,
            "status": self.status,
            "done_s": round(self.done_s, 3),
            "total_s": None if self.total_s is None else round(self.total_s, 3),
            "problem": None if self.problem is None else self.problem.to_dict(),
            "expires_in_s": None if self.expires is None else round(max(0.0, self.expires - time.monotonic()), 1),
        }

    def result(self, name: str) -> bytes:
        """Return a result.

        Raises
        ------
        ProblemError
            not_done, why the job has failed, or why there is no such result.
        """
        if not self.is_over:
            raise ProblemError("not_done", f"the job is {self.status}; ask again, or follow its events")
        content = self.results[name] if self.problem is None else self.problem
        if isinstance(content, ProblemError):
            raise content
        return zlib.decompress(content)


class LongJobError(Exception):
    """A job in the short place is long, and must begin anew among the long ones."""


class JobDeadline(Deadline):
    """The deadline of a job, which also ends with it and with the service; it passes on the job's turn.

    In the short place, it raises `LongJobError` for a recording of over `SHORT_S`, and for a job that has run for as
    long as a request may.
    """

    def __init__(self, *, job: Job, queue: WorkQueue, turn: Turn, is_short: bool) -> None:
        limit_s, short_s = queue.settings.max_job_seconds, queue.settings.max_seconds
        super().__init__(min(limit_s, short_s) if is_short else limit_s)
        self._job, self._queue, self._turn = job, queue, turn
        self._is_short, self._may_take_longer = is_short, is_short and short_s < limit_s
        self._decoded_s = 0.0

    def finish(self) -> None:
        """Note that all of the sound is predicted."""
        self._job.done_s = self._job.total_s = max(self._job.done_s, self._decoded_s)

    def reach(self, done_s: float, total_s: float | None) -> None:
        """Note how much is decoded."""
        self._decoded_s, self._job.total_s = done_s, total_s
        if self._is_short and max(done_s, total_s or 0.0) > SHORT_S:
            raise LongJobError
        self.check()

    def progress(self, done: int, total: int, what: str, /) -> None:
        """Note how much is predicted; it never goes back."""
        self._job.done_s = max(self._job.done_s, min(float(done), self._decoded_s))
        self.check()

    def check(self, *_: object) -> None:
        """Raise `ProblemError` if the job must end; otherwise let the requests that wait go first."""
        if self._may_take_longer and self.left_s == 0.0 and not self._job.is_cancelled:
            raise LongJobError
        super().check()
        if self._job.is_cancelled or self._queue.closing:
            raise closing_error()
        self._turn.pass_on()


@dataclass(eq=False)
class Place:
    """A job's place and bytes, which are reserved while its upload is opened."""

    n_bytes: int


class Jobs:
    """The jobs of a service, safe for several threads."""

    def __init__(self, queue: WorkQueue) -> None:
        self.queue, self.settings = queue, queue.settings
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._places: set[Place] = set()
        self.open()

    def open(self) -> None:
        """Start the threads, also after `close`; they work only in turn with those of the queue."""
        self._short, self._long = (ThreadPoolExecutor(1, thread_name_prefix="emotone-job") for _ in range(2))

    async def close(self) -> None:
        """End all jobs; those that run stop at their next block."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            self._fail(job, closing_error())
        for place in (self._short, self._long):
            await asyncio.to_thread(place.shutdown, cancel_futures=True)
        with self._lock:
            self._jobs.clear()

    @property
    def n_kept(self) -> int:
        """Number of jobs, whatever their status."""
        self.forget_expired()
        return len(self._jobs)

    @property
    def n_bytes(self) -> int:
        """Bytes of all uploads and results."""
        with self._lock:
            return self._total_bytes()

    def _total_bytes(self) -> int:
        uploading = sum(place.n_bytes for place in self._places)
        return uploading + sum(job.n_bytes for job in self._jobs.values())

    @contextmanager
    def reserve(self, n_bytes: int) -> Iterator[Place]:
        """Reserve a place for a job with an upload of ``n_bytes``; it is free again unless `add` takes it.

        Raises
        ------
        ProblemError
            busy: there are ``max_jobs`` already, they hold ``max_jobs_bytes``, or the service ends.
        """
        self.forget_expired()
        with self._lock:
            self._check_room(n_bytes)
            place = Place(n_bytes)
            self._places.add(place)
        try:
            yield place
        finally:
            with self._lock:
                self._places.discard(place)

    def check_room(self, n_bytes: int) -> None:
        """Raise `ProblemError` busy as `reserve`, before an upload is read in vain."""
        self.forget_expired()
        with self._lock:
            self._check_room(n_bytes)

    def _check_room(self, n_bytes: int) -> None:
        if self.queue.closing:
            raise closing_error()
        n_jobs = len(self._jobs) + len(self._places)
        is_full = n_jobs >= self.settings.max_jobs
        if is_full or self._total_bytes() + n_bytes > self.settings.max_jobs_bytes:
            state = f"there are {n_jobs} jobs" if is_full else "the memory for jobs is full"
            detail = f"{state}; delete one that is not needed, or try again later"
            raise ProblemError("busy", detail, retry_s=self._retry_s())

    def _retry_s(self) -> int:
        """Return the seconds until the next job is forgotten."""
        expiries = [job.expires - time.monotonic() for job in self._jobs.values() if job.expires is not None]
        return max(1, math.ceil(min([*expiries, _RETRY_S])))

    def add(self, place: Place, *, name: str, n_bytes: int, work: Work) -> Job:
        """Add a job in a reserved place.

        Parameters
        ----------
        name
            Name of the recording.
        n_bytes
            Size of the upload that ``work`` holds.
        work
            Makes the results; it calls `JobDeadline.reach` or `JobDeadline.check` regularly.
        """
        job = Job(name, work, n_bytes=n_bytes)
        with self._lock:
            self._places.discard(place)
            self._jobs[job.id] = job
        self._submit(job, is_short=n_bytes <= SHORT_BYTES)
        return job

    def _submit(self, job: Job, *, is_short: bool) -> None:
        try:
            (self._short if is_short else self._long).submit(self._run, job, is_short)
        except RuntimeError:  # the service ends
            self._fail(job, closing_error())

    def describe(self, job: Job) -> dict[str, Any]:
        """Return a dictionary of a job for JSON."""
        with self._lock:
            return job.to_dict()

    def get(self, id: str) -> Job:
        """Return a job; raise `ProblemError` not_found if it does not exist, or no longer."""
        self.forget_expired()
        job = self._jobs.get(id)
        if job is None:
            detail = (
                "there is no job with this id: it was deleted or has expired, or never was; send the recording again"
            )
            raise ProblemError("not_found", detail)
        return job

    def delete(self, id: str) -> None:
        """Cancel a job, and forget it and its result; raise `ProblemError` not_found as `get`."""
        job = self.get(id)
        with self._lock:
            if self._jobs.pop(id, None) is None:
                return
            job.is_cancelled, job.work = True, None
            was_over = job.is_over
        if not was_over:
            self.queue.metrics.count_job("cancelled")

    def forget_expired(self) -> None:
        """Forget the jobs whose time is over."""
        now = time.monotonic()
        with self._lock:
            self._jobs = {id: job for id, job in self._jobs.items() if job.expires is None or job.expires > now}

    async def forget_regularly(self) -> None:
        """Forget jobs when their time is over, until this is cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.keep_jobs_s))
            self.forget_expired()

    def _run(self, job: Job, is_short: bool) -> None:
        with self._lock:
            work, job.work = job.work, None
            if work is None or job.is_over:
                return
            job.status = "running"
        try:
            with self.queue.turn() as turn:
                deadline = JobDeadline(job=job, queue=self.queue, turn=turn, is_short=is_short)
                results = {
                    name: zlib.compress(content) if isinstance(content, bytes) else content
                    for name, content in work(deadline).items()
                }
                deadline.finish()
            self._finish(job, results)
        except LongJobError:
            self._move(job, work)
        except Exception as error:
            self._fail(job, problems.problem_of(error, failed=None if job.is_cancelled else "a job"))

    def _move(self, job: Job, work: Work) -> None:
        """Let a job that has turned out to be long wait for its turn among the long ones."""
        with self._lock:
            if job.is_cancelled or job.is_over:
                return
            job.status, job.work = "waiting", work  # its progress stays, and goes on when this point is passed
        self._submit(job, is_short=False)

    def _finish(self, job: Job, results: dict[str, bytes | ProblemError]) -> None:
        n_bytes = sum(len(content) for content in results.values() if isinstance(content, bytes))
        with self._lock:
            is_full = self._total_bytes() - job.n_bytes + n_bytes > self.settings.max_jobs_bytes
            if not is_full and not job.is_cancelled and not job.is_over:
                job.results, job.n_bytes = results, n_bytes
                self._end(job, "done")
        if is_full:
            self._fail(job, ProblemError("busy", "the memory for results is full; try again later", retry_s=_RETRY_S))

    def _fail(self, job: Job, problem: ProblemError) -> None:
        with self._lock:
            if not job.is_cancelled and not job.is_over:
                job.problem, job.work, job.n_bytes = problem, None, 0
                self._end(job, "failed")

    def _end(self, job: Job, status: Literal["done", "failed"]) -> None:
        job.expires = time.monotonic() + self.settings.keep_jobs_s
        job.status = status
        self.queue.metrics.count_job(status)
