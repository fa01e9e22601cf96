"""A child process that works on one unit after the other, and may crash or hang on any of them.

A recording can end the process that decodes it, or never end itself.  So a child does the work and its parent watches:
a unit that ends the child twice, or makes no progress for too long, is a failure of this unit alone.  One try is not
enough to blame a unit, since the system can kill a child for other reasons, such as too little memory.
"""

import contextlib
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, BinaryIO, Protocol

from emotone import processes
from emotone.bulk.units import Failure
from emotone.errors import EmotoneError
from emotone.processes import own_pipes, read_exactly

#: Tries of a unit that ends its child.
_TRIES = 2
#: Seconds for a child to start.
_START_LIMIT_S = 300.0
#: Most seconds that pass between two signs of progress.
_SIGN_EVERY_S = 1.0
#: A wait that takes so many seconds more than it should says that the process was suspended.
_SUSPENDED_S = 1.0
_SIZE = struct.Struct("<Q")
_RESULT, _PROGRESS, _ERROR = 0, 1, 2
#: Module whose `serve` is the main function of a child.
_CHILD = "emotone.bulk.supervised"
#: Imported by a child before it knows what to do.
_NEEDED = "emotone.bulk.work"

#: A function that yields the result of each unit, in order, and calls its second argument as work goes on.
Work = Callable[[Sequence[Any], Callable[[], None]], Iterator[Any]]


class Opener(Protocol):
    """What a child is started with; it can be pickled."""

    def open(self) -> Work:
        """Return the function that works on units."""


class Supervised:
    """Work on units in a child process, which starts with the first and again after it ended.

    Parameters
    ----------
    opener
        Makes the function that works on units, in the child.
    limit_s
        Seconds without progress after which the child is killed.
    child
        Of `new_child`, to be used first.
    """

    def __init__(self, opener: Opener, *, limit_s: float, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self._opener, self._limit_s = opener, limit_s
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting = child
        self._is_late = False
        self._is_closed = False

    def results(self, units: Sequence[Any]) -> Iterator[Any]:
        """Yield the result of each unit, in order, or the `Failure` of a unit that ended the child.

        Raises
        ------
        EmotoneError
            The child can't start.
        """
        n_done, n_tries = 0, 0
        while n_done < len(units):
            try:
                for result in self._try(units[n_done:]):
                    n_done, n_tries = n_done + 1, 0
                    yield result
            except (EOFError, OSError) as error:
                if self._is_closed:
                    raise EmotoneError("the work was stopped") from error
                failure = self._failure()
                n_tries += 1
                if self._is_late or n_tries == _TRIES:
                    n_done, n_tries = n_done + 1, 0
                    yield failure

    def close(self) -> None:
        """End the child, also from another thread."""
        self._is_closed = True
        self._end()
        if self._waiting is not None:
            processes.end(self._waiting)
            self._waiting = None

    def _try(self, units: Sequence[Any]) -> Iterator[Any]:
        child = self._started()
        assert child.stdin is not None and child.stdout is not None
        with self._watched() as watch:
            _write(child.stdin, units)
            for _ in units:
                kind, content = _PROGRESS, None
                while kind == _PROGRESS:
                    kind, content = _read(child.stdout)
                    watch.passed()
                watch.pause()
                yield content
                watch.passed()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end()
        self._is_late = False
        for is_last in (False, True):
            try:
                return self._opened()
            except (EOFError, OSError) as error:
                self._end()
                if self._is_closed:
                    raise
                if is_last:
                    raise EmotoneError(
                        f"a worker process can't start ({error or 'it ended'}); free memory, or use fewer workers; the "
                        "same command goes on"
                    ) from error
        raise AssertionError("the last try returns or raises")

    def _opened(self) -> subprocess.Popen[bytes]:
        """Return a child that has opened what it works with."""
        waiting, self._waiting = self._waiting, None
        self._child = child = waiting if waiting is not None and waiting.poll() is None else new_child()
        if self._is_closed:
            raise EOFError
        assert child.stdin is not None and child.stdout is not None
        with self._watched(_START_LIMIT_S):
            _write(child.stdin, (os.getpid(), self._opener, min(_SIGN_EVERY_S, self._limit_s / 4)))
            kind, content = _read(child.stdout)
        if kind == _ERROR:
            self._end()
            raise EmotoneError(content)
        return child

    def _failure(self) -> Failure:
        """Return why the child has ended."""
        child = self._child
        if self._is_late or child is None:
            message = f"the work on it made no progress for {self._limit_s:g} s; convert it to WAV, or leave it out"
            self._end()
            return Failure("timeout", message)
        try:
            code = child.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it closed its pipe, and did not end
            code = 0
        self._end()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        end += ", perhaps for lack of memory" if code == -9 else ""
        message = f"the process that worked on it crashed, twice ({end}); convert it to WAV, or leave it out"
        return Failure("crashed", message)

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            processes.end(child)

    @contextlib.contextmanager
    def _watched(self, limit_s: float | None = None) -> Iterator["_Watch"]:
        """Kill the child if it makes no progress for too long."""
        child = self._child
        assert child is not None

        def kill() -> None:
            self._is_late = True
            child.kill()

        watch = _Watch(kill, limit_s or self._limit_s)
        try:
            yield watch
        finally:
            watch.stop()


def new_child() -> "subprocess.Popen[bytes]":
    """Start a child, which imports what it needs and then waits for what to do."""
    return processes.start(_CHILD, environment=processes.ONE_THREAD, has_stderr=True)


class _Watch:
    """Call a function once if `passed` is not called for too long."""

    def __init__(self, expire: Callable[[], None], limit_s: float) -> None:
        self._expire, self._limit_s = expire, limit_s
        self._passed_at: float | None = time.monotonic()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="emotone-watch", daemon=True).start()

    def passed(self) -> None:
        self._passed_at = time.monotonic()

    def pause(self) -> None:
        self._passed_at = None

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        look_s = min(1.0, self._limit_s / 4)
        looked_at = time.monotonic()
        while not self._stopped.wait(look_s):
            passed_at, before, looked_at = self._passed_at, looked_at, time.monotonic()
            if looked_at - before > look_s + _SUSPENDED_S and passed_at is not None:
                self._passed_at = looked_at  # this process was stopped, and perhaps the child too
                continue
            if passed_at is not None and time.monotonic() - passed_at > self._limit_s:
                self._expire()
                return


