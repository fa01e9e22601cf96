"""Names by which the service may be called: a page of another site must not reach it by the name of that site.

A browser lets a page read answers of the host that it came from.  The owner of a name can let it point to 127.0.0.1
after the page was loaded (DNS rebinding); then the page may read what a service on this machine answers.  Its header
Host still has the other name.
"""

import ipaddress
import socket

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from emotone.serve.problems import ProblemError
from emotone.serve.security import check_well_formed_origin
from emotone.serve.settings import ServeSettings

_LOCAL_NAME = "localhost"


def is_loopback(host: str) -> bool:
    """Return whether an address or name is only this machine's.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == _LOCAL_NAME


def name_of(host: str) -> str | None:
    """Return the name or address in a header Host, in lower case; None if it is malformed.

    Examples
    --------
    >>> name_of("Example.org:8000"), name_of("[::1]:8000"), name_of("[::1")
    ('example.org', '::1', None)
    """
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    elif not (port.isascii() and port.isdecimal()):
        return None
    if name.startswith("[") != name.endswith("]"):
        return None
    if not name.startswith("["):
        return None if not name or ":" in name else name.lower().removesuffix(".")
    try:
        return str(ipaddress.IPv6Address(name[1:-1]))
    except ValueError:
        return None


class HostRule:
    """Which names are allowed.

    Names and addresses of this machine alone (localhost, 127.0.0.1, ::1) and ``allowed_hosts`` always are.  A service
    that listens on such an address allows no others.  A service that other machines reach also allows all addresses,
    which can't be made to point to another machine, and without a key the name of this machine.  With a key and without
    ``allowed_hosts`` it allows any name, since a page of another site does not have the key.

    Parameters
    ----------
    settings
        Of the service.
    listens_on
        Address or name that it listens on; None, where another program listens, allows any name unless there are
        ``allowed_hosts``.
    """

    def __init__(self, settings: ServeSettings, *, listens_on: str | None) -> None:
        self._names = {host.lower() for host in settings.allowed_hosts}
        is_local = listens_on is not None and is_loopback(listens_on)
        takes_any = not self._names and not is_local and (listens_on is None or settings.key is not None)
        self._takes_any = takes_any or "*" in self._names
        self._takes_addresses = not is_local
        if not is_local and settings.key is None:
            self._names.add(socket.gethostname().lower())

    def allows(self, host: str | None) -> bool:
        """Return whether a request with this header Host is allowed; None, as of HTTP/1.0, comes from no browser."""
        name = None if host is None else name_of(host)
        if host is not None and name is None:
            return False
        if self._takes_any or name is None or name in self._names or is_loopback(name):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._takes_addresses


class CheckHost:
    """Refuse requests and WebSockets under other names than the allowed ones, and those with a malformed origin."""

    def __init__(self, app: ASGIApp, *, rule: HostRule) -> None:
        self.app, self.rule = app, rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            self._check(headers)
        except ProblemError as problem:
            if scope["type"] == "http":
                return await problem.response()(scope, receive, send)
            return await _refuse_websocket(problem, send)
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        host = headers.get("host")
        if not self.rule.allows(host):
            raise ProblemError(
                "unknown_host",
                f"the header Host is {(host or '')[:100]!r}, which is not an allowed name; to allow it, start the "
                "service with --allowed-hosts NAME",
            )
        check_well_formed_origin(headers)


async def _refuse_websocket(problem: ProblemError, send: Send) -> None:
    """Answer the handshake with a problem."""
    response = problem.response()
    start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})
