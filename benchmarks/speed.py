"""Measure the speed of Emotone beside other programs, and write it into the results.

    python benchmarks/speed.py --data DIR [--pairs 9] [--page docs/results.md] [--picture docs/figures/speed.png]

This is `emotone benchmark` on the recordings of RAVDESS as published (48 kHz WAV), and its table as a page.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from results import _write

from emotone import benchmark
from emotone.report.figures import speed, style

BEGIN, END = "<!-- made by benchmarks/speed.py: begin -->", "<!-- made by benchmarks/speed.py: end -->"
_VERSIONS = ("numpy", "onnxruntime", "soxr", "librosa", "torch", "transformers", "opensmile")


def markdown(report: dict[str, Any]) -> list[str]:
    """Return the lines of the page."""
    inputs, machine = report["inputs"], report["machine"]
    rows = [benchmark.cells(row) for row in report["rows"]]
    versions = ", ".join(f"{name} {machine[name]}" for name in _VERSIONS)
    return [
        f"| {' | '.join(benchmark.headers)} |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"{inputs['files']} recordings of RAVDESS as published (48 kHz WAV), mean length {inputs['mean_s']:.1f} s,",
        f"{inputs['mean_trimmed_s']:.1f} s without the silence around the voice. One core of {machine['cpu']}.",
        f"Versions: {versions}.",
    ]


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="has ravdess_original_48k/")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--page", type=Path, help="page for the table, between its marks")
    parser.add_argument("--picture", type=Path, help="PNG file")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the corpora by --data or EMOTONE_DATA")
    files = sorted((options.data / "ravdess_original_48k").rglob("*.wav"))
    if not files:
        raise SystemExit(f"{options.data}: no recordings in ravdess_original_48k/; name another --data")
    report = benchmark.benchmark(files, pairs=options.pairs)
    lines = markdown(report)
    print("\n".join(lines))
    if options.page is not None:
        _write(options.page, lines, begin=BEGIN, end=END)
    if options.picture is not None:
        style.save(speed.speed_picture(report), options.picture)


if __name__ == "__main__":
    main()
