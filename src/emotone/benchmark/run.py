"""Measure the speed of Emotone beside other programs, in a process with one core and one thread."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotone.benchmark.clips import write_clips
from emotone.benchmark.rows import ROWS
from emotone.benchmark.timing import THREADS
from emotone.errors import ConfigError, EmotoneError
from emotone.progress import Progress
from emotone.temporary import temporary_folder

#: Fewest pairs of a row whose quartiles mean something.
LEAST_PAIRS = 5


def benchmark(
    files: Sequence[str | Path] = (),
    *,
    pairs: int = 9,
    rows: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure each row beside its peer, in pairs, and return the report.

    Parameters
    ----------
    files
        Recordings; without any, clips of 4 s at 48 kHz are made.
    pairs
        Pairs of a row, 1 or more; what takes milliseconds is timed several times as often.
    rows
        Keys of `emotone.benchmark.rows.ROWS`; all without any.
    progress
        Called before each row.

    Returns
    -------
    ``machine``, ``date``, ``inputs`` and ``rows``: each with its medians ``ours_ms`` and ``theirs_ms``, the median
    ``ratio`` theirs / ours with its quartiles ``ratio_low`` and ``ratio_high``, and the number of ``pairs``; or with
    ``skipped``, why the peer was not measured.

    Raises
    ------
    ConfigError
        There are no pairs, or a row is unknown.
    AudioError
        A recording can't be read.
    """
    known = [row.key for row in ROWS]
    if unknown := [key for key in rows if key not in known]:
        raise ConfigError(f"the row {unknown[0]!r} is unknown; expected one or more of {', '.join(known)}")
    if pairs < 1:
        raise ConfigError(f"pairs is {pairs}; expected 1 or more, for quartiles {LEAST_PAIRS} or more")
    with temporary_folder("emotone-benchmark-") as folder:
        made = [] if files else write_clips(folder)
        asked = {"files": [os.path.abspath(file) for file in files or made], "pairs": pairs, "rows": rows or known}
        report = _report_of_worker(asked, progress)
    report["inputs"]["synthesised"] = bool(made)
    return report


def _report_of_worker(asked: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "emotone.benchmark.worker", json.dumps(asked)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    with tempfile.TemporaryFile() as noise:
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, env=environment, encoding="utf-8")
        with worker:
            try:
                for line in worker.stdout or ():
                    (kind, value), *_ = json.loads(line).items()
                    if kind == "report":
                        report: dict[str, Any] = value
                        return report
                    if kind == "error":
                        raise EmotoneError(value)
                    if progress is not None:
                        progress(*value)
            finally:
                if sys.exc_info()[0] is not None:
                    worker.kill()
        noise.seek(0)
        last = noise.read()[-2000:].decode(errors="replace").strip()
    raise EmotoneError(f"the process that measures ended with {worker.returncode}; report it:\n{last}")
