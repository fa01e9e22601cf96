"""Simulate clusters that annotate an archive, from measured times: workers that take parts, and nodes that die.

Used by `benchmarks/scale.py`, which has the commands.
"""

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

#: Recordings of a part.
PART = 256
#: Format of the clips that are simulated.
CLIPS = "WAV 48 kHz, clips of 4 s"


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
    measured = costs["formats"][CLIPS]
    return Load(measured["whole_each_s"], measured["bytes"], measured["decode_s"], PART)


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
