"""Run the graph of a bundle from others in a child process, with limits of time and memory."""

import json
import os
import subprocess
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import processes
from emotone.audio import SAMPLE_RATE
from emotone.errors import BundleError
from emotone.processes import read_exactly
from emotone.recognition.graph_child import ERROR, LATE, MEMORY, REPLY, REQUEST
from emotone.recognition.runtime import Interface
from emotone.validation import check_range

#: Sound of this length, in seconds, has the limits as they are.  Time and memory of a network can grow with the square
#: of the length, so that longer sound has more.
_USUAL_S = 30.0
#: Memory for each byte of a graph and for each thread: its weights are copied a few times, and threads have stacks.
_BYTES_A_BYTE, _BYTES_A_THREAD = 4, 8 << 20
#: Seconds for a child to end that has closed its pipe.
_END_S = 10.0
_BUNDLE_REMEDY = "get the bundle again, or train it again"
_LIMIT_REMEDY = "don't use this bundle; if it is your own, raise its limits (emotone.recognition.graph_process.Limits)"


@dataclass(frozen=True)
class Limits:
    """What a graph may use; more is a `BundleError`.

    Attributes
    ----------
    open_s
        Seconds of computing, of all threads, to read, check and open a graph; and again for its first run.
    run_s
        Seconds of computing of a run on up to 30 s of sound.
    memory_mb
        Megabytes (MiB) of memory of the process, which has 70 by itself.  A graph gets four times its file more.

    Raises
    ------
    ConfigError
        A value is out of range.
    """

    open_s: float = 30.0
    run_s: float = 30.0
    memory_mb: int = 900

    def __post_init__(self) -> None:
        check_range("open_s", self.open_s, 0.1, 3600, unit="seconds")
        check_range("run_s", self.run_s, 0.1, 3600, unit="seconds")
        check_range("memory_mb", self.memory_mb, 100, 1_000_000, unit="megabytes")


