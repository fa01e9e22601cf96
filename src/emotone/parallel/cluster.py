"""Machines of a Ray cluster, or the cores of this machine as one.

Tasks are Ray's own.  joblib's backend for Ray returns all results at the end, so that an interrupted run would lose
them, and it replaces a base class of joblib.
"""

import contextlib
import itertools
import os
import secrets
from collections.abc import Callable, Generator, Sequence
from typing import Any

from emotone._version import __version__
from emotone.errors import ConfigError, EmotoneError, WorkerError
from emotone.parallel.local import join_pool
from emotone.parallel.pool import Item, Pool, Result, Share
from emotone.parallel.ray_connection import connected, ray_modules
from emotone.parallel.worker_warnings import issued, recorded
from emotone.processes import n_cores


class RayPool(Pool):
    """A Ray cluster; use it in a ``with`` statement, which ends the connection.  See `Pool`.

    Every machine needs this version of Emotone.  Functions that read files find them under the same path on all.

    Parameters
    ----------
    address
        HOST:PORT of the head of the cluster, or "auto"; None: ``RAY_ADDRESS``, or else Ray is started on this machine.
    workers
        As in `Pool`; for networks, None is one for each machine.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ConfigError
        There is no cluster at this address.
    """

    is_here = False

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        super().__init__(workers)
        self._ray, _ = ray_modules()
        named = address or os.environ.get("RAY_ADDRESS") or None
        self._connection = contextlib.ExitStack()
        # a cluster of this machine has Ray's own share of the memory, since features can be large
        self._connection.enter_context(connected(named, workers=workers or n_cores(), shared_bytes=None))
        nodes = [node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]]
        self._cpus = [int(cpus) for cpus in nodes if cpus >= 1]

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and Ray if it was started for this."""
        self._connection.close()

    def share(self, n_items: int, *, networks: bool = False) -> Share:
        """Share the cores of the cluster; no item gets more threads than its smallest machine has."""
        cores = sum(self._cpus)
        workers = max(1, min(self.workers or (len(self._cpus) if networks else cores), n_items))
        return Share(workers, max(1, min(cores // workers, *self._cpus)))

    def runs_in_process(self, share: Share) -> bool:
        """Never."""
        return False

    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, share: Share
    ) -> Generator[tuple[int, Result], None, None]:
        """Call a function with each item; see `Pool.map`."""
        if not items:
            return
        ray = self._ray
        key, shared = secrets.token_hex(8), ray.put(work)
        task = ray.remote(_run).options(num_cpus=share.threads)
        waiting, running = iter(enumerate(items)), {}

        def start(n_items: int) -> None:
            for number, item in itertools.islice(waiting, n_items):
                # in a list, so that Ray does not load it for each item
                running[task.remote(key, [shared], item, __version__)] = number

        try:
            start(share.workers)
            while running:
                (done,), _ = ray.wait(list(running), num_returns=1)
                number = running.pop(done)
                result = issued(self._result(done))
                start(1)
                yield number, result
        finally:
            for reference in running:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            is_import = isinstance(cause, errors.RaySystemError | ImportError) or "failed to import" in str(cause)
            if is_import and not isinstance(cause, EmotoneError):
                reason = str(cause).strip().splitlines()[-1]
                raise WorkerError(
                    f"a machine of the Ray cluster can't load the work ({reason}); expected the same packages on "
                    f"every machine: Emotone {__version__} with its extra 'train'"
                ) from error
            raise cause from error
        except errors.RayError as error:
            raise WorkerError(
                f"a process of the Ray cluster died ({type(error).__name__}; out of memory?); what was finished is "
                "kept: run again, with fewer workers if it happens again"
            ) from error


_loaded: tuple[str, Any] = ("", None)


def _run(key: str, shared: list[Any], item: Any, version: str) -> Any:
    """Call the function of a map with an item, in a process of the cluster; see `recorded`."""
    global _loaded
    import ray

    if version != __version__:
        raise ConfigError(
            f"this machine of the Ray cluster has Emotone {__version__}; expected {version}, as where it was started"
        )
    join_pool()
    if _loaded[0] != key:
        _loaded = ("", None)
        _loaded = (key, ray.get(shared[0]))
    return recorded(_loaded[1], item)
