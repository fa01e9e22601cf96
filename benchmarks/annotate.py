"""Compare ways to annotate an archive: processes, `emotone predict`, Ray, its nodes, and the memory that each needs.

    python benchmarks/annotate.py --data DIR --out FILE.json [--only workers,predict,memory,ray,nodes]

Times are those of whole commands, from the shell's point of view.  The two commands of a comparison take turns, and the
ratio is the median over the pairs: run it on a machine with no other load.
"""

import argparse
import contextlib
import csv
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotone.benchmark import timing

SECTIONS = ("workers", "predict", "memory", "ray", "nodes")
#: Clips of each comparison by default; the second number of memory is the large archive.
CLIPS = {"workers": 1000, "predict": 1000, "memory": 1000, "ray": 5000, "nodes": 6000}
LARGE = 100_000
#: Start and end of the segments of the large archives, seconds.
_SEGMENT_S = (0.8, 1.4)
PATTERNS = (
    "ravdess/Audio_Speech*/**/*.flac",
    "ravdess_original_48k/**/*.wav",
    "emodb/**/*.*",
    "savee/**/*.*",
    "tess/**/*.ogg",
)
_TOKEN = secrets.token_hex(32)
_SUFFIXES = {".flac", ".wav", ".ogg", ".opus"}
_EMOTONE = (sys.executable, "-c", "from emotone.cli.main import main; main()")


# --- what is run ------------------------------------------------------------------------------------------------------


def clips_of(data: Path) -> list[Path]:
    """Return the clips of some corpora, mixed by a seed."""
    clips = [path for pattern in PATTERNS for path in sorted(data.glob(pattern)) if path.suffix in _SUFFIXES]
    if not clips:
        raise SystemExit(f"{data} has none of the corpora ravdess, emodb, savee and tess; see CONTRIBUTING.md")
    return [clips[number] for number in np.random.default_rng(0).permutation(len(clips))]


def write_manifest(path: Path, clips: Sequence[Path], n: int, *, segment: Sequence[float] = ()) -> Path:
    """List clips, or a segment of each (its start and end), by turns, until there are ``n``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *(["start_s", "end_s"] if segment else [])])
        writer.writerows([clip, *segment] for clip in itertools.islice(itertools.cycle(clips), n))
    return path


def write_folder(path: Path, clips: Sequence[Path], n: int) -> Path:
    """Make a folder of links to clips, by turns, until there are ``n``."""
    path.mkdir()
    for number, clip in enumerate(itertools.islice(itertools.cycle(clips), n)):
        (path / f"{number:06d}{clip.suffix}").symlink_to(clip)
    return path


@dataclass(frozen=True)
class Trial:
    """Runs commands of Emotone in a temporary folder."""

    folder: Path
    clips: Sequence[Path]
    repeats: int

    def annotate(self, inputs: Path, *options: object) -> tuple[str, ...]:
        """Return the command that annotates; its output is new."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        words = ("annotate", inputs, "--out", out, "--adapt", "none", "--quiet", *options)
        return (*_EMOTONE, *map(str, words))

    def seconds(self, command: Callable[[], Sequence[str]]) -> float:
        """Return the time of a command, s."""
        words = command()
        begun_at = time.perf_counter()
        check(words)
        return time.perf_counter() - begun_at

    def compare(self, ours: Callable[[], Sequence[str]], theirs: Callable[[], Sequence[str]]) -> dict[str, Any]:
        """Time two commands in turn; the ratio is theirs / ours."""
        times: tuple[list[float], list[float]] = ([], [])
        for repeat in range(self.repeats):
            for which in (repeat % 2, 1 - repeat % 2):
                times[which].append(self.seconds((ours, theirs)[which]))
        return timing.Comparison.of(*times).to_dict()


def environment() -> dict[str, str]:
    """Return the variables of a user, without those that set a number of threads; the nodes of Ray share a token."""
    variables = {name: value for name, value in os.environ.items() if name not in timing.THREADS}
    return variables | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN}


def check(command: Sequence[str]) -> None:
    """Run a command, or end with what it printed."""
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, errors="replace")
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")


# --- the comparisons --------------------------------------------------------------------------------------------------


