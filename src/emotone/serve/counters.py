"""Counters of the service, in the text format of Prometheus.

The format is https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Upper bounds of the histogram, seconds.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: Name of all unknown paths: paths that clients invent must not fill the memory.
OTHER = "other"
#: How jobs end.
JOB_STATES = ("done", "failed", "cancelled")


class Metrics:
    """Counters since the start of the service; safe for several threads.

    Parameters
    ----------
    paths
        Paths that are counted by name.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int], int] = {}
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self._jobs = dict.fromkeys(JOB_STATES, 0)

    def count(self, path: str, status: int) -> None:
        """Count a finished request."""
        key = (path if path in self.paths else OTHER, status)
        with self._lock:
            self._requests[key] = self._requests.get(key, 0) + 1

    def observe(self, seconds: float) -> None:
        """Add the seconds of an inference, decoding included, to the histogram."""
        with self._lock:
            self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
            self._seconds += seconds

    def count_job(self, state: str) -> None:
        """Count a job that has ended; ``state`` is in `JOB_STATES`."""
        with self._lock:
            self._jobs[state] += 1

    def text(self, gauges: Mapping[str, tuple[str, Callable[[], int]]]) -> str:
        """Return all counters as text; ``gauges`` maps a name to its help and a function for its value."""
        with self._lock:
            requests, buckets, seconds = dict(self._requests), list(self._buckets), self._seconds
            jobs = dict(self._jobs)
        lines = _head("emotone_requests_total", "Requests by path and status.", "counter")
        for (path, status), number in sorted(requests.items()):
            lines.append(f'emotone_requests_total{{path="{path}",status="{status}"}} {number}')
        lines += _head("emotone_inference_seconds", "Seconds of decoding and inference of a recording.", "histogram")
        so_far = 0
        for bound, number in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
            so_far += number
            lines.append(f'emotone_inference_seconds_bucket{{le="{bound}"}} {so_far}')
        lines += [f"emotone_inference_seconds_sum {seconds:.6f}", f"emotone_inference_seconds_count {so_far}"]
        lines += _head("emotone_jobs_total", "Jobs that have ended, by how.", "counter")
        lines += [f'emotone_jobs_total{{state="{state}"}} {number}' for state, number in jobs.items()]
        for name, (what, value) in gauges.items():
            lines += [*_head(name, what, "gauge"), f"{name} {value()}"]
        return "\n".join(lines) + "\n"


def _head(name: str, what: str, kind: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
