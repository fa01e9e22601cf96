"""The process that measures, on one core with one thread: `emotone.benchmark.run` starts it.

It prints lines of JSON: ``{"progress": [done, total, what]}``, and ``{"report": ...}`` at the end.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from emotone.benchmark import timing
from emotone.benchmark.rows import ROWS, Row
from emotone.errors import EmotoneError, MissingExtraError

Say = Callable[[dict[str, Any]], None]


def measure(files: Sequence[Path], *, pairs: int, keys: Sequence[str], say: Say) -> dict[str, Any]:
    """Measure rows, and return the report.

    Parameters
    ----------
    files
        Recordings, one or more.
    pairs
        Pairs of a row, at least.
    keys
        Keys of the rows.
    say
        Called with the progress.
    """
    from emotone import audio
    from emotone.preprocessing import DEFAULT

    samples = [DEFAULT.apply(audio.read(file)) for file in files]
    lengths_s = [audio.info(file).duration_s for file in files]
    wanted = [row for row in ROWS if row.key in keys]
    rows = []
    for number, row in enumerate(wanted):
        say({"progress": [number, len(wanted), f"{row.key}, {row.peer}"]})
        rows.append(_measured(row, samples if row.on_samples else files, pairs=pairs * row.speed))
    say({"progress": [len(wanted), len(wanted), "done"]})
    inputs = {
        "files": len(files),
        "mean_s": float(np.mean(lengths_s)),
        "mean_trimmed_s": float(np.mean([len(each) for each in samples])) / audio.SAMPLE_RATE,
        "rates": sorted({audio.info(file).sample_rate for file in files}),
    }
    return {"machine": timing.machine(), "date": time.strftime("%Y-%m-%d"), "inputs": inputs, "rows": rows}


def _measured(row: Row, items: Sequence[Any], *, pairs: int) -> dict[str, Any]:
    """Time a row; without its peer, Emotone alone."""
    names = ("key", "what", "peer", "required", "hoped")
    result: dict[str, Any] = {name: getattr(row, name) for name in names}
    try:
        ours = row.ours()
    except MissingExtraError as error:
        return result | {"skipped": str(error)}
    try:
        theirs = row.theirs()
    except MissingExtraError as error:
        ours(items[0])
        taken_s = [timing.seconds(ours, items[number % len(items)]) for number in range(pairs)]
        return result | {"ours_ms": 1000 * float(np.median(taken_s)), "skipped": str(error)}
    return result | timing.compare(ours, theirs, items, pairs=pairs).to_dict()


def main() -> None:
    """Measure what the JSON on the command line asks for."""
    timing.one_core()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a peer prints is no line of this protocol

    def say(line: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            print(json.dumps(line), file=lines, flush=True)

    asked = json.loads(sys.argv[1])
    try:
        report = measure([Path(file) for file in asked["files"]], pairs=asked["pairs"], keys=asked["rows"], say=say)
    except EmotoneError as error:
        say({"error": str(error)})
    else:
        say({"report": report})


if __name__ == "__main__":
    main()