def compare_workers(trial: Trial, n: int) -> dict[str, Any]:
    """Two processes against one."""
    manifest = write_manifest(trial.folder / "workers.csv", trial.clips, n)
    return trial.compare(
        lambda: trial.annotate(manifest, "--workers", 2), lambda: trial.annotate(manifest, "--workers", 1)
    )


def compare_predict(trial: Trial, n: int) -> dict[str, Any]:
    """Two processes against `emotone predict`, which uses all cores for each clip."""
    folder = write_folder(trial.folder / "predict", trial.clips, n)
    predict = (*_EMOTONE, "predict", str(folder), "--format", "csv", "--adapt", "none")
    return trial.compare(lambda: trial.annotate(folder, "--workers", 2), lambda: predict)


def compare_ray(trial: Trial, n: int) -> dict[str, Any]:
    """Ray with two actors on this machine against two processes; with a few clips, for what the start costs."""
    result = {}
    for name, n_clips in (("archive", n), ("start", 8)):
        manifest = write_manifest(trial.folder / f"{name}.csv", trial.clips, n_clips)
        result[name] = trial.compare(
            lambda manifest=manifest: trial.annotate(manifest, "--workers", 2, "--engine", "ray"),
            lambda manifest=manifest: trial.annotate(manifest, "--workers", 2),
        )
    return result | {"start_s": (result["start"]["ours_ms"] - result["start"]["theirs_ms"]) / 1000}


def compare_nodes(trial: Trial, n: int) -> dict[str, Any]:
    """Two nodes of Ray with an actor each against one; the time that the nodes need to start does not count."""
    manifest = write_manifest(trial.folder / "nodes.csv", trial.clips, n)
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(trial.repeats):
        for which in (repeat % 2, 1 - repeat % 2):
            n_nodes = (2, 1)[which]
            with nodes(n_nodes, trial.folder) as address:
                options = ("--engine", "ray", "--address", address, "--workers", n_nodes)
                times[which].append(trial.seconds(lambda options=options: trial.annotate(manifest, *options)))
    return timing.Comparison.of(*times).to_dict()


@contextlib.contextmanager
def nodes(n: int, folder: Path) -> Iterator[str]:
    """Start nodes of Ray with a core each on this machine, and end them."""
    import ray.util

    host = ray.util.get_node_ip_address()
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
    address = f"{host}:{port}"
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    start += ["--object-store-memory=100000000"]
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={tempfile.gettempdir()}/ray"]
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "ray.log").open("ab") as log:
        try:
            for number in range(n):
                options = [f"--address={address}"] if number else head
                command = [*start, *options]
                started.append(
                    subprocess.Popen(command, env=environment(), stdout=log, stderr=log, start_new_session=True)
                )
                wait_for_cores(address, number + 1)
            yield address
        finally:
            for process in started:
                for below in processes_under(process.pid):  # ray start takes over half a minute to end by itself
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(below, signal.SIGKILL)
                process.wait(30)


def wait_for_cores(address: str, n: int) -> None:
    """Wait until a cluster has so many cores."""
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); "
    code += "sys.exit(ray.cluster_resources().get('CPU', 0) < int(sys.argv[2]))"
    host, _, port = address.rpartition(":")
    for _ in range(30):
        time.sleep(1)
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5):
            words = [sys.executable, "-c", code, address, str(n)]
            with contextlib.suppress(subprocess.TimeoutExpired):
                if subprocess.run(words, env=environment(), capture_output=True, timeout=60).returncode == 0:
                    return
    raise SystemExit(f"the cluster at {address} does not reach {n} cores; see what ray start prints")


# --- memory -----------------------------------------------------------------------------------------------------------


def measure_memory(trial: Trial, n: int, large: int) -> dict[str, Any]:
    """Peak memory of two processes and their driver, for archives of three sizes.

    The recordings are segments of `_SEGMENT_S` of FLAC and WAV, so that a hundred thousand take minutes.
    """
    clips = [clip for clip in trial.clips if clip.suffix in (".flac", ".wav")]
    results = {}
    for n_clips in dict.fromkeys((n, min(10 * n, large), large)):
        manifest = write_manifest(trial.folder / f"{n_clips}.csv", clips, n_clips, segment=_SEGMENT_S)
        results[str(n_clips)] = peak_of(trial.annotate(manifest, "--workers", 2))
    return results


