"""Compare the speed of `predict` in two checkouts, in pairs.

    python benchmarks/before_after.py --before CHECKOUT --data DIR

CHECKOUT is another checkout of this repository, such as ``git worktree add --detach ../before COMMIT``.  Each of them
runs in a separate process, on one thread.  Clips of RAVDESS as published (48 kHz WAV) are predicted in turns; which
checkout comes first changes from pair to pair.  The result is the median of the ratios before / after: above 1 is
faster now.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def serve(data: Path) -> None:
    """Predict the clip whose number comes on each line of stdin, and print the seconds."""
    from emotone.recognition.recognizer import Recognizer

    recognizer, clips = Recognizer(), sorted((data / "ravdess_original_48k").rglob("*.wav"))
    recognizer.predict(clips[0])
    for line in sys.stdin:
        start = time.perf_counter()
        recognizer.predict(clips[int(line) % len(clips)])
        print(time.perf_counter() - start, flush=True)


def main() -> None:
    """Run the pairs and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="the other checkout")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds ravdess_original_48k/")
    parser.add_argument("--pairs", type=int, default=200, help="how many pairs")
    chosen = parser.parse_args()
    if chosen.before is None:
        serve(chosen.data)
        return
    processes = [_process(checkout, chosen.data) for checkout in (chosen.before, ROOT)]
    ratios, seconds = [], ([], [])
    for number in range(chosen.pairs):
        taken = {which: _ask(processes[which], number) for which in ((0, 1) if number % 2 else (1, 0))}
        ratios.append(taken[0] / taken[1])
        for which in (0, 1):
            seconds[which].append(taken[which])
    before, after = (f"{1000 * statistics.median(times):.1f}" for times in seconds)
    print(f"before / after: {statistics.median(ratios):.3f} (medians {before} and {after} ms, {chosen.pairs} pairs)")
    for process in processes:
        process.stdin.close()
        process.wait()


def _process(checkout: Path, data: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve() / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--data", str(data)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def _ask(process: subprocess.Popen, number: int) -> float:
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


if __name__ == "__main__":
    main()
