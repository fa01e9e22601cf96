"""Limits of the service, checked when they are set."""

from dataclasses import dataclass

from emotone.errors import ConfigError


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
