"""Limits of the service, checked when they are set."""

import ipaddress
import re
from dataclasses import dataclass

from emotone.errors import ConfigError
from emotone.validation import check_range

#: Setting -> lowest and highest value, and the unit.
_RANGES = {
    "max_upload_bytes": (1000, 2**31, "bytes"),
    "workers": (1, 256, "threads"),
    "queue": (0, 10_000, "requests"),
    "max_streams": (0, 10_000, "streams"),
    "max_uploads": (1, 10_000, "uploads"),
    "max_uploads_per_client": (1, 10_000, "uploads"),
    "max_uploads_bytes_per_client": (1000, 2**33, "bytes"),
    "max_duration_s": (0.2, 86_400.0, "seconds"),
    "max_seconds": (0.01, 3600.0, "seconds"),
    "idle_stream_s": (0.01, 3600.0, "seconds"),
    "drain_s": (0.0, 600.0, "seconds"),
    "max_jobs": (0, 1000, "jobs"),
    "keep_jobs_s": (0.1, 86_400.0, "seconds"),
    "max_job_duration_s": (0.2, 86_400.0, "seconds"),
    "max_job_seconds": (0.01, 86_400.0, "seconds"),
    "max_job_upload_bytes": (1000, 2**31, "bytes"),
    "max_jobs_bytes": (1000, 2**36, "bytes"),
}
#: Settings that None leaves to a rule.
_OPTIONAL = ("max_uploads_bytes_per_client",)
#: A name or an address, as a host of a URL without the brackets of IPv6.
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
#: What a form has beside the recording: boundaries, headers and an RTTM file.
MAX_RTTM_BYTES = 1_000_000
_FORM_BYTES = 65_536 + MAX_RTTM_BYTES
#: Bytes of all uploads that are being received, unless the largest upload needs more.
_UPLOADS_BYTES = 500_000_000


