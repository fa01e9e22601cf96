"""The engine of one machine: processes of one thread each."""

import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator

from emotone import processes
from emotone.bulk.engines.base import Job, Tick, run_part
from emotone.bulk.supervised import Supervised, new_child
from emotone.bulk.units import Report
from emotone.parallel import n_cores
from emotone.validation import check_range

#: Seconds between two looks at whether the user wants to stop.
_LOOK_S = 0.2
_END_S = 30.0


class LocalEngine:
    """Work in child processes of this machine, one part at a time in each.

    A part is read, worked on and written before the next is asked for, so memory depends on the number of workers and
    not on that of the recordings.

    Parameters
    ----------
    workers
        Number of processes, from 1; None: one for each core.
    """

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = n_cores() if workers is None else workers
        check_range("workers", self.workers, 1, 4096)
        self._waiting: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """Start the processes, which import what they need while the recordings are listed."""
        self._waiting += [new_child() for _ in range(self.workers - len(self._waiting))]

    def close(self) -> None:
        """End the processes that wait."""
        while self._waiting:
            processes.end(self._waiting.pop())

    def run(self, job: Job, numbers: Iterable[int], *, tick: Tick) -> Iterator[Report]:
        """Work on parts; see `emotone.bulk.engines.base.Engine`."""
        crew = _Crew(job, numbers, tick, self._waiting)
        threads = [
            threading.Thread(target=crew.work, name=f"emotone-worker-{number}", daemon=True)
            for number in range(self.workers)
        ]
        for thread in threads:
            thread.start()
        try:
            n_ended = 0
            while n_ended < len(threads):
                try:
                    report = crew.reports.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                if isinstance(report, BaseException):
                    raise report
                if report is None:
                    n_ended += 1
                else:
                    yield report
        finally:
            crew.stop()
            for thread in threads:
                thread.join(_END_S)


class _Crew:
    """Threads that share the parts of a job; each has a child process."""

    def __init__(self, job: Job, numbers: Iterable[int], tick: Tick, waiting: "list[subprocess.Popen[bytes]]") -> None:
        self._job, self._numbers, self._tick, self._waiting = job, iter(numbers), tick, waiting
        self._lock = threading.Lock()
        self._is_stopped = False
        self._children: list[Supervised] = []
        #: Reports, errors, and None from each thread at its end; bounded, so that workers wait for the reader.
        self.reports: queue.Queue[Report | BaseException | None] = queue.Queue(maxsize=64)

    def work(self) -> None:
        with self._lock:
            child = self._waiting.pop() if self._waiting else None
            supervised = Supervised(self._job.opener, limit_s=self._job.limit_s, child=child)
            self._children.append(supervised)
        try:
            while (number := self._next()) is not None:
                self._put(run_part(self._job, supervised, number, self._count))
            self._put(None)
        except BaseException as error:
            self._put(error)
        finally:
            supervised.close()

    def stop(self) -> None:
        self._is_stopped = True
        with self._lock:
            for child in self._children:
                child.close()

    def _count(self, n: int) -> None:
        with self._lock:
            self._tick(n)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._is_stopped else next(self._numbers, None)

    def _put(self, report: Report | BaseException | None) -> None:
        while not self._is_stopped:
            try:
                self.reports.put(report, timeout=_LOOK_S)
                return
            except queue.Full:
                continue
