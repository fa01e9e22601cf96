"""What an archive costs, measured, and what 100 nodes make of it, simulated.

    python benchmarks/scale.py measure --data DIR --out docs/figures/scale.json
    python benchmarks/scale.py simulate --costs docs/figures/scale.json [--page docs/scale.md]

`measure` times what a worker does with recordings of several formats, on one core with one thread: fetching the bytes,
decoding, the model, and the rows; and what the driver does for a recording.  `simulate` replays these times on clusters
that fail, with a seed: workers take parts as `emotone annotate` deals them, nodes die and come back, and some are slow.
"""

from emotone.benchmark import timing

if __name__ == "__main__":
    timing.one_thread()

import argparse
import functools
import heapq
import json
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

#: What is measured: name -> pattern in the folder of the corpora.
FORMATS = {
    "WAV 48 kHz, clips of 4 s": "ravdess_original_48k/**/*.wav",
    "FLAC 16 kHz, clips of 4 s": "ravdess/Audio_Speech*/**/*.flac",
    "Opus, clips of 4 s": "savee/**/*.opus",
}
_BEGIN, _END = "<!-- made by benchmarks/scale.py: begin -->", "<!-- made by benchmarks/scale.py: end -->"
_PART = 256


# --- measure ----------------------------------------------------------------------------------------------------------


def median_s(work: Callable[[Any], object], items: Sequence[Any], *, repeats: int) -> list[float]:
    """Return the median time of a call for each item, seconds."""
    work(items[0])  # the first call has extra costs
    times = [[timing.seconds(work, item) for item in items] for _ in range(repeats)]
    return [float(value) for value in np.median(times, axis=0)]


def measure_format(recognizer: Any, paths: Sequence[Path], *, repeats: int) -> dict[str, Any]:
    """Return seconds of each step per recording, and the bytes and seconds of sound of a recording."""
    from emotone import audio

    contents = [path.read_bytes() for path in paths]
    sounds = [audio.read(path) for path in paths]
    seconds = [len(sound) / audio.SAMPLE_RATE for sound in sounds]
    whole = median_s(recognizer.predict, [str(path) for path in paths], repeats=repeats)
    decode = median_s(audio.read, [str(path) for path in paths], repeats=repeats)
    return {
        "clips": len(paths),
        "sound_s": float(np.mean(seconds)),
        "bytes": float(np.mean([len(content) for content in contents])),
        "read_s": float(np.mean(median_s(Path.read_bytes, paths, repeats=repeats))),
        "decode_s": float(np.mean(decode)),
        "whole_s": float(np.mean(whole)),
        "whole_each_s": whole,
    }


def measure_timeline(recognizer: Any, paths: Sequence[Path], *, minutes: float) -> dict[str, float]:
    """Return core seconds per hour of sound of timelines, of clips that are joined with pauses."""
    from emotone import audio

    pieces, n = [], 0
    for path in paths:
        pieces += [audio.read(path), np.zeros(8000, np.float32)]
        n += len(pieces[-2]) + 8000
        if n >= minutes * 60 * audio.SAMPLE_RATE:
            break
    joined = (np.concatenate(pieces), audio.SAMPLE_RATE)
    hours = n / audio.SAMPLE_RATE / 3600
    cases = {
        "one voice": {"adapt": False, "speakers": "one"},
        "speakers found, adapted to": {"adapt": True, "speakers": "auto"},
    }
    return {
        name: timing.seconds(functools.partial(recognizer.timeline, **options), joined) / hours
        for name, options in cases.items()
    }


