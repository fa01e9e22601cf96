"""Compare the times of two functions on a shared machine: pairs, medians and quartiles.

The benchmarks of the repository, in ``benchmarks/``, use it as well.
"""

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")
#: Thread pools of numpy, scipy, numba and others read these when they are imported.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_PACKAGES = ("numpy", "onnxruntime", "soxr", "scipy", "librosa", "numba", "torch", "transformers", "opensmile")


def one_thread() -> None:
    """Restart this process on one core with one thread per pool, unless it already runs so."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1"))
    one_core()


def one_core() -> None:
    """Keep this process and its children on one core, where the system can do so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it


@dataclass(frozen=True)
class Comparison:
    """Times of two functions over the same pairs, milliseconds.

    ``ratio`` is the median over pairs of theirs / ours, between its quartiles: a slow moment of the machine falls on
    both halves of a pair.
    """

    ours_ms: float
    theirs_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    pairs: int

    @staticmethod
    def of(ours_s: Sequence[float], theirs_s: Sequence[float]) -> "Comparison":
        """Compute from the times of each pair, seconds."""
        low, middle, high = np.quantile(np.divide(theirs_s, ours_s), [0.25, 0.5, 0.75])
        medians = (1000 * float(np.median(ours_s)), 1000 * float(np.median(theirs_s)))
        return Comparison(*medians, float(middle), float(low), float(high), len(ours_s))

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return asdict(self)


def seconds(work: Callable[[Item], object], item: Item) -> float:
    """Return the wall-clock time of a call, seconds."""
    start = time.perf_counter()
    work(item)
    return time.perf_counter() - start


def compare(
    ours: Callable[[Item], object],
    theirs: Callable[[Item], object],
    items: Sequence[Item],
    *,
    pairs: int,
    after: Callable[[], object] = lambda: None,
) -> Comparison:
    """Time both functions on the items in turn, directly after each other, in alternating order.

    Parameters
    ----------
    ours, theirs
        The functions.
    items
        The arguments of single calls, at least a single argument.
    pairs
        Number of pairs, 1 or more; the items are repeated if there are fewer.
    after
        Called after each pair.
    """
    for work in (ours, theirs):
        work(items[0])  # the first call has extra costs
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        item = items[pair % len(items)]
        first = (pair + pair // len(items)) % 2
        for which in (first, 1 - first):
            times[which].append(seconds((ours, theirs)[which], item))
        after()
    return Comparison.of(*times)


def resident_mib() -> float:
    """Return the memory of this process in RAM, MiB; NaN if /proc does not exist."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return float("nan")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib() -> float:
    """Return the peak memory of this process in RAM, MiB; NaN if /proc does not exist.

    `resource.getrusage` is not used: a child process inherits its peak from the parent.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else float("nan")


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of libraries."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    versions = {name: _version(name) for name in _PACKAGES}
    return {"cpu": model, "cores": os.cpu_count(), "load_1min": load, "python": platform.python_version(), **versions}


def _version(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