def _write(pipe: Any, value: Any) -> None:
    content = pickle.dumps(value)
    pipe.write(_SIZE.pack(len(content)) + content)
    pipe.flush()


def _read(pipe: Any) -> Any:
    content = pipe.read(*_SIZE.unpack(read_exactly(pipe, _SIZE.size)))
    try:
        return pickle.loads(content)
    except (pickle.UnpicklingError, EOFError) as error:  # cut off
        raise EOFError from error


def serve() -> None:
    """Work on what the parent sends, until it closes the pipe: the main function of a child."""
    requests, replies = own_pipes()
    try:
        import_module(_NEEDED)
        parent, opener, sign_every_s = _read(requests)
        _end_with(parent)
        try:
            work = opener.open()
        except EmotoneError as error:
            _write(replies, (_ERROR, str(error)))
            return
        _write(replies, (_RESULT, None))
        while True:
            _serve_units(_read(requests), work, replies, sign_every_s)
    except (EOFError, OSError):  # the parent has ended
        return


def _serve_units(units: Sequence[Any], work: Work, replies: BinaryIO, sign_every_s: float) -> None:
    signed_at = time.monotonic()

    def sign() -> None:
        nonlocal signed_at
        if time.monotonic() - signed_at >= sign_every_s:
            signed_at = time.monotonic()
            _write(replies, (_PROGRESS, None))

    for result in work(units, sign):
        _write(replies, (_RESULT, result))


def _end_with(parent: int) -> None:
    """Let the system kill this process when its parent ends, also within a decoder that hangs; only Linux can do it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes
    import signal

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        raise EOFError
