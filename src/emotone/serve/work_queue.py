"""The queue of the service: slots for requests and streams, threads for their work, and deadlines."""

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from emotone.serve.counters import Metrics
from emotone.serve.problems import ProblemError
from emotone.serve.receptions import Receptions
from emotone.serve.settings import ServeSettings

Result = TypeVar("Result")
#: The event loop waits so much longer than the thread, whose error is more precise.
_GRACE_S = 0.2


class Deadline:
    """A moment after which a prediction is useless; `cancel` makes it now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._until - time.monotonic())

    @property
    def error(self) -> ProblemError:
        """The error of a missed deadline."""
        return ProblemError("timeout", f"no prediction within {self.seconds:g} s; send less, or try again later")

    def cancel(self) -> None:
        """Make it now."""
        self._until = 0.0

    def check(self, *_: object) -> None:
        """Raise `ProblemError` timeout after the deadline; usable as a `Progress`."""
        if time.monotonic() >= self._until:
            raise self.error

    def progress(self, done: int, total: int, what: str, /) -> None:
        """Take note of the seconds of a recording that are predicted, and check: a `Progress`."""
        self.check()

    def reach(self, done_s: float, total_s: float | None) -> None:
        """Take note of the seconds of a recording that are decoded, and of all of it (None: unknown), and check."""
        self.check()


class Slot:
    """The place of a request or a stream; a ``with`` statement releases it, unless something else has taken it.

    Attributes
    ----------
    taken
        Whether it belongs to work in a thread, or to a response, which releases it.
    """

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release
        self.taken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.taken:
            self.release()

    def release(self) -> None:
        """Release the place; do nothing a second time."""
        release, self._release = self._release, None
        if release is not None:
            release()


class StreamedResponse(StreamingResponse):
    """A response in parts, with what is done when it ends, however it ends.

    Parameters
    ----------
    content
        The parts.  If the client is gone before the first, nothing of it runs, so it can't release anything.
    ended
        Called when the last part is made, and again when the response has ended; the second call must do nothing.
        It releases the slot of `WorkQueue.open_stream`.
    """

    def __init__(self, content: AsyncIterator[str], *, ended: Callable[[], None], media_type: str) -> None:
        # nginx would hold the parts back
        super().__init__(self._sent(content), media_type=media_type, headers={"X-Accel-Buffering": "no"})
        self._ended = ended

    async def _sent(self, content: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for part in content:
                yield part
        finally:
            self._ended()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


class Turn:
    """The right to work in one of the queue's threads, which a long task takes for a part of its work at a time.

    The task runs in a separate thread.  While it has the turn, a thread of the queue waits for it, so that no more
    threads work than there are ``workers``.  Each part queues behind the requests that wait, so requests go first, and
    the task still goes on when there are always some.  A ``with`` statement takes the turn and gives it back.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._over: threading.Event | None = None

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def pass_on(self) -> None:
        """Give the turn back, and wait for the next one."""
        self._give_back()
        self._take()

    def _take(self) -> None:
        begun, over = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            over.wait()

        try:
            future = self._threads.submit(hold)
        except RuntimeError:  # the threads have ended
            raise closing_error() from None
        future.add_done_callback(lambda _: begun.set())  # also if it is cancelled
        begun.wait()
        if future.cancelled():
            raise closing_error()
        self._over = over

    def _give_back(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over.set()


def closing_error() -> ProblemError:
    """Return the error of work that the end of the service stops."""
    return ProblemError("busy", "the service is shutting down; send it to another service")


class WorkQueue:
    """Slots for the requests that may run and wait, and the threads that run them.

    Attributes
    ----------
    closing
        Whether the service is about to end.
    streams
        Number of open WebSockets, and of streams of a job's events or of the page's progress.
    receptions
        Uploads that are being received, which have no slot yet.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.streams = 0
        self.receptions = Receptions(settings)
        self._lock = threading.Lock()
        self._admitted = self._running = 0
        self.open()

    def open(self) -> None:
        """Start the threads, also after `close`."""
        self.closing = False
        self._threads = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="emotone")

    async def close(self) -> None:
        """Finish the running work and drop the waiting work."""
        self.closing = True
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    @property
    def waiting(self) -> int:
        """Number of requests that upload or wait."""
        return len(self.receptions) + self._admitted - self._running

    @property
    def is_idle(self) -> bool:
        """Whether no request uploads, waits or runs."""
        return self._admitted == 0 and not len(self.receptions)

    def turn(self) -> Turn:
        """Return the turn of a long task."""
        return Turn(self._threads)

    def check_room(self) -> None:
        """Raise `ProblemError` busy if all slots are in use, before an upload is read in vain."""
        if self._admitted >= self.settings.workers + self.settings.queue:
            raise ProblemError("busy", f"{self._admitted} requests run or wait already; try again in a second")

    def admit(self) -> Slot:
        """Return a slot for a request whose upload is complete; raise `ProblemError` busy if all are in use."""
        with self._lock:
            self.check_room()
            self._admitted += 1
        return Slot(self._release)

    def _release(self) -> None:
        with self._lock:
            self._admitted -= 1

    def check_streams(self, n: int = 1) -> None:
        """Raise `ProblemError` too_many_streams if so many more can't be opened."""
        if self.streams + n > self.settings.max_streams:
            raise ProblemError("too_many_streams", f"{self.streams} streams are open already; try again later")

    def open_stream(self, n: int = 1) -> Slot:
        """Return a slot that counts as ``n`` streams; raise `ProblemError` too_many_streams if there is no room.

        The slot is taken before anything is awaited: of two streams that begin at once, both would find room.
        """
        with self._lock:
            self.check_streams(n)
            self.streams += n
        return Slot(functools.partial(self._end_stream, n))

    def _end_stream(self, n: int) -> None:
        with self._lock:
            self.streams -= n

    async def run(
        self, work: Callable[[], Result], *, slot: Slot, deadline: Deadline, gone: Callable[[], Awaitable[Any]]
    ) -> Result:
        """Run the work of a request in a thread until it ends, the deadline passes or the client disconnects.

        Parameters
        ----------
        work
            Checks the deadline regularly.
        slot
            Released when the work has ended, even if no client waits for it any more.
        deadline
            Deadline of the work.
        gone
            Returns when the client has disconnected.

        Raises
        ------
        ProblemError
            timeout, or an error of the work.
        ClientDisconnect
            The client has disconnected.
        """
        held = [work]  # with the upload: a cancelled job stays in the executor's queue until its turn
        del work
        future: Future[Result] = self._threads.submit(lambda: self._timed(held.pop()))
        slot.taken = True

        def ended(_: Future[Result]) -> None:
            held.clear()
            slot.release()

        future.add_done_callback(ended)
        result = asyncio.wrap_future(future)
        disconnect = asyncio.ensure_future(gone())
        either: set[asyncio.Future[Any]] = {result, disconnect}
        try:
            await asyncio.wait(either, timeout=deadline.left_s + _GRACE_S, return_when=asyncio.FIRST_COMPLETED)
            if result.done():
                return result.result()
            raise ClientDisconnect if disconnect.done() else deadline.error
        finally:
            if not result.done():
                deadline.cancel()
                result.cancel()
            disconnect.cancel()

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
        """Run a part of a stream's work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