def measure_output(n_rows: int = _PART) -> dict[str, float]:
    """Return bytes per row, with and without the embedding, and the seconds to write a part."""
    from emotone.bulk.parts import segments_schema, write_part
    from emotone.bulk.storage import Local

    emotions = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n_rows):
        scores = rng.dirichlet(np.ones(8)).astype(np.float32)
        name = emotions[int(scores.argmax())]
        row = (number, f"calls/2026/11/{number:08d}.wav", 0.0, round(float(rng.uniform(1, 9)), 3), None, name, name)
        row += (float(scores.max()), float(rng.uniform(0.9, 1)), *scores, 20, 0, [], "0" * 64)
        rows.append((*row, rng.standard_normal(_WIDTH).tolist()))
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        storage = Local(folder)
        for name, width in (("row", 0), ("row_with_embedding", _WIDTH)):
            cells = rows if width else [row[:-1] for row in rows]
            schema = segments_schema(emotions, embedding=width)
            write = functools.partial(write_part, rows=cells, failures=[], schema=schema, sound_s=1.0)
            times = [timing.seconds(functools.partial(write, storage), 0) for _ in range(9)]
            costs[f"{name}_bytes"] = sum(p.stat().st_size for p in Path(folder).rglob("*.parquet")) / n_rows
            costs[f"part_of_{name}s_s"] = float(np.median(times))
    return costs


_WIDTH = 1


