"""What the service takes on, and what it refuses: settings, counters, decoding in bounded time and memory."""

import asyncio
import contextlib
import hmac
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from emotone import audio
from emotone.errors import AudioError, ConfigError, FeatureError, SilenceError
from emotone.serve import login
from emotone.serve.metrics import Metrics
from emotone.serve.problems import ProblemError

Result = TypeVar("Result")
#: The deadline is looked at after so many seconds of sound were decoded.
_BLOCK_S = 10.0
#: The loop waits so much longer than the thread, which knows better what it was doing.
_GRACE_S = 0.2


@dataclass(frozen=True)
class ServeSettings:
    """What a service takes on.

    Attributes
    ----------
    max_upload_bytes
        Size of a recording.  Uploads are held in memory, at most ``workers + queue`` of them.
    max_duration_s
        Length of a recording, whatever its header says.
    max_seconds
        From the end of an upload to its answer, waiting included.
    workers
        Threads of decoding and inference.
    queue
        Requests that may wait for one of them; more are refused at once.
    max_streams
        WebSockets that may be open.
    idle_stream_s
        Seconds after which a stream, an upload or a connection of which nothing came is closed.
    drain_s
        Seconds between SIGTERM, when ``/readyz`` turns 503, and the end of listening: time for a balancer to notice.
    key
        What ``Authorization: Bearer`` must say on all paths under ``/v1``; None asks for nothing.
    origins
        Web pages of other origins that may use the service, such as ``https://example.org``; ``*`` is any.  Name the
        service's own too where a proxy in front of it changes the header Host.

    Raises
    ------
    ConfigError
        A value is out of range.
    """

    max_upload_bytes: int = 50_000_000
    max_duration_s: float = 3600.0
    max_seconds: float = 60.0
    workers: int = 2
    queue: int = 16
    max_streams: int = 32
    idle_stream_s: float = 30.0
    drain_s: float = 1.0
    key: str | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        whole = {
            "max_upload_bytes": (1000, 2**31),
            "workers": (1, 256),
            "queue": (0, 10_000),
            "max_streams": (0, 10_000),
        }
        for name, (least, most) in whole.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ConfigError(f"{name} is {value!r}; expected a whole number from {least} to {most}")
        seconds = {
            "max_duration_s": (0.2, 86_400.0),
            "max_seconds": (0.01, 3600.0),
            "idle_stream_s": (0.01, 3600.0),
            "drain_s": (0.0, 600.0),
        }
        for name, (low, high) in seconds.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected seconds, {low:g} to {high:g}")
        if self.key is not None and not (self.key and self.key.isascii() and self.key.isprintable()):
            raise ConfigError("the key is empty or has characters that no header may have; expected printable ASCII")
        if self.key is not None and self.key != self.key.strip():
            raise ConfigError("the key begins or ends with a space; expected none, as clients would drop it")
        if isinstance(self.origins, str):
            raise ConfigError(f"origins is the text {self.origins!r}; expected a tuple of them")
        for one in self.origins:
            if one != "*" and (not one.startswith(("http://", "https://")) or one.count("/") != 2):
                raise ConfigError(f"origin {one!r}; expected scheme and host such as https://example.org, or *")


def check_key(settings: ServeSettings, headers: Headers, *, also: str | None = None) -> None:
    """Compare a request's key, or ``also`` another one, in constant time; `ProblemError` unauthorized if not.

    The cookie that the page's login gives is as good as the key.
    """
    if settings.key is None or login.lets_in(headers, settings.key):
        return
    kind, _, given = headers.get("authorization", "").partition(" ")
    told = given.strip() if kind.lower() == "bearer" else (also or "")
    if not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), settings.key.encode()):
        found = "wrong" if told else "missing"
        raise ProblemError("unauthorized", f"the key is {found}; send the header 'Authorization: Bearer KEY'")


def check_origin(settings: ServeSettings, headers: Headers) -> None:
    """Refuse pages of other origins, where browsers leave that to the service; `ProblemError` forbidden_origin."""
    origin = headers.get("origin")
    if origin is None or "*" in settings.origins or origin in settings.origins:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise ProblemError(
            "forbidden_origin", "this page's origin is not allowed; add it to the origins of the service"
        )


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


def decoded(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload: what its header claims is not believed, and no more than the limit is decoded.

    Parameters
    ----------
    data
        Content of the file.
    name
        How errors call it.
    max_duration_s, deadline
        When it is given up.

    Returns
    -------
    (n,) float32 at 16 kHz, n >= 1, as `emotone.audio.read` without trimming.

    Raises
    ------
    ProblemError
        not_audio, too_long or timeout.
    """
    if not data:
        raise ProblemError("not_audio", f"{name}: the file is empty (0 bytes); send a recording")
    most = round(max_duration_s * audio.SAMPLE_RATE)
    whole = np.empty(most, np.float32)  # memory is taken page by page, as it is written to
    n = 0
    deadline.check()
    with contextlib.closing(_blocks(data, name)) as pieces:
        for piece in pieces:
            if n + len(piece) > most:
                raise ProblemError("too_long", f"{name} is longer than {max_duration_s:g} s; send it in parts")
            whole[n : n + len(piece)] = piece
            n += len(piece)
            deadline.check()
    return whole[:n]


def utterance(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload as `decoded` does, and refuse one that is too short to be answered for (too_short)."""
    samples = decoded(data, name, max_duration_s=max_duration_s, deadline=deadline)
    if len(samples) < audio.MIN_DURATION_S * audio.SAMPLE_RATE:
        raise ProblemError(
            "too_short",
            f"{name}: {len(samples) / audio.SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{audio.MIN_DURATION_S} s; record a longer utterance",
        )
    return samples


def _blocks(data: bytes, name: str) -> Generator[NDArray[np.float32], None, None]:
    with told_as(name, data):
        yield from audio.blocks(data, block_s=_BLOCK_S)


@contextlib.contextmanager
def told_as(name: str, data: bytes) -> Iterator[None]:
    """Turn errors of a recording into problems that call it by the client's name of it."""
    try:
        yield
    except (AudioError, FeatureError) as error:
        words = str(error)
        for ours in (f"the {len(data)} bytes given", "the array"):
            words = words.replace(ours, name, 1) if words.startswith(ours) else words
        code = "not_audio" if isinstance(error, AudioError) else "unanswerable"
        raise ProblemError("silent" if isinstance(error, SilenceError) else code, words) from error


class Slot:
    """Room for one request, given back once.

    Attributes
    ----------
    taken
        Whether it belongs to work in a thread, which gives it back.
    """

    def __init__(self, load: "Load") -> None:
        self._load: Load | None = load
        self.taken = False

    def release(self) -> None:
        """Give it back; a second time, nothing happens."""
        load, self._load = self._load, None
        if load is not None:
            load.release()


class Load:
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
