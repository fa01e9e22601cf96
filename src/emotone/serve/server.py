"""The service as a process: uvicorn, ended gracefully."""

import contextlib
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.app import create_app
from emotone.serve.settings import ServeSettings
from emotone.serve.sockets import MAX_CHUNK_BYTES
from emotone.serve.timeouts import patient

#: Names of this machine that no other one can connect to.
_LOCAL = ("127.0.0.1", "::1", "localhost")
_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server that, once it is told to end, is first no longer ready, and then finishes what runs.

    SIGTERM lets it listen on for ``drain_s``; SIGINT, or a second signal, ends that at once.
    """

    def __init__(self, config: uvicorn.Config, *, app: FastAPI) -> None:
        super().__init__(config)
        self._load, self._drain_s = app.state.load, app.state.settings.drain_s
        self._exit_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; see the class."""
        first = not self._load.closing
        self._load.closing = True
        if sig == signal.SIGTERM and first and self._drain_s > 0:
            self._exit_at = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)
        # uvicorn would raise them anew at the end, and an orderly end would look like that of a process that was killed
        self._captured_signals.clear()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time."""
        if self._exit_at is not None and time.monotonic() >= self._exit_at:
            self.should_exit = True
        if self.should_exit:
            self._load.closing = True
        return await super().on_tick(counter)


def make_server(
    recognizer: Recognizer,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: ServeSettings | None = None,
    access_log: bool = False,
    page: bool = False,
) -> Server:
    """Make a server that does not run yet; see `serve`."""
    settings = settings or ServeSettings()
    app = create_app(recognizer, settings=settings, page=page)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=patient(settings.idle_stream_s),
        server_header=False,
        access_log=access_log,
        log_level="info" if access_log else "warning",
        ws_max_size=MAX_CHUNK_BYTES,
        ws_max_queue=4,  # messages of a stream that are held in memory
        ws_per_message_deflate=False,  # sound does not shrink by it
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
) -> None:
    """Run the service until SIGINT or SIGTERM; what runs then is finished.

    Parameters
    ----------
    recognizer
        Answers.
    host, port
        Where it listens.
    settings
        What the service takes on.
    access_log
        Whether each request is written to the log.
    page
        Whether there is a web page at ``/``.

    Raises
    ------
    ConfigError
        Another program listens there already, or the host is none of this machine.
    MissingExtraError
        There is to be a page, and gradio is not installed.
    """
    settings = settings or ServeSettings()
    if settings.key is None and host not in _LOCAL:
        _log.warning("the service listens on %s and asks for no key: whoever reaches it may use it; set a key", host)
    server = make_server(recognizer, host=host, port=port, settings=settings, access_log=access_log, page=page)
    with _listening(host, port) as opened, contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[opened])


def _listening(host: str, port: int) -> socket.socket:
    """Open the port here: uvicorn would end the process where it can't be opened."""
    try:
        opened = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # asyncio does this for the sockets that it opens itself: an answer's body would wait for 40 ms otherwise, until
        # the client has acknowledged the head (Nagle's algorithm)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"nothing can listen on {host}, port {port} ({error}); name another port, or end what uses this one"
        ) from error