class GraphProcess:
    """A graph in child processes: one, and more while threads share it, up to one for each core.

    A child that ends is replaced for the next run.  `close` ends all of them.

    Parameters
    ----------
    path
        The ONNX file.
    sha256
        Its SHA-256, by its card.
    threads
        Threads of a run.
    limits
        What the graph may use.

    Attributes
    ----------
    interface
        What the graph takes and gives.

    Raises
    ------
    BundleError
        The file is not the one of its card, can't be run, or does not keep the limits.
    """

    def __init__(self, path: Path, *, sha256: str, threads: int, limits: Limits) -> None:
        self._limits, self._path, self._threads = limits, path, threads
        size = path.stat().st_size if path.is_file() else 0
        self._memory = (limits.memory_mb << 20) + _BYTES_A_BYTE * size + _BYTES_A_THREAD * threads
        self._request = {"path": str(path.absolute()), "sha256": sha256, "threads": threads}
        self._begin()
        with self._child(limits.open_s) as child:
            self.interface = child.interface

    def _begin(self) -> None:
        """Start without children."""
        self._pid, self._lock = os.getpid(), threading.Lock()
        self._idle: list[_Child] = []
        self._all: set[subprocess.Popen[bytes]] = set()
        self._turns = threading.BoundedSemaphore(processes.n_cores())
        weakref.finalize(self, _end_all, self._all, self._pid)

    def run(
        self, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], *, is_long: bool = False
    ) -> list[NDArray[np.float32]]:
        """Return the outputs [1, d] of these names, as of `emotone.recognition.runtime.LocalGraph`.

        Raises
        ------
        BundleError
            The graph fails, returns something else, or does not keep the limits.
        """
        return self._run(names, inputs, is_long=is_long, limit_s=self._limits.run_s)

    def first_run(self, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Do a `run` within the time to open the graph."""
        return self._run(names, inputs, is_long=False, limit_s=self._limits.open_s)

    def _run(
        self, names: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], *, is_long: bool, limit_s: float
    ) -> list[NDArray[np.float32]]:
        seconds = inputs["waveform"].size / SAMPLE_RATE if "waveform" in inputs else 0.0
        more = max(1.0, seconds / _USUAL_S) ** 2
        header = {
            "names": list(names),
            "inputs": {name: array.shape for name, array in inputs.items()},
            "is_long": is_long,
            "limit_s": limit_s * more,
            "memory_bytes": round(self._memory * more),
        }
        arrays = [np.ascontiguousarray(array, np.float32) for array in inputs.values()]
        for is_last in (False, True):
            with self._child(self._limits.open_s) as child:
                try:
                    content = child.reply(header, arrays)
                except _EndedError as error:
                    # The system kills a process for other reasons too, so one crash is not enough to blame the graph.
                    if is_last or error.is_late or self._is_closed(child):
                        raise BundleError(str(error)) from error
                    continue
            return _rows(content, len(names))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _child(self, open_s: float) -> Iterator["_Child"]:
        """Lend a child; it ends if it is not ready for another request afterwards."""
        if os.getpid() != self._pid:  # a fork: the children are those of the process that started them
            self._begin()
        with self._turns:
            child = self._taken(open_s)
            try:
                yield child
            finally:
                with self._lock:
                    is_kept = child.is_ready and child.process in self._all
                    if is_kept:
                        self._idle.append(child)
                if not is_kept:
                    self._forget(child)

    def _taken(self, open_s: float) -> "_Child":
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.process.poll() is None:
                    return child
                self._all.discard(child.process)
                processes.end(child.process)
            child = _Child()
            self._all.add(child.process)
        header = self._request | {"limit_s": open_s, "memory_bytes": self._memory}
        try:
            child.open(header)
        except _EndedError as error:
            raise BundleError(f"{self._path}: {error}") from error
        finally:
            if not child.is_ready:
                self._forget(child)
        return child

    def _forget(self, child: "_Child") -> None:
        with self._lock:
            self._all.discard(child.process)
        processes.end(child.process)

    def _is_closed(self, child: "_Child") -> bool:
        return child.process not in self._all

    def close(self) -> None:
        """End the children, also those that are at work; the next run starts another."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            idle, self._idle = self._idle, []
            at_work = self._all - {child.process for child in idle}
            self._all.clear()
        for child in idle:
            processes.end(child.process)
        for process in at_work:  # who waits for it ends it
            process.kill()


def _end_all(children: "set[subprocess.Popen[bytes]]", pid: int) -> None:
    """End the children of a graph that is no longer used; not in a fork, whose children they are not."""
    if os.getpid() == pid:
        for process in list(children):
            processes.end(process)


def _rows(content: bytes, n_rows: int) -> list[NDArray[np.float32]]:
    widths = np.frombuffer(content, np.uint32, n_rows)
    values = np.frombuffer(content, np.float32, offset=widths.nbytes)
    return [row[None] for row in np.split(values, np.cumsum(widths[:-1]))]


class _EndedError(Exception):
    """A child has ended; ``is_late`` says that it took too long."""

    def __init__(self, message: str, *, is_late: bool) -> None:
        super().__init__(message)
        self.is_late = is_late


class _Child:
    """A child process that runs a graph, one request at a time.

    Attributes
    ----------
    interface
        That of the graph, after `open`.
    is_ready
        Whether it is alive and waits for a request.
    """

    interface: Interface

    def __init__(self) -> None:
        self.process = processes.start("emotone.recognition.graph_child", environment=processes.ONE_THREAD)
        self.is_ready = False

    def open(self, header: dict[str, Any]) -> None:
        """Open the graph; see `reply` for errors."""
        *ports, properties = json.loads(self.reply(header, []))
        inputs, optional, outputs = [{name: (kind, shape) for name, (kind, shape) in nodes.items()} for nodes in ports]
        self.interface = Interface(inputs, optional, outputs, properties)

    def reply(self, header: dict[str, Any], arrays: Sequence[NDArray[np.float32]]) -> bytes:
        """Send a request, and return its result.

        Raises
        ------
        BundleError
            The graph failed, or asked for too much memory.
        _EndedError
            The child has ended.
        """
        self.is_ready = False
        requests, replies = self.process.stdin, self.process.stdout
        assert requests is not None and replies is not None
        text = json.dumps(header).encode()
        try:
            requests.write(REQUEST.pack(len(text)) + text)
            for array in arrays:
                requests.write(array.tobytes())
            requests.flush()
            kind, n_bytes = REPLY.unpack(read_exactly(replies, REPLY.size))
            content = read_exactly(replies, n_bytes)
        except (OSError, EOFError, ValueError) as error:  # ValueError: the pipe was closed here
            raise self._ended(header["limit_s"]) from error
        memory_mb = header["memory_bytes"] >> 20
        if kind == MEMORY:
            raise BundleError(f"the graph needs more memory than {memory_mb:,} MB; {_LIMIT_REMEDY}")
        self.is_ready = kind != ERROR or "names" in header  # a graph that was not opened can't be run
        if kind == ERROR:
            remedy = f"; {_BUNDLE_REMEDY}" if "names" in header else ""
            raise BundleError(content.decode(errors="replace") + remedy)
        return content

    def _ended(self, limit_s: float) -> _EndedError:
        try:
            code = self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if -code in LATE:
            return _EndedError(f"the graph computed for longer than {limit_s:g} s; {_LIMIT_REMEDY}", is_late=True)
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        return _EndedError(f"the graph ended the process that runs it ({end}); {_BUNDLE_REMEDY}", is_late=False)
