"""The connection to a Ray cluster, which says nothing on the terminal and leaves nothing behind."""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from emotone.errors import ConfigError, EmotoneError, MissingExtraError

#: Seconds for the head of a cluster to answer.
_ANSWER_S = 10.0
#: Bytes of shared memory of a local cluster, which holds numbers of parts and reports; Ray's default is 30 % of all.
_SHARED_BYTES = 100 * 2**20
#: The begin of a connection in HTTP/2, and an empty frame of settings; a server answers with a frame of this type.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4
_EXPECTED = "expected HOST:PORT of the head of a running Ray cluster, such as 10.0.0.5:6379, or auto"
#: Ray's own settings, unless the user has set them: no report of the use to its makers, and no messages about details.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


def ray_modules() -> tuple[Any, Any]:
    """Return the modules ``ray`` and ``ray.data``.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """
    try:
        import ray
        import ray.data
        import ray.data.exceptions
    except ImportError as error:
        raise MissingExtraError("the engine ray", extra="ray") from error
    return ray, ray.data


@contextlib.contextmanager
def connected(address: str | None, *, workers: int, shared_bytes: int | None = _SHARED_BYTES) -> Iterator[int]:
    """Connect to a cluster, or start one on this machine, and end what was begun.

    Parameters
    ----------
    address
        See `emotone.bulk.engines.ray.RayEngine`; None: start a cluster.
    workers
        Number of cores of a cluster that is started.
    shared_bytes
        Bytes of its memory that its processes share; None: Ray's own choice.

    Yields
    ------
    The number of cores of the cluster.

    Raises
    ------
    ConfigError
        There is no cluster at the address, or it has no cores.
    EmotoneError
        Ray can't start.
    """
    ray, _ = ray_modules()
    with _quiet_loggers():
        if ray.is_initialized():
            _check_same(ray, address)
            yield _cores(ray, address)
            return
        with _signals_kept():
            _begin(ray, address, workers, shared_bytes)
        try:
            yield _cores(ray, address)
        finally:
            ray.shutdown()


def _begin(ray: Any, address: str | None, workers: int, shared_bytes: int | None) -> None:
    is_local = address in (None, "local")
    if address is not None and not is_local and address != "auto":
        _check_answers(address)
    options: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if is_local:
        options |= {"num_cpus": max(workers, 1), "num_gpus": 0, "include_dashboard": False}
        options |= {} if shared_bytes is None else {"object_store_memory": shared_bytes}
    try:
        with _environment(), _silent_stderr():
            ray.init(address=address or "local", **options)
    except KeyboardInterrupt:
        ray.shutdown()
        raise
    except (Exception, SystemExit) as error:  # Ray ends the process if a head does not answer it
        ray.shutdown()
        text = " ".join(str(error).split())
        if is_local:
            raise EmotoneError(f"Ray can't start on this machine ({text}); use the engine local") from error
        if "Authentication" in f"{error!r} {error.__cause__!r} {error.__context__!r}":
            raise ConfigError(
                f"{address}: the cluster asks for a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
                "RAY_AUTH_TOKEN_PATH unless its token is in ~/.ray/auth_token"
            ) from error
        raise ConfigError(f"{address}: can't connect to Ray there ({text}); {_EXPECTED}") from error


def _check_answers(address: str) -> None:
    """Raise unless something like Ray's head is at an address: Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        raise ConfigError(f"the address of Ray is {address}; {_EXPECTED}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.settimeout(_ANSWER_S)
            connection.sendall(_HELLO)
            head = connection.recv(9, socket.MSG_WAITALL)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{address}: nothing answers there ({error}); {_EXPECTED}. Start one with ray start --head"
        ) from error
    if len(head) < 9 or head[3] != _SETTINGS:
        raise ConfigError(f"{address}: what answers there is not Ray; {_EXPECTED}. Start one with ray start --head")


def _check_same(ray: Any, address: str | None) -> None:
    there = str(ray.get_runtime_context().gcs_address)
    if address not in (None, "local", "auto", there):
        raise ConfigError(
            f"the address of Ray is {address}, but this process is connected to {there}; call ray.shutdown() "
            "before, or leave out the address"
        )


def _cores(ray: Any, address: str | None) -> int:
    n_cores = int(ray.cluster_resources().get("CPU", 0))
    if not n_cores:
        where = address or "the cluster that this process is connected to"
        raise ConfigError(f"{where}: no node has a core for an actor; add a node with ray start --address HOST:PORT")
    return n_cores


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ |= added
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard what Ray's part in C++ writes to the terminal while it starts."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Keep Ray's messages off the terminal; its files have them."""
    handlers = [
        handler
        for name in ("ray", "ray.data")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) or type(handler).__name__ == "PlainRayHandler"
    ]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Put the handler of SIGTERM back, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)
