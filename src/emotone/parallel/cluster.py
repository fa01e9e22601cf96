"""Machines of a Ray cluster, or the cores of this machine as one.

Tasks are Ray's own.  joblib's backend for Ray returns all results at the end, so that an interrupted run would lose
them, and it replaces a base class of joblib.
"""

import contextlib
import importlib
import itertools
import logging
import os
import secrets
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

from emotone._version import __version__
from emotone.errors import ConfigError, EmotoneError, MissingExtraError, WorkerError
from emotone.parallel.local import join_pool
from emotone.parallel.pool import Item, Pool, Result, Share


class RayPool(Pool):
    """A Ray cluster; use it in a ``with`` statement, which ends the connection.  See `Pool`.

    Every machine needs this version of Emotone.  Functions that read files find them under the same path on all.

    Parameters
    ----------
    address
        Of the cluster, such as ``"auto"`` or ``"ray://HOST:10001"``; None: ``RAY_ADDRESS``, or else Ray is started on
        this machine.
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
        try:
            ray: Any = importlib.import_module("ray")  # its types are incomplete
        except ImportError as error:
            raise MissingExtraError("the engine 'ray'", extra="ray") from error
        self._ray = ray
        self._is_ours = not ray.is_initialized()  # a notebook may be connected already
        if self._is_ours:
            self._connect(address)
        nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        self._cpus = [int(cpus) for cpus in nodes if cpus >= 1]
        if not self._cpus:
            self.close()
            raise ConfigError("the Ray cluster has no machine with a free core; expected one or more: ray start")

    def _connect(self, address: str | None) -> None:
        named = address or os.environ.get("RAY_ADDRESS")
        if named:
            _check_address(named)
        # Ray would send statistics of its use to its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {} if named else {"num_cpus": self.workers, "include_dashboard": False}
        try:
            # not None, for which Ray takes any cluster that runs on this machine
            self._ray.init(address=named or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _no_cluster(named or "this machine", error) from error

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and Ray if it was started for this."""
        if self._is_ours:
            self._ray.shutdown()

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
                result = self._result(done)
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


def _check_address(address: str) -> None:
    """Raise ConfigError if nothing listens at HOST:PORT or ray://HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto"
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, reason: Exception) -> ConfigError:
    return ConfigError(
        f"no Ray cluster at {address!r} ({reason}); expected the address of a running one, see 'ray start'"
    )


_loaded: tuple[str, Any] = ("", None)


def _run(key: str, shared: list[Any], item: Any, version: str) -> Any:
    """Call the function of a map with an item, in a process of the cluster."""
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
    return _loaded[1](item)