def measure(data: Path, *, clips: int, repeats: int, minutes: float) -> dict[str, Any]:
    """Measure everything that the simulation and the cost model need."""
    global _WIDTH
    from emotone.bulk.units import Item, Row
    from emotone.recognition.recognizer import Recognizer

    recognizer = Recognizer()
    _WIDTH = len(recognizer.run(np.random.default_rng(0).standard_normal(16_000).astype(np.float32))[1])
    formats = {}
    for name, pattern in FORMATS.items():
        paths = sorted(data.glob(pattern))
        paths = paths[:: max(1, len(paths) // clips)][:clips]
        if not paths:
            raise SystemExit(f"{data}: no recordings match {pattern}; name another --data")
        formats[name] = measure_format(recognizer, paths, repeats=repeats)
        print(f"{name}: {1000 * formats[name]['whole_s']:.1f} ms a clip", flush=True)
    wavs = sorted(data.glob(next(iter(FORMATS.values()))))
    units = [Row(number, Item(f"calls/2026/11/{number:08d}.wav")) for number in range(_PART)]
    message_s = min(timing.seconds(lambda item: pickle.loads(pickle.dumps(item)), units) for _ in range(9)) / _PART
    return {
        "machine": timing.machine(),
        "model_mb": sum(path.stat().st_size for path in recognizer.folder.rglob("*") if path.is_file()) / 1e6,
        "embedding": _WIDTH,
        "formats": formats,
        "timeline_core_s_per_hour": measure_timeline(recognizer, wavs, minutes=minutes),
        "output": measure_output(),
        "worker_start_s": float(np.median([worker_start_s() for _ in range(3)])),
        "driver_s_per_recording": 2 * message_s,
        "worker_mib": worker_mib(),
    }


def worker_start_s() -> float:
    """Return the time from the start of a worker to its first result, seconds."""
    from emotone.bulk.settings import AnnotateSettings
    from emotone.bulk.supervised import Supervised
    from emotone.bulk.work import Annotator

    begun_at = time.perf_counter()
    supervised = Supervised(Annotator(AnnotateSettings()), limit_s=60)
    list(supervised.results([_missing()]))
    seconds = time.perf_counter() - begun_at
    supervised.close()
    return seconds


def _missing() -> Any:
    from emotone.bulk.units import Item, Row

    return Row(0, Item("missing.wav"))


def worker_mib() -> float:
    """Return the resident memory of a worker after some recordings, MiB."""
    from emotone.bulk.settings import AnnotateSettings
    from emotone.bulk.supervised import Supervised
    from emotone.bulk.work import Annotator

    supervised = Supervised(Annotator(AnnotateSettings()), limit_s=60)
    sample = Path(__file__).parents[1] / "samples"
    from emotone.bulk.units import Item, Row

    units = [Row(number, Item(str(path))) for number, path in enumerate(sorted(sample.glob("*.wav")))]
    list(supervised.results(units))
    (pid,) = [int(child) for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()][-1:]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    supervised.close()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:"))


# --- simulate ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """A cluster, and what goes wrong in it.

    Attributes
    ----------
    nodes, workers
        Number of nodes, and of workers on each.
    node_days_to_failure
        Mean days until a node dies.
    repair_s
        Seconds until a node that died works again.
    slow_nodes, slowness
        Share of nodes that are slow, and by what factor.
    node_bytes_per_s, storage_bytes_per_s
        Most bytes a second that a node, and the storage for all nodes together, can read.
    storage_latency_s
        Seconds until the first byte of a recording.
    ahead
        Recordings that a worker fetches at the same time while it works on another; 0: one after the other.
    """

    nodes: int = 100
    workers: int = 16
    node_days_to_failure: float = 30.0
    repair_s: float = 600.0
    slow_nodes: float = 0.05
    slowness: float = 1.5
    node_bytes_per_s: float = 1.25e9 / 2
    storage_bytes_per_s: float = 5e10
    storage_latency_s: float = 0.03
    ahead: int = 8


@dataclass(frozen=True)
class Outcome:
    """What a simulated run took.

    Attributes
    ----------
    hours
        From start to end.
    recordings_per_day
        At this rate.
    useful
        Share of the workers' time that went into parts that were written.
    lost_parts, deaths
        Parts that were lost with a node and done again, and nodes that died.
    driver
        Share of the time that the driver is busy.
    storage, model, decode
        Share of the useful time that waits for the storage, or goes into the model, or into decoding.
    """

    hours: float
    recordings_per_day: float
    useful: float
    lost_parts: int
    deaths: int
    driver: float
    storage: float
    model: float
    decode: float


@dataclass(frozen=True)
class Load:
    """Recordings of an archive.

    Attributes
    ----------
    each_s
        Seconds of work of some of them.
    n_bytes, decode_s
        Mean bytes and mean seconds of decoding of a recording.
    part
        Recordings of a part.
    """

    each_s: Sequence[float]
    n_bytes: float
    decode_s: float
    part: int


def clips_of(costs: dict[str, Any]) -> Load:
    """Return clips of 4 s in 48 kHz WAV, as they were measured."""
    measured = costs["formats"][next(iter(FORMATS))]
    return Load(measured["whole_each_s"], measured["bytes"], measured["decode_s"], _PART)


def calls_of(costs: dict[str, Any], *, seed: int) -> Load:
    """Return calls of 5 minutes in the mean, log-normal, with a timeline and the speakers; Opus of 24 kbit/s."""
    minutes = np.random.default_rng(seed).lognormal(np.log(5) - 0.32, 0.8, 1000)
    opus = costs["formats"]["Opus, clips of 4 s"]
    work_s = 60 * minutes / 3600 * costs["timeline_core_s_per_hour"]["speakers found, adapted to"]
    decode_s = 60 * float(minutes.mean()) * opus["decode_s"] / opus["sound_s"]
    n_bytes = 60 * float(minutes.mean()) * 24_000 / 8
    return Load((work_s + decode_s).tolist(), n_bytes, decode_s, int(2**26 // n_bytes))


def simulate(costs: dict[str, Any], load: Load, cluster: Cluster, *, n_recordings: int, seed: int = 0) -> Outcome:
    """Simulate a run: each free worker takes the next part; parts in work on a node that dies are done again."""
    rng = np.random.default_rng(seed)
    each, part = np.array(load.each_s), load.part
    n_workers = cluster.nodes * cluster.workers
    read_s = load.n_bytes / min(cluster.node_bytes_per_s / cluster.workers, cluster.storage_bytes_per_s / n_workers)
    fetch_s = cluster.storage_latency_s + read_s
    if cluster.ahead:
        fetch_s = max(0.0, max(fetch_s / cluster.ahead, read_s) - float(each.mean()))
    write_s = costs["output"]["part_of_rows_s"] + cluster.storage_latency_s
    slow = np.where(rng.random(cluster.nodes) < cluster.slow_nodes, cluster.slowness, 1.0)
    mean_s, spread_s = float(each.mean()), float(each.std())

    def service_s(node: int, size: int) -> float:
        work = max(0.0, rng.normal(size * mean_s, spread_s * np.sqrt(size)))
        return float(slow[node] * (work + size * fetch_s + write_s))

    n_parts, rest = divmod(n_recordings, part)
    waiting = [part] * n_parts + ([rest] if rest else [])
    waiting.reverse()
    death_s = cluster.node_days_to_failure * 86_400
    # events: (time, order, kind, node, worker's generation, size, seconds of work)
    events: list[tuple[float, int, str, int, int, int, float]] = []
    order, generation = 0, [0] * cluster.nodes
    in_work: list[dict[int, int]] = [{} for _ in range(cluster.nodes)]
    idle: list[tuple[int, int]] = []
    useful_s, now, deaths, lost, n_open = 0.0, 0.0, 0, 0, 0

    def push(at: float, kind: str, node: int, size: int = 0, work: float = 0.0) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, kind, node, generation[node], size, work))

    def take(node: int, at: float) -> None:
        nonlocal n_open
        if not waiting:
            idle.append((node, generation[node]))
            return
        size = waiting.pop()
        work = service_s(node, size)
        in_work[node][order + 1] = size
        n_open += 1
        push(at + work, "done", node, size, work)

    for node in range(cluster.nodes):
        push(float(rng.exponential(death_s)), "death", node)
        for _ in range(cluster.workers):
            take(node, costs["worker_start_s"])
    while n_open or waiting:
        now, number, kind, node, born, size, work = heapq.heappop(events)
        if kind == "done" and born == generation[node]:
            useful_s += work
            n_open -= 1
            del in_work[node][number]
            take(node, now)
        elif kind == "death":
            deaths += 1
            lost += len(in_work[node])
            n_open -= len(in_work[node])
            waiting += list(in_work[node].values())
            in_work[node].clear()
            generation[node] += 1
            push(now + cluster.repair_s, "back", node)
            push(now + cluster.repair_s + float(rng.exponential(death_s)), "death", node)
            ready = [pair for pair in idle if pair[1] == generation[pair[0]]]
            idle.clear()
            for other, _ in ready:
                take(other, now)
        elif kind == "back":
            for _ in range(cluster.workers):
                take(node, now + costs["worker_start_s"])
    total_s = now
    per_recording = mean_s + fetch_s + write_s / part
    return Outcome(
        hours=total_s / 3600,
        recordings_per_day=n_recordings / total_s * 86_400,
        useful=useful_s / (total_s * n_workers),
        lost_parts=lost,
        deaths=deaths,
        driver=n_recordings * costs["driver_s_per_recording"] / total_s,
        storage=fetch_s / per_recording,
        model=(mean_s - load.decode_s) / per_recording,
        decode=load.decode_s / per_recording,
    )


def tables(costs: dict[str, Any], *, n_recordings: int, seed: int) -> str:
    """Return the tables of docs/scale.md."""
    lines = ["### Costs", ""]
    lines += [
        "| recordings | ms each | core seconds per hour of sound | of it decoding | a core does a day |",
        "|---|---|---|---|---|",
    ]
    for name, measured in costs["formats"].items():
        per_hour = measured["whole_s"] / measured["sound_s"] * 3600
        lines.append(
            f"| {name} (mean {measured['sound_s']:.1f} s) | {1000 * measured['whole_s']:.1f} | {per_hour:.1f} | "
            f"{100 * measured['decode_s'] / measured['whole_s']:.0f} % | "
            f"{86_400 / measured['whole_s'] / 1e6:.2f} million |"
        )
    lines += [f"| timelines, {name} | | {value:.1f} | | |" for name, value in costs["timeline_core_s_per_hour"].items()]
    out = costs["output"]
    lines += [
        "",
        f"A row is {out['row_bytes']:.0f} bytes, and {out['row_with_embedding_bytes']:,.0f} with the embedding "
        f"({costs['embedding']} numbers). A worker has {costs['worker_mib']:.0f} MiB at its peak and starts in "
        f"{costs['worker_start_s']:.1f} s. A part of 256 rows is written in {1000 * out['part_of_rows_s']:.0f} ms. The "
        f"driver spends {1e6 * costs['driver_s_per_recording']:.0f} µs on a recording. Measured on one core of "
        f"{costs['machine']['cpu']}, with one thread.",
        "",
    ]
    return "\n".join([*lines, *simulated(costs, n_recordings=n_recordings, seed=seed)])


def simulated(costs: dict[str, Any], *, n_recordings: int, seed: int) -> list[str]:
    """Return the lines of the simulated clusters."""
    lines = []
    clips, calls = clips_of(costs), calls_of(costs, seed=seed)
    small = [
        ("1 node of 1 core", Cluster(nodes=1, workers=1, slow_nodes=0)),
        ("1 node of 16 cores", Cluster(nodes=1, slow_nodes=0)),
        ("10 nodes of 16", Cluster(nodes=10)),
        ("100 nodes of 16", Cluster()),
    ]
    bad = [
        ("100 nodes, each dies every 2 days", Cluster(node_days_to_failure=2)),
        ("100 nodes, each dies every 8 hours", Cluster(node_days_to_failure=1 / 3)),
        ("100 nodes, a quarter at half the speed", Cluster(slow_nodes=0.25, slowness=2.0)),
        ("100 nodes, one recording fetched after the other", Cluster(ahead=0)),
        ("100 nodes, storage that answers in 200 ms", Cluster(storage_latency_s=0.2)),
        ("100 nodes, storage of 5 GB/s for all", Cluster(storage_bytes_per_s=5e9)),
    ]
    for name, load in (("clips of 4 s, WAV of 48 kHz", clips), ("calls of 5 minutes with their speakers, Opus", calls)):
        lines += [
            "",
            f"### Simulated: {n_recordings / 1e6:g} million {name}",
            "",
            "| cluster | hours | million a day | useful time | nodes that died; parts lost | the driver is busy | "
            "waits for storage; decodes; runs the model |",
            "|---|---|---|---|---|---|---|",
        ]
        for cluster_name, cluster in [*small, *bad]:
            made = simulate(costs, load, cluster, n_recordings=n_recordings, seed=seed)
            lines.append(
                f"| {cluster_name} | {made.hours:,.2f} | {made.recordings_per_day / 1e6:,.2f} | "
                f"{100 * made.useful:.1f} % | {made.deaths}; {made.lost_parts} | {100 * made.driver:.2f} % | "
                f"{100 * made.storage:.0f}; {100 * made.decode:.0f}; {100 * made.model:.0f} % |"
            )
    lines += [
        "",
        "| calls a part, 100 nodes that die every 8 hours | hours | useful time | parts lost |",
        "|---|---|---|---|",
    ]
    for part in (4, 16, 64, 256, 1024):
        load, cluster = replace(calls, part=part), Cluster(node_days_to_failure=1 / 3)
        made = simulate(costs, load, cluster, n_recordings=n_recordings, seed=seed)
        lines.append(f"| {part:,} | {made.hours:,.2f} | {100 * made.useful:.1f} % | {made.lost_parts} |")
    usual = ", ".join(f"{name} {value:g}" for name, value in asdict(Cluster()).items())
    return [*lines, "", f"Unless the row says otherwise: {usual}. Seed {seed}."]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), required=False)
    measuring.add_argument("--out", type=Path, required=True)
    measuring.add_argument("--clips", type=int, default=60)
    measuring.add_argument("--repeats", type=int, default=5)
    measuring.add_argument("--minutes", type=float, default=10.0, help="length of the timelines")
    simulating = commands.add_parser("simulate")
    simulating.add_argument("--costs", type=Path, required=True)
    simulating.add_argument("--recordings", type=int, default=10_000_000)
    simulating.add_argument("--seed", type=int, default=0)
    simulating.add_argument("--page", type=Path, help="replace the tables of this page")
    options = parser.parse_args()
    if options.command == "measure":
        if options.data is None:
            raise SystemExit("name the folder of the corpora with --data, or set EMOTONE_DATA")
        costs = measure(Path(options.data), clips=options.clips, repeats=options.repeats, minutes=options.minutes)
        options.out.write_text(json.dumps(costs, indent=1) + "\n")
        return
    made = tables(json.loads(options.costs.read_text()), n_recordings=options.recordings, seed=options.seed)
    print(made)
    if options.page:
        before, _, rest = options.page.read_text().partition(_BEGIN)
        after = rest.partition(_END)[2]
        options.page.write_text(f"{before}{_BEGIN}\n\n{made}\n\n{_END}{after}")


if __name__ == "__main__":
    main()