@dataclass(frozen=True)
class ServeSettings:
    """Limits and access of a service.

    Attributes
    ----------
    max_upload_bytes
        Largest upload.  Uploads are held in memory: at most ``workers + queue`` that are complete, and
        ``max_uploads_bytes`` of those that are being received.
    max_duration_s
        Longest recording, whatever its header says.
    max_seconds
        Longest time from the end of an upload to its prediction, waiting included.
    workers
        Threads for decoding and inference.
    queue
        Requests that may wait for a thread; more are refused at once.
    max_uploads, max_uploads_per_client
        Uploads that are being received for more than a second, in all, and of one address (of one network of 64 bits,
        for IPv6).  With one more, the slowest is ended.
    max_uploads_bytes_per_client
        Bytes of one address among ``max_uploads_bytes``; at least a request with the largest upload.  None: half of
        them.  Raise it where many clients share an address, as behind a proxy that does not name them.
    max_streams
        WebSockets, and streams of a job's events or of the page's progress, that may be open.
    idle_stream_s
        Seconds without data after which a stream, an upload or a connection is closed, also one whose client does not
        read its answer; uploads and the reading of answers must also keep up with a least rate (`UploadTimeout`,
        `ReadTimeout`).
    drain_s
        Seconds from SIGTERM, when ``/readyz`` becomes 503, to the end of listening, so that a load balancer can react.
    max_jobs
        Jobs that may be uploading, waiting, running and kept, all together.
    keep_jobs_s
        Seconds for which the result of a job is kept.
    max_job_duration_s
        Longest recording of a job.
    max_job_seconds
        Longest time from the beginning of a job to its end; a job that turns out to be long begins anew.
    max_job_upload_bytes
        Largest upload of a job.
    max_jobs_bytes
        Most bytes of all jobs' uploads and results together, at least ``max_job_upload_bytes``.  One more upload is in
        memory while it is received, another while it is decoded in a child process, and so is one of a short recording
        (25 MB at most).
    allowed_hosts
        Names by which clients may call the service, as in the header Host without a port; ``*`` allows any.  See
        `emotone.serve.hosts.HostRule` for those that need no mention.
    trusted_proxies
        Addresses or networks of proxies, whose header X-Forwarded-For says who the client is.
    key
        API key that ``Authorization: Bearer`` must carry on all paths under ``/v1``; None requires no key.
    learn_source
        Whether the model adapts to what all recordings have in common: microphone, room, language, way of acting.
        What is known grows with each recording that is predicted; it holds no sound, and ends with the service.
    origins
        Other origins whose web pages may use the service, such as ``https://example.org``; ``*`` allows any.  Add the
        service's own origin if a proxy in front of it changes the header Host.

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
    max_uploads: int = 256
    max_uploads_per_client: int = 32
    max_uploads_bytes_per_client: int | None = None
    idle_stream_s: float = 30.0
    drain_s: float = 1.0
    max_jobs: int = 16
    keep_jobs_s: float = 600.0
    max_job_duration_s: float = 4 * 3600.0
    max_job_seconds: float = 3600.0
    max_job_upload_bytes: int = 250_000_000
    max_jobs_bytes: int = 500_000_000
    key: str | None = None
    learn_source: bool = False
    origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")

    @property
    def max_uploads_bytes(self) -> int:
        """Bytes of all uploads that are being received: 500 MB, or twice the largest one."""
        return max(_UPLOADS_BYTES, 2 * self._largest_request)

    @property
    def most_uploads_bytes_per_client(self) -> int:
        """Bytes of the uploads of one address that are being received: as set, or half of all."""
        most = self.max_uploads_bytes_per_client
        return self.max_uploads_bytes // 2 if most is None else max(most, self._largest_request)

    @property
    def _largest_request(self) -> int:
        return max_request_bytes(max(self.max_upload_bytes, self.max_job_upload_bytes))

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if unit != "seconds" and not isinstance(value, int):
                raise ConfigError(f"{name} is {value!r}; expected a whole number of {unit}")
            check_range(name, value, low, high, unit=unit)
        if self.max_jobs_bytes < self.max_job_upload_bytes:
            raise ConfigError(
                f"max_jobs_bytes is {self.max_jobs_bytes}; expected at least max_job_upload_bytes, "
                f"{self.max_job_upload_bytes}"
            )
        most, largest = self.max_uploads_bytes_per_client, max(self.max_upload_bytes, self.max_job_upload_bytes)
        if most is not None and not largest <= most <= self.max_uploads_bytes:
            raise ConfigError(
                f"max_uploads_bytes_per_client (--max-uploads-mb-per-client) is {most}; expected {largest}, the "
                f"largest upload, to {self.max_uploads_bytes}, the memory for the uploads of all"
            )
        if self.key is not None and not (self.key and self.key.isascii() and self.key.isprintable()):
            raise ConfigError("the key is empty or has characters that a header can't hold; expected printable ASCII")
        if self.key is not None and self.key != self.key.strip():
            raise ConfigError("the key begins or ends with a space, which clients drop; expected a key without them")
        for name in ("origins", "allowed_hosts", "trusted_proxies"):
            if isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} is the string {getattr(self, name)!r}; expected a tuple")
        _check_hosts(self.allowed_hosts)
        _check_proxies(self.trusted_proxies)
        for origin in self.origins:
            if origin != "*" and (not origin.startswith(("http://", "https://")) or origin.count("/") != 2):
                raise ConfigError(
                    f"the origin is {origin!r}; expected scheme and host such as https://example.org, or *"
                )


def _check_hosts(hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if host != "*" and not _HOST.fullmatch(host):
            raise ConfigError(
                f"the allowed host is {host!r}; expected a name or an address without scheme, port and path, such as "
                "emotone.example.org, or *"
            )


def _check_proxies(proxies: tuple[str, ...]) -> None:
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ConfigError(
                f"the trusted proxy is {proxy!r} ({error}); expected an address or a network such as 172.16.0.0/12"
            ) from error


def max_request_bytes(max_upload_bytes: int) -> int:
    """Return the largest request with an upload: the recording, and the rest of the form."""
    return max_upload_bytes + _FORM_BYTES
