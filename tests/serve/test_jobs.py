"""Jobs without HTTP: where they are, bounds, ends, and that requests go first."""

import asyncio
import gc
import logging
import threading
import time
import weakref

import numpy as np
import pytest

from emotone.serve import ServeSettings
from emotone.serve.counters import Metrics
from emotone.serve.jobs import SHORT_BYTES, SHORT_S, Jobs, LongJobError
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import Deadline, WorkQueue
from support.serving import until

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0


@pytest.fixture
def start():
    """Start the jobs of a service with these settings; they are closed at the end."""
    started = []

    def make(**settings):
        jobs = Jobs(WorkQueue(ServeSettings(**settings), Metrics(())))
        started.append(jobs)
        return jobs

    yield make
    for jobs in started:
        jobs.queue.closing = True
        asyncio.run(jobs.close())
        asyncio.run(jobs.queue.close())


def add(jobs, work, *, n_bytes=1000):
    with jobs.reserve(n_bytes) as place:
        return jobs.add(place, name="a.wav", n_bytes=n_bytes, work=work)


def ended(job):
    until(lambda: job.is_over, seconds=PATIENCE_S)
    return job


def counts(jobs):
    lines = jobs.queue.metrics.text({}).splitlines()
    values = [int(line.split()[-1]) for line in lines if line.startswith("emotone_jobs_total{")]
    return dict(zip(("done", "failed", "cancelled"), values, strict=True))


class Held:
    """Work that goes on until it is let, and checks its deadline meanwhile."""

    def __init__(self):
        self.begun, self.let, self.stopped = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, deadline):
        self.begun.set()
        try:
            while not self.let.is_set():
                deadline.check()
                time.sleep(0.005)
        except BaseException:
            self.stopped.set()
            raise
        return {"json": b"{}"}


def code(call, *given):
    with pytest.raises(ProblemError) as error:
        call(*given)
    return error.value.code


def test_a_job_waits_runs_and_is_done(start):
    jobs, held, second = start(), Held(), Held()
    job, other = add(jobs, held), add(jobs, second)
    assert held.begun.wait(PATIENCE_S)
    assert (job.status, other.status) == ("running", "waiting") and len({job.id, other.id}) == 2
    assert code(job.result, "json") == code(other.result, "json") == "not_done"
    assert jobs.describe(other) == {
        "id": other.id,
        "file": "a.wav",
        "status": "waiting",
        "done_s": 0.0,
        "total_s": None,
        "problem": None,
        "expires_in_s": None,
    }
    held.let.set()
    assert ended(job).result("json") == b"{}" and jobs.get(job.id) is job
    assert 590 < jobs.describe(job)["expires_in_s"] <= 600
    assert second.begun.wait(PATIENCE_S)  # one after the other
    second.let.set()
    assert ended(other).status == "done" and counts(jobs) == {"done": 2, "failed": 0, "cancelled": 0}


def test_progress_never_goes_back(start):
    jobs, seen = start(), []

    def work(deadline):
        for decoded_s, done_s in ((0.0, 0), (30.0, 5), (30.0, 30), (60.0, 61), (0.0, 0), (30.0, 30), (70.0, 65)):
            deadline.reach(decoded_s, 71.0)
            deadline.progress(done_s, 71, "listening")
            seen.append((job.done_s, job.total_s))
        return {}

    ready = threading.Event()
    job = add(jobs, lambda deadline: (ready.wait(PATIENCE_S), work(deadline))[1])
    ready.set()
    ended(job)
    assert [done_s for done_s, _ in seen] == [0.0, 5.0, 30.0, 60.0, 60.0, 60.0, 65.0] and {
        total for _, total in seen
    } == {71.0}
    assert (job.done_s, job.total_s) == (70.0, 70.0)


def test_a_deleted_job_gives_everything_back(start):
    class Upload:
        pass

    def with_upload(upload, held):
        return lambda deadline: (upload, held(deadline))[1]

    jobs, held = start(), [Held(), Held(), Held()]
    uploads = [Upload() for _ in held]
    references = [weakref.ref(upload) for upload in uploads]
    running, waiting, last = (add(jobs, with_upload(*pair)) for pair in zip(uploads, held, strict=True))
    del uploads
    assert held[0].begun.wait(PATIENCE_S) and jobs.n_bytes == 3000
    jobs.delete(waiting.id)
    gc.collect()
    assert references[1]() is None and code(jobs.get, waiting.id) == code(jobs.delete, waiting.id) == "not_found"
    jobs.delete(running.id)
    assert held[0].stopped.wait(PATIENCE_S) and held[2].begun.wait(PATIENCE_S)  # the next one runs
    until(lambda: gc.collect() >= 0 and references[0]() is None, seconds=PATIENCE_S)
    held[2].let.set()
    ended(last)
    assert not held[1].begun.is_set() and jobs.n_kept == 1 and jobs.n_bytes < 100
    assert counts(jobs) == {"done": 1, "failed": 0, "cancelled": 2}
    jobs.delete(last.id)  # which is no cancellation
    assert counts(jobs)["cancelled"] == 2 and code(jobs.get, last.id) == "not_found"


