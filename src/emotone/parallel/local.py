"""Processes of this machine, by joblib's loky.

Its processes stay for the next call: they import torch once.  Unlike those of `concurrent.futures`, they don't import
the script that started them, so a script needs no ``if __name__ == "__main__"``.
"""

import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from emotone.errors import WorkerError
from emotone.parallel.pool import Item, Pool, Result, Share
from emotone.parallel.worker_warnings import Warned, issued, recorded
from emotone.processes import end_with, n_cores
from emotone.temporary import remove_leftovers, temporary_folder

_FOLDERS = "emotone-pool-"
_works_for_another = False


def join_pool() -> None:
    """Note that this process is one of a pool: it starts no others."""
    global _works_for_another
    _works_for_another = True


def remove_killed() -> None:
    """Remove what pools of killed processes left."""
    remove_leftovers(_FOLDERS, parent=Path(tempfile.gettempdir()))


class LocalPool(Pool):
    """Processes of this machine; with one worker, this process.  See `Pool`."""

    is_here = True

    def share(self, n_items: int, *, networks: bool = False) -> Share:
        """Share the cores of this machine; see `Pool.share`."""
        cores = n_cores()
        workers = 1 if _works_for_another else self.workers or (1 if networks else cores)
        workers = max(1, min(workers, n_items))
        return Share(workers, max(1, cores // workers))

    def runs_in_process(self, share: Share) -> bool:
        """Whether there is a single worker."""
        return share.workers == 1

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, share: Share
    ) -> Generator[tuple[int, Result], None, None]:
        """Call a function with each item; see `Pool.map`."""
        remove_killed()
        if self.runs_in_process(share) or not items:
            yield from ((number, work(item)) for number, item in enumerate(items))
            return
        import joblib

        # A process that has grown, as by loading torch, is replaced after its task: no concern of the user's.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor")
        # `work` is a file, which each process maps into its memory: arrays are in memory once for all processes.
        with temporary_folder(_FOLDERS) as folder:
            path = str(folder / "work.pickle")
            joblib.dump(work, path)
            joined = {"initializer": _join, "initargs": (os.getpid(),)}
            with joblib.parallel_config("loky", inner_max_num_threads=share.threads, **joined):
                run = joblib.Parallel(n_jobs=share.workers, return_as="generator_unordered")
                results = run(joblib.delayed(_run)(path, number, item) for number, item in enumerate(items))
            try:
                for number, done in results:
                    yield number, issued(done)
            except BrokenProcessPool as error:
                raise WorkerError(
                    "a process of this program died (out of memory?); what was finished is kept: run again, with "
                    "fewer workers if it happens again"
                ) from error
            finally:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # joblib warns if results are left
                    results.close()


def _join(first: int) -> None:
    """Prepare a process of the pool whose first process has this number."""
    join_pool()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    end_with(first)  # loky's processes wait for minutes when the first one was killed


_loaded: tuple[str, Any] = ("", None)  # the last function and its file: it may take long to prepare


def _run(path: str, number: int, item: Any) -> tuple[int, tuple[Any, list[Warned]]]:
    """Call the function in a file with an item, in a process of the pool; see `recorded`."""
    global _loaded
    import joblib

    if _loaded[0] != path:
        _loaded = ("", None)  # frees the memory of the last one first
        _loaded = (path, joblib.load(path, mmap_mode="c"))
    return number, recorded(_loaded[1], item)
