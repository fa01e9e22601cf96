"""Look for inputs that end in an undocumented error, a crash, or more than 10 s, for some minutes.

Run as ``python scripts/fuzz.py --minutes 30 [--target recording ...]``; `make fuzz` does.  Each target is read in a
child process, in turns of half a minute.  The input that a child was at is in a file, so that one that crashes it is
kept.  Finds are written to build/fuzz, and the exit status is 1 if there is one.  Make a test of each find, and put its
input into tests/fuzz/corpus.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
_TURN_S, _LONGEST_S = 30.0, 10.0
_FOUND = 7


def child(name: str, current: Path, seconds: float) -> int:
    """Try inputs of one target for some seconds; the last one is in the file ``current``."""
    from hypothesis import HealthCheck, given, settings

    from support.fuzzing import TARGETS, inputs

    target, end, failed = TARGETS[name], time.monotonic() + seconds, current.with_name("failed")
    with tempfile.TemporaryDirectory() as folder:

        @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(inputs(name))
        def run(data: bytes) -> None:
            if time.monotonic() > end:
                return
            current.write_bytes(data)
            begun = time.monotonic()
            try:
                target.run(data, Path(folder))
                assert time.monotonic() - begun < _LONGEST_S, "it takes too long"
            except BaseException:
                failed.write_bytes(data)  # of the smallest that fails: Hypothesis may go on with inputs that don't
                raise

        while time.monotonic() < end:
            try:
                run()
            except Exception:  # whatever it is, it is what was looked for
                traceback.print_exc()
                return _FOUND
    return 0


def turn(name: str, out: Path, *, seconds: float) -> str:
    """Let a child try a target; return "" or the error."""
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "input"
        command = [sys.executable, __file__, "--child", name, str(current), str(seconds)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300, check=False)
            error = "" if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-1500:]}"
        except subprocess.TimeoutExpired:
            error = "it did not end"
        failed = current.with_name("failed")
        last_input = failed if failed.exists() else current  # a crash of the process leaves only the last one
        if error and last_input.exists():
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}-{time.time_ns()}").write_bytes(last_input.read_bytes())
    return error


def main() -> None:
    """Take turns until the time is over."""
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])))
    from support.fuzzing import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--target", nargs="+", choices=sorted(TARGETS), default=list(TARGETS))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    end, n_finds, n_turns = time.monotonic() + 60 * arguments.minutes, 0, 0
    while time.monotonic() < end:
        name = arguments.target[n_turns % len(arguments.target)]
        error = turn(name, arguments.out, seconds=min(_TURN_S, max(end - time.monotonic(), 1.0)))
        n_turns, n_finds = n_turns + 1, n_finds + bool(error)
        print(f"{name}: {error or 'nothing'}", flush=True)
    print(f"{n_finds} finds in {n_turns} turns")
    sys.exit(1 if n_finds else 0)


if __name__ == "__main__":
    main()
