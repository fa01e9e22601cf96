"""Uploads that are being received: how many of a client, how slow, and how many bytes in memory.

An upload takes no place of the queue, which is for what is complete.  A fast one is not limited at all.  One that takes
longer than `FRESH_S` is counted: if there are too many of the same address, or in all, the slowest is ended.  So
clients that send nothing, or next to nothing, only ever take the room of each other.  The bytes of an address are
limited whatever its speed, so that no client has all of the memory.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Iterable, Iterator
from typing import TypeVar

from starlette.types import Scope

from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings
from emotone.serve.timeouts import UploadTimeout

Result = TypeVar("Result")
#: Seconds that any upload may take, without being counted.
FRESH_S = 1.0
#: An upload that is late by less is not ended for another one.
_LATE_S = 0.5
#: Length of an IPv6 network that a single client may have to itself.
_IPV6_BITS = 64


def address_of(scope: Scope) -> str:
    """Return the address of a request's client; for IPv6, its network.

    Examples
    --------
    >>> address_of({"client": ("2001:db8::1:2", 5000)}), address_of({"client": ("::ffff:10.0.0.1", 5000)})
    ('2001:db8::/64', '10.0.0.1')
    """
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a socket of another kind
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _IPV6_BITS), strict=False))


class Reception:
    """An upload that is being received.

    Attributes
    ----------
    address
        Address of the client.
    timeout
        Its timeout, which also has its bytes.
    is_counted
        Whether it has taken longer than `FRESH_S`.
    """

    def __init__(self, receptions: "Receptions", address: str, timeout: UploadTimeout) -> None:
        self.address, self.timeout, self.is_counted = address, timeout, False
        self._receptions = receptions
        self._waiting: asyncio.Timeout | None = None
        self._problem: ProblemError | None = None

    async def wait(self, more: Awaitable[Result], *, is_timed: bool = True) -> Result:
        """Wait for more of the upload; if it is not timed, the caller limits the time.

        Raises
        ------
        ProblemError
            idle: it paused or is too slow; busy: it was ended for another upload.
        """
        try:
            wait_s = self.timeout.wait_s if is_timed else None
            async with asyncio.timeout(0.0 if self._problem else wait_s) as self._waiting:
                return await more
        except TimeoutError:
            detail = f"the upload paused for {self.timeout.idle_s:g} s or is too slow; send it again"
            raise self._problem or ProblemError("idle", detail) from None
        finally:
            self._waiting = None

    def received(self, n_bytes: int) -> None:
        """Note that so many bytes have arrived; raise `ProblemError` busy if they don't fit into memory."""
        self._receptions.make_room(self, n_bytes)
        self.timeout.received(n_bytes)

    def end(self, problem: ProblemError) -> None:
        """Raise a problem where the upload is waited for."""
        self._problem = problem
        if self._waiting is not None and not self._waiting.expired():  # else it ends in this moment by itself
            self._waiting.reschedule(0.0)


class Receptions:
    """All uploads that are being received; for the event loop's thread alone."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self._all: set[Reception] = set()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def n_bytes(self) -> int:
        """Bytes that have arrived of all of them."""
        return _total_bytes(self._all)

    @contextlib.contextmanager
    def open(self, scope: Scope, *, max_bytes: int = 0) -> Iterator[Reception]:
        """Return the reception of a request's body of at most ``max_bytes``, which ends with the block."""
        timeout = UploadTimeout(self.settings.idle_stream_s, max_bytes=max_bytes)
        reception = Reception(self, address_of(scope), timeout)
        self._all.add(reception)
        timer = asyncio.get_running_loop().call_later(FRESH_S, self._count, reception)
        try:
            yield reception
        finally:
            timer.cancel()
            self._all.discard(reception)

    def _count(self, reception: Reception) -> None:
        """Count an upload; end the slowest if there are too many."""
        reception.is_counted = True
        counted = [each for each in self._all if each.is_counted]
        same = [each for each in counted if each.address == reception.address]
        if len(same) > self.settings.max_uploads_per_client:
            slowest, reason = _slowest(same), f"{len(same)} slow uploads of your address"
        elif len(counted) > self.settings.max_uploads:
            slowest, reason = _slowest(counted), f"{len(counted)} slow uploads"
        else:
            return
        if slowest is not None:  # fast ones are limited by the memory alone
            self._end(slowest, reason)

    def make_room(self, reception: Reception, n_bytes: int) -> None:
        """Make room for so many bytes more of an upload: end slow ones; raise `ProblemError` busy if that won't do.

        First within the share of its address, by the uploads of this address alone; then within all the memory.
        """
        share, all_ = self.settings.most_uploads_bytes_per_client, self.settings.max_uploads_bytes
        state = "the memory for uploads of your address is full"
        self._free(reception, share - n_bytes, state, address=reception.address)
        self._free(reception, all_ - n_bytes, "the memory for uploads is full")

    def _free(self, but: Reception, most: int, state: str, *, address: str | None = None) -> None:
        """End slow uploads, of an address or any, but not this one, until all have at most so many bytes."""
        while _total_bytes(held := [each for each in self._all if address in (None, each.address)]) > most:
            slowest = _slowest([each for each in held if each is not but and each.timeout.n_bytes])
            if slowest is None:
                raise ProblemError("busy", f"{state}; try again in a second")
            self._end(slowest, f"{state}, and this one is slow")

    def _end(self, reception: Reception, reason: str) -> None:
        self._all.discard(reception)
        reception.end(ProblemError("busy", f"{reason}; send it again, on a faster line or later"))


def _total_bytes(uploads: Iterable[Reception]) -> int:
    return sum(each.timeout.n_bytes for each in uploads)


def _slowest(receptions: list[Reception]) -> Reception | None:
    """Return the upload that is late most; None if all of them are fast."""
    slowest = max(receptions, key=lambda each: each.timeout.late_s, default=None)
    return slowest if slowest is not None and slowest.timeout.late_s >= _LATE_S else None