def peak_of(command: Sequence[str]) -> dict[str, float]:
    """Run a command and return the peak memory (VmHWM) of the driver, and the sum over all its processes, MiB.

    Pages that processes share count in each, so the sum is more than what the machine needs.
    """
    begun_at = time.perf_counter()
    driver = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for process in processes_under(driver.pid):
                peaks[process] = max(peaks.get(process, 0.0), peak_mib(process))

    thread = threading.Thread(target=watch)
    thread.start()
    code = driver.wait()
    ended.set()
    thread.join()
    if code:
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}")
    largest = max(peak for process, peak in peaks.items() if process != driver.pid)
    return {
        "driver_mib": peaks[driver.pid],
        "worker_mib": largest,
        "all_mib": sum(peaks.values()),
        "seconds": time.perf_counter() - begun_at,
    }


def peak_mib(process: int) -> float:
    """Return the peak memory of a process so far, MiB; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def processes_under(process: int) -> set[int]:
    """Return a process and all that it has started, directly or not."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    below, new = set(), {process}
    while new:
        below |= new
        new = {child for child, parent in parents.items() if parent in new} - below
    return below


# --- the table --------------------------------------------------------------------------------------------------------

_TITLES = {
    "workers": ("2 processes", "1 process", 1.85),
    "predict": ("annotate, 2 processes", "emotone predict", 1.8),
    "ray": ("Ray, 2 actors", "local, 2 processes", 0.85),
    "nodes": ("2 nodes of Ray", "1 node", 1.8),
}


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| ours | against | clips | ours, s | theirs, s | theirs / ours (quartiles) | required |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (ours, theirs, required) in _TITLES.items():
        if name not in results:
            continue
        result = results[name].get("archive", results[name])
        times = f"{result['ours_ms'] / 1000:.1f} | {result['theirs_ms'] / 1000:.1f}"
        ratio = f"{result['ratio']:.2f} ({result['ratio_low']:.2f} to {result['ratio_high']:.2f})"
        lines.append(f"| {ours} | {theirs} | {results[name]['clips']:,} | {times} | {ratio} | {required:.2f} |")
    if "ray" in results:
        lines += ["", f"The start and end of Ray take {results['ray']['start_s']:.1f} s."]
    if "memory" in results:
        lines += [
            "",
            f"| segments of {_SEGMENT_S[1] - _SEGMENT_S[0]:.1f} s | driver, MiB | largest worker, MiB | "
            "all processes, MiB | a second |",
            "|---|---|---|---|---|",
        ]
        for n_clips, peak in results["memory"].items():
            lines.append(
                f"| {int(n_clips):,} | {peak['driver_mib']:.0f} | {peak['worker_mib']:.0f} | {peak['all_mib']:.0f} | "
                f"{int(n_clips) / peak['seconds']:.0f} |"
            )
    return "\n".join(lines)


def measured(name: str, trial: Trial, n: int, large: int) -> dict[str, Any]:
    """Return the results of a section."""
    if name == "memory":
        return measure_memory(trial, n, large)
    compare = {"workers": compare_workers, "predict": compare_predict, "ray": compare_ray, "nodes": compare_nodes}[name]
    return compare(trial, n) | {"clips": n}


def main() -> None:
    """Measure, write JSON after each section, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="folder of the corpora")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; sections that it has already are kept")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--clips", type=int, help="clips of every section, instead of their own numbers")
    parser.add_argument("--large", type=int, default=LARGE, help="clips of the large archive")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of each comparison")
    options = parser.parse_args()
    names = options.only.split(",")
    if options.data is None or not set(names) <= set(SECTIONS):
        parser.error(f"expected --data, and --only from {', '.join(SECTIONS)}")
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    clips = clips_of(options.data.resolve())
    for name in names:
        with tempfile.TemporaryDirectory(prefix="emotone-") as folder:
            trial = Trial(Path(folder), clips, options.repeats)
            results[name] = measured(name, trial, options.clips or CLIPS[name], options.large)
        results["machine"] = timing.machine()
        options.out.write_text(json.dumps(results, indent=2) + "\n")
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