def test_failures(start, caplog):
    def silent(_):
        raise ProblemError("not_audio", "a.wav: no sound")

    def faulty(_):
        raise ZeroDivisionError("/home/me")

    jobs = start()
    job, broken = add(jobs, silent), add(jobs, faulty)
    with caplog.at_level(logging.ERROR):
        assert ended(job).status == ended(broken).status == "failed"
    assert code(job.result, "json") == "not_audio" and code(broken.result, "json") == "internal"
    assert jobs.describe(job)["problem"]["detail"] == "a.wav: no sound" and jobs.describe(job)["expires_in_s"] > 0
    assert "/home" not in str(jobs.describe(broken)) and "ZeroDivisionError" in caplog.text
    assert jobs.n_bytes == 0 and counts(jobs)["failed"] == 2


def test_a_format_may_have_a_problem_of_its_own(start):
    job = ended(add(start(), lambda _: {"json": b"{}", "rttm": ProblemError("unanswerable", "no speakers")}))
    assert job.result("json") == b"{}" and code(job.result, "rttm") == "unanswerable" and job.status == "done"


def test_a_job_has_a_deadline(start):
    jobs, held = start(max_job_seconds=0.1), Held()
    assert code(ended(add(jobs, held)).result, "json") == "timeout" and held.stopped.is_set()


def test_results_expire(start):
    jobs = start(keep_jobs_s=0.3)
    job = ended(add(jobs, lambda _: {"json": b"{}"}))
    assert jobs.get(job.id) is job and jobs.n_bytes > 0

    async def service():
        regularly = asyncio.create_task(jobs.forget_regularly())
        await asyncio.sleep(0.7)
        regularly.cancel()

    asyncio.run(service())
    assert jobs._jobs == {} and jobs.n_bytes == 0 and code(jobs.get, job.id) == "not_found"


def test_jobs_that_are_not_over_do_not_expire(start):
    jobs, held = start(keep_jobs_s=0.1), Held()
    job, waiting = add(jobs, held), add(jobs, Held())
    time.sleep(0.2)
    assert jobs.get(job.id) is job and jobs.get(waiting.id) is waiting


# ---- short and long recordings ----


class LongHeld(Held):
    """Work on an hour of sound; its header says so, or it shows while it is decoded."""

    def __init__(self, total_s=3600.0):
        super().__init__()
        self.total_s, self.tries = total_s, 0

    def __call__(self, deadline):
        self.tries += 1
        deadline.reach(0.0, self.total_s)
        deadline.reach(SHORT_S + 1, self.total_s)
        return super().__call__(deadline)


@pytest.mark.parametrize("total_s", [3600.0, None])
def test_a_short_recording_does_not_wait_for_long_ones(start, total_s):
    jobs, first, second = start(workers=1), LongHeld(total_s), LongHeld(total_s)
    long, other = add(jobs, first), add(jobs, second)
    assert first.begun.wait(PATIENCE_S)
    until(lambda: second.tries == 1 and other.status == "waiting", seconds=PATIENCE_S)
    assert ended(add(jobs, lambda deadline: deadline.reach(9.0, 9.0) or {"json": b"{}"})).status == "done"
    assert (long.status, other.status) == ("running", "waiting") and not second.begun.is_set()
    for each in (first, second):
        each.let.set()
    assert ended(long).status == ended(other).status == "done"
    assert first.tries == second.tries == 2 and counts(jobs)["done"] == 3


def test_large_uploads_are_not_tried_in_the_short_place(start):
    """Their decoder in a child process would have another copy of the upload."""
    jobs, held = start(), LongHeld()
    job = add(jobs, held, n_bytes=SHORT_BYTES + 1)
    held.let.set()
    assert ended(job).status == "done" and held.tries == 1


def test_what_takes_long_does_not_hold_the_short_place(start):
    jobs, slow = start(max_seconds=0.2), Held()
    job = add(jobs, slow)
    assert ended(add(jobs, lambda _: {})).status == "done" and job.status != "failed"
    slow.let.set()
    assert ended(job).status == "done"


def test_a_job_that_is_deleted_while_it_moves_does_not_come_back(start):
    jobs = start()

    def work(deadline):
        jobs.delete(job.id)
        raise LongJobError

    ready = threading.Event()
    job = add(jobs, lambda deadline: (ready.wait(PATIENCE_S), work(deadline))[1])
    ready.set()
    assert ended(add(jobs, lambda _: {})).status == "done" and job.work is None and jobs.n_kept == 1
    assert counts(jobs) == {"done": 1, "failed": 0, "cancelled": 1}


