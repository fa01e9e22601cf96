"""What the service takes on, and what it refuses: settings, counters, decoding in bounded time and memory."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect

from emotone.serve.counters import Metrics
from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings

Result = TypeVar("Result")
#: The deadline is looked at after so many seconds of sound were decoded.
_BLOCK_S = 10.0
#: The loop waits so much longer than the thread, which knows better what it was doing.
_GRACE_S = 0.2


class Deadline:
    """A moment after which nobody waits for the answer; `cancel` makes it now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._until - time.monotonic())

    def cancel(self) -> None:
        """Make it now."""
        self._until = 0.0

    def check(self, *_: object) -> None:
        """Raise `ProblemError` timeout if it has passed; may be given as a `Progress`."""
        if time.monotonic() >= self._until:
            raise ProblemError(
                "timeout", f"there was no answer within {self.seconds:g} s; send less, or try again later"
            )


class Slot:
    """Room for one request, given back once.

    Attributes
    ----------
    taken
        Whether it belongs to work in a thread, which gives it back.
    """

    def __init__(self, load: "WorkQueue") -> None:
        self._load: WorkQueue | None = load
        self.taken = False

    def release(self) -> None:
        """Give it back; a second time, nothing happens."""
        load, self._load = self._load, None
        if load is not None:
            load.release()


class WorkQueue:
    """Who waits and who runs: threads for the work, and room for so much of it.

    Attributes
    ----------
    closing
        Whether the service is about to end.
    streams
        How many are open.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.streams = 0
        self._lock = threading.Lock()
        self._admitted = self._running = 0
        self.open()

    def open(self) -> None:
        """Begin, or begin again."""
        self.closing = False
        self._threads = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="emotone")

    async def close(self) -> None:
        """Finish what runs; what waits is dropped."""
        self.closing = True
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    @property
    def waiting(self) -> int:
        """Requests that are uploaded or wait."""
        return self._admitted - self._running

    @property
    def is_idle(self) -> bool:
        """Whether no request is uploaded, waits or runs."""
        return self._admitted == 0

    def admit(self) -> Slot:
        """Make room for a request; `ProblemError` busy where there is none."""
        with self._lock:
            if self._admitted >= self.settings.workers + self.settings.queue:
                raise ProblemError("busy", f"{self._admitted} requests run or wait already; try again in a second")
            self._admitted += 1
        return Slot(self)

    def release(self) -> None:
        """Take back what `admit` gave; see `Slot.release`."""
        with self._lock:
            self._admitted -= 1

    async def answer(
        self, work: Callable[[], Result], *, slot: Slot, deadline: Deadline, gone: Callable[[], Awaitable[None]]
    ) -> Result:
        """Run the work of a request in a thread, and wait for it no longer than there is a use.

        Parameters
        ----------
        work
            Looks at the deadline from time to time.
        slot
            Given back when the work has ended, also where nobody waits for it any more.
        deadline
            Of the work.
        gone
            Returns when the client has closed the connection.

        Raises
        ------
        ProblemError
            timeout, or what the work raises.
        ClientDisconnect
            Nobody waits for the answer.
        """
        held = [work]  # with the upload; a job that is cancelled stays in the threads' queue until its turn
        del work
        future: Future[Result] = self._threads.submit(lambda: self._timed(held.pop()))
        slot.taken = True

        def ended(_: Future[Result]) -> None:
            held.clear()
            slot.release()

        future.add_done_callback(ended)
        inside = asyncio.wrap_future(future)
        watch = asyncio.ensure_future(gone())
        either: set[asyncio.Future[Any]] = {inside, watch}
        try:
            await asyncio.wait(either, timeout=deadline.left_s + _GRACE_S, return_when=asyncio.FIRST_COMPLETED)
            if inside.done():
                return inside.result()
            if watch.done():
                raise ClientDisconnect
            deadline.cancel()
            raise ProblemError(
                "timeout", f"there was no answer within {deadline.seconds:g} s; send less, or try again later"
            )
        finally:
            if not inside.done():
                deadline.cancel()
                inside.cancel()
            watch.cancel()

    def _timed(self, work: Callable[[], Result]) -> Result:
        with self._lock:
            self._running += 1
        start = time.perf_counter()
        try:
            return work()
        finally:
            self.metrics.observe(time.perf_counter() - start)
            with self._lock:
                self._running -= 1

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Run a piece of a stream's work."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
