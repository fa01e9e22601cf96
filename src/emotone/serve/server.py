"""The service as a process: uvicorn with a graceful shutdown."""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.app import create_app
from emotone.serve.hosts import is_loopback
from emotone.serve.live_messages import MAX_CHUNK_BYTES
from emotone.serve.settings import ServeSettings
from emotone.serve.timeouts import patient_protocol

_log = logging.getLogger(__name__)
#: Seconds for the end of threads and child processes, once the requests are finished or cut.
_SHUTDOWN_S = 30.0


class Server(uvicorn.Server):
    """A server that shuts down in two steps: ``/readyz`` becomes 503, then running requests are finished.

    After SIGTERM it listens for ``drain_s`` more; SIGINT or a second signal ends the listening at once.

    Attributes
    ----------
    owns_process
        Whether the process is there for the service alone, so that a shutdown that takes too long ends it.
    """

    owns_process = False

    def __init__(self, config: uvicorn.Config, *, app: FastAPI) -> None:
        super().__init__(config)
        self._queue, self._drain_s = app.state.queue, app.state.settings.drain_s
        self._exit_at: float | None = None
        self._end_of_process: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown; see the class."""
        first = not self._queue.closing
        self._queue.closing = True
        if first and self.owns_process:
            self._end_in_any_case()
        if sig == signal.SIGTERM and first and self._drain_s > 0:
            self._exit_at = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)
        # uvicorn would raise the signals again at the end, and the exit code would be that of a killed process
        self._captured_signals.clear()

    def _end_in_any_case(self) -> None:
        """End the process if the shutdown takes too long, whatever its threads do."""
        limit_s = self._drain_s + (self.config.timeout_graceful_shutdown or 0) + _SHUTDOWN_S
        self._end_of_process = threading.Timer(limit_s, _give_up, (limit_s,))
        self._end_of_process.daemon = True
        self._end_of_process.start()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Run until a signal; afterwards the process belongs to the caller again."""
        try:
            super().run(sockets)
        finally:
            if self._end_of_process is not None:
                self._end_of_process.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Check, ten times a second, whether to stop listening."""
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        if self.should_exit:
            self._queue.closing = True
        return await super().on_tick(counter)


def _give_up(limit_s: float) -> None:
    _log.error("the service did not end within %g s of the signal; it is ended now, with what it was doing", limit_s)
    os._exit(1)


def make_server(
    recognizer: Recognizer,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: ServeSettings | None = None,
    access_log: bool = False,
    page: bool = False,
) -> Server:
    """Return a server that does not run yet; see `serve`."""
    settings = settings or ServeSettings()
    app = create_app(recognizer, settings=settings, page=page, listens_on=host)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=patient_protocol(settings.idle_stream_s),
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        access_log=access_log,
        log_level="info" if access_log else "warning",
        ws_max_size=MAX_CHUNK_BYTES,
        ws_max_queue=4,  # messages of a stream in memory
        ws_per_message_deflate=False,  # PCM hardly shrinks
        timeout_graceful_shutdown=round(settings.max_seconds) + 5,
    )
    return Server(config, app=app)


def serve(
    recognizer: Recognizer,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: ServeSettings | None = None,
    access_log: bool = False,
    page: bool = False,
    on_listening: Callable[[], None] = lambda: None,
) -> None:
    """Run the service until SIGINT or SIGTERM, then finish the running requests.

    Parameters
    ----------
    recognizer
        The model; all requests share it.
    host, port
        Address to listen on.
    settings
        Limits and access.
    access_log
        Whether to log each request.
    page
        Whether there is a web page at ``/``.
    on_listening
        Called once the service is complete and its port is open.

    Raises
    ------
    ConfigError
        The port is in use, or the host is not an address of this machine.
    MissingExtraError
        ``page`` is set, and gradio is not installed.
    """
    settings = settings or ServeSettings()
    if settings.key is None and not is_loopback(host):
        _log.warning("the service listens on %s without a key: everyone who reaches it may use it; set a key", host)
    server = make_server(recognizer, host=host, port=port, settings=settings, access_log=access_log, page=page)
    with listen(host, port) as listener, contextlib.suppress(KeyboardInterrupt):
        on_listening()
        server.owns_process = True
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Open a port; raise `ConfigError` if that fails, where uvicorn would exit."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # as asyncio does for its own sockets: otherwise the body of a response waits for 40 ms, until the client has
        # acknowledged the head (Nagle's algorithm)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"can't listen on {host}, port {port} ({error}); choose another port, or stop the program that uses it"
        ) from error
