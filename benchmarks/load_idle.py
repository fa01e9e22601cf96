"""Good clients while idle and slow uploads stand: a section of `load.py`, and its figures for the tests.

Holders open uploads that never end.  Each sends a head that announces 1 MB, and then nothing, or some bytes a second.
If the service closes the connection, the holder opens another after a second.  Meanwhile good clients send recordings,
one after the other, from the same address.  A good client is answered if its first try gets status 200 (202 for a
job); a refusal counts as no answer, though a client could come back.
"""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import load_client
from load_client import Service

#: Share of the good clients that must be answered.
LEAST_ANSWERED = 0.95
#: Name -> bytes a second of each held upload.
KINDS = {"idle": 0, "1 byte a second": 1, "5 kB a second": 5_000}
_ANNOUNCED_BYTES = 1_000_000
#: Paths of the held uploads: as many of the first as the service has places, then all in turn.
_PATHS, _PLACES = ("/v1/predict", "/v1/timeline", "/v1/jobs"), 18
#: A good client waits so long for its answer, seconds.
_PATIENCE_S = 20.0


@dataclass
class Answers:
    """What good clients got.

    Attributes
    ----------
    statuses
        Status -> number of answers; 0: none.
    seconds
        Of each answer with status 200 or 202.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of the good clients that were answered."""
        return len(self.seconds) / sum(self.statuses.values())


def answered(service: Service, data: bytes, *, held: int, bytes_per_s: int, clients: int) -> Answers:
    """Send recordings while uploads are held, and once for each job that is started delete it."""
    return asyncio.run(_answered(service.port, data, held=held, bytes_per_s=bytes_per_s, clients=clients))


async def _answered(port: int, data: bytes, *, held: int, bytes_per_s: int, clients: int) -> Answers:
    answers = Answers()
    holders = [asyncio.create_task(_hold(port, _path(k), bytes_per_s)) for k in range(held)]
    try:
        await asyncio.sleep(1.5)  # all of them stand
        for k in range(clients):
            path = "/v1/jobs" if k % 5 == 4 else "/v1/predict"
            start = time.perf_counter()
            status, location = await _send(port, path, load_client.form(data))
            answers.statuses[status] += 1
            if status in (200, 202):
                answers.seconds.append(time.perf_counter() - start)
            if location:
                await _request(port, f"DELETE {location} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    finally:
        for holder in holders:
            holder.cancel()
        await asyncio.gather(*holders, return_exceptions=True)
    return answers


def _path(number: int) -> str:
    return _PATHS[0] if number < _PLACES else _PATHS[number % len(_PATHS)]


async def _hold(port: int, path: str, bytes_per_s: int) -> None:
    start = load_client.form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(load_client.head(n_bytes=_ANNOUNCED_BYTES, path=path) + (start if bytes_per_s else b""))
                while not reader.at_eof():
                    writer.write(bytes(bytes_per_s))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await reader.read(65_536)
            finally:
                writer.close()
        await asyncio.sleep(1)


async def _send(port: int, path: str, body: bytes) -> tuple[int, str]:
    """Send a recording; return the status, 0 without an answer, and the path of a job."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            status, headers = await _request(port, load_client.head(n_bytes=len(body), path=path) + body)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0, ""
    return status, headers.get("location", "")


async def _request(port: int, request: bytes) -> tuple[int, dict[str, str]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return load_client.parsed((await reader.readuntil(b"\r\n\r\n"))[:-4])
    finally:
        writer.close()


def section(
    service: Service, data: bytes, *, clients: int = 40, numbers: tuple[int, ...] = (18, 100)
) -> dict[str, Any]:
    """Measure each kind of held uploads, for each number of them."""
    rows = []
    for name, bytes_per_s in KINDS.items():
        for held in numbers:
            got = answered(service, data, held=held, bytes_per_s=bytes_per_s, clients=clients)
            rows.append(
                {
                    "held": held,
                    "kind": name,
                    "clients": clients,
                    "answered": len(got.seconds),
                    "statuses": {str(status): number for status, number in sorted(got.statuses.items())},
                    "median_s": sorted(got.seconds)[len(got.seconds) // 2] if got.seconds else None,
                }
            )
            time.sleep(1)  # the held ones are gone
    least = min(row["answered"] / row["clients"] for row in rows)
    return {"rows": rows, "targets": {f"{LEAST_ANSWERED:.0%} answered while uploads stand": least >= LEAST_ANSWERED}}
