"""How much sooner a comparison is done with several workers: pairs of runs on RAVDESS speech, features cached.

    python benchmarks/compare_workers.py --data DIR [--workers N] [--pairs N] [--models A,B,C]

Each pair runs ``emotone compare`` with one worker and with several, in fresh folders and in turn, and checks that all
scores are equal to the last digit.  Both use all cores: a single worker's models have as many threads as there are.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = "svm,linear-svm,logistic-regression,knn,random-forest,extra-trees,xgboost,mlp,ensemble"


def main() -> None:
    """Print the seconds of each run, and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds ravdess/")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--models", default=MODELS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds(chosen, Path(folder, "first"), workers=chosen.workers)  # computes the features
        ratios = []
        for pair in range(chosen.pairs):
            numbers = (1, chosen.workers) if pair % 2 == 0 else (chosen.workers, 1)
            taken = {number: seconds(chosen, Path(folder, f"{pair}-{number}"), workers=number) for number in numbers}
            first, second = (scores(Path(folder, f"{pair}-{number}")) for number in numbers)
            if first != second:
                sys.exit("the scores differ")
            ratios.append(taken[1] / taken[chosen.workers])
            print(
                *(f"{number} workers: {taken[number]:.0f} s;" for number in sorted(taken)),
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


def seconds(chosen: argparse.Namespace, out: Path, *, workers: int) -> float:
    """Run a comparison, and return how long it took."""
    settings = f"--models {chosen.models} --protocol speaker-6fold --workers {workers} --quiet"
    paths = ["--data", str(chosen.data), "--out", str(out), "--cache", str(out.with_name("cache"))]
    command = [
        sys.executable,
        "-c",
        "from emotone.cli.main import main; main()",
        "compare",
        "ravdess",
        *paths,
        *shlex.split(settings),
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def scores(folder: Path) -> dict[str, str]:
    """Return the metrics of each model, as text."""
    return {path.parent.name: path.read_text() for path in folder.glob("*/metrics.json")}


if __name__ == "__main__":
    main()