def test_both_places_together_work_in_no_more_threads_than_there_are(start):
    jobs, working, most, lock = start(workers=1), [], [], threading.Lock()

    def work(length_s):
        def steps(deadline):
            deadline.reach(0.0, length_s)
            for _ in range(20):
                with lock:
                    working.append(length_s)
                    most.append(len(working))
                time.sleep(0.005)
                with lock:
                    working.remove(length_s)
                deadline.check()
            return {}

        return steps

    both = [add(jobs, work(3600.0)), add(jobs, work(10.0))]
    assert [ended(job).status for job in both] == ["done", "done"] and max(most) == 1 and len(most) == 40


# ---- bounds ----


def refused(jobs, n_bytes=1000):
    with pytest.raises(ProblemError) as error, jobs.reserve(n_bytes):
        pass
    assert error.value.code == "busy"
    return error.value


def test_the_number_of_jobs_is_bounded(start):
    jobs = start(max_jobs=2, keep_jobs_s=5.0)
    with jobs.reserve(0):  # one that is being uploaded
        job = ended(add(jobs, lambda _: {}))
        problem = refused(jobs)
        assert "2 jobs" in problem.detail and 4 <= problem.retry_s <= 5  # when the first one expires
    jobs.delete(job.id)
    held = [Held(), Held()]
    for each in held:
        add(jobs, each)
    assert refused(jobs).retry_s == 10  # nobody knows
    assert refused(start(max_jobs=0)).headers["Retry-After"] == "10"


def test_the_bytes_of_jobs_are_bounded(start):
    jobs = start(max_job_upload_bytes=10_000, max_jobs_bytes=20_000)
    with pytest.raises(ZeroDivisionError), jobs.reserve(15_000):
        assert "memory" in refused(jobs, 5001).detail
        raise ZeroDivisionError  # an upload that breaks off
    assert jobs.n_bytes == 0
    held = Held()
    job = add(jobs, held, n_bytes=10_000)
    with jobs.reserve(10_000):
        refused(jobs, 1)
    held.let.set()
    ended(job)
    assert 0 < jobs.n_bytes < 100  # the upload is gone
    noise = np.random.default_rng(0).bytes(30_000)
    large = ended(add(jobs, lambda _: {"json": noise}))
    assert code(large.result, "json") == "busy" and jobs.n_bytes < 100


def test_the_end_of_the_service_ends_jobs(start):
    jobs, held = start(), Held()
    running, waiting = add(jobs, held), add(jobs, Held())
    assert held.begun.wait(PATIENCE_S)
    jobs.queue.closing = True
    assert code(ended(running).result, "json") == "busy"
    refused(jobs)
    asyncio.run(jobs.close())
    assert held.stopped.is_set() and waiting.status == "failed" and jobs.n_kept == 0
    asyncio.run(jobs.queue.close())
    jobs.queue.open()
    jobs.open()
    assert ended(add(jobs, lambda _: {"json": b"{}"})).status == "done"


# ---- with requests ----


def test_requests_go_first_and_no_more_threads_work_than_there_are_workers(start):
    jobs, working, most, order = start(workers=1, queue=8), [], [], []
    lock = threading.Lock()

    def busy(name):
        with lock:
            working.append(name)
            most.append(len(working))
        time.sleep(0.01)
        with lock:
            working.remove(name)
            order.append(name)

    def work(deadline):
        for _ in range(30):
            busy("job")
            deadline.check()
        return {}

    async def requests():
        async def ask():
            never = asyncio.Event().wait
            await jobs.queue.run(lambda: busy("request"), slot=jobs.queue.admit(), deadline=Deadline(60), gone=never)

        await asyncio.gather(*(ask() for _ in range(5)))

    job = add(jobs, work)
    until(lambda: "job" in order, seconds=PATIENCE_S)
    asyncio.run(requests())
    assert not job.is_over and max(most) == 1
    n_before = order.index("request")
    assert order[n_before : n_before + 7].count("request") == 5
    ended(job)
    assert order.count("job") == 30 and max(most) == 1  # and the job goes on


def test_a_job_goes_on_while_there_are_always_requests(start):
    jobs, over = start(workers=1, queue=8), threading.Event()
    job = add(jobs, lambda deadline: [deadline.check() for _ in range(20)] and {})

    async def requests():
        never = asyncio.Event().wait
        while not job.is_over and not over.is_set():
            both = (
                jobs.queue.run(lambda: time.sleep(0.002), slot=jobs.queue.admit(), deadline=Deadline(60), gone=never)
                for _ in range(2)
            )
            await asyncio.gather(*both)

    threading.Timer(PATIENCE_S, over.set).start()
    asyncio.run(requests())
    assert job.status == "done"
