"""Measure the service under load and faults: `python benchmarks/load.py --out load.json`.

    python benchmarks/load.py [--seconds 60] [--clients 32] [--workers 2] [--requests 2000] [--streams 200]
                              [--only load,memory,faults,idle] [--model BUNDLE] [--out FILE.json] [--page FILE.md]

`emotone serve` runs as a separate process on a free port of this machine, without its page.  The exit status is 1 if a
target was missed.

load: --clients clients send requests at once.  Each sends the next when it gets the response, or after the seconds in
Retry-After if it was refused.  Before each round, while the service is idle, as many threads as it has workers call
`Recognizer.predict` on the bytes of the same clip in another process.  Then a single client sends requests.  A ratio is
the median over such pairs.  The clients share the machine's cores with the service; their use is reported.

memory: RAM of the service over --requests requests and then --streams streams, after a warm-up.  It is flat if the
median of the last quarter is within 3 % or 10 MiB of the median of the second quarter.

faults: see load_faults.py.  After each, an ordinary request must get the same response as before.

idle: see load_idle.py.  Good clients must be answered while 18 and 100 idle or slow uploads stand.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import load_client
import load_faults
import load_idle
import load_report
import load_sounds
import numpy as np
from load_client import Service
from load_report import SECTIONS

#: Targets: share of the plain loop's requests a second; 99th percentile over the time of one call alone.
LEAST_SHARE, MOST_WAIT = 0.8, 20.0
FLAT_SHARE, FLAT_MIB = 0.03, 10.0
_ROUND_S, _PLAIN_S, _ALONE_S = 15.0, 8.0, 2.0
_CORE_S = os.sysconf("SC_CLK_TCK")
Section = dict[str, Any]


# ---- load ----


class Plain:
    """The plain loop, in a separate process that waits between its rounds."""

    def __init__(self, *, model: str, workers: int) -> None:
        arguments = ["--plain-worker", "--model", model, "--workers", str(workers)]
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).resolve()), *arguments]
        self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def per_s(self, seconds: float) -> float:
        """Return calls per second over so many seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None  # since Popen got PIPE
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def plain_worker(*, model: str, workers: int) -> None:
    """Run the process of `Plain`: read seconds from each line, and print calls per second."""
    from emotone.recognition.recognizer import Recognizer

    recognizer, data = Recognizer(model), load_sounds.clip()
    recognizer.predict(data)
    for line in sys.stdin:
        done, end = [0] * workers, time.perf_counter() + float(line)

        def work(number: int, done: list[int] = done, end: float = end) -> None:
            while time.perf_counter() < end:
                recognizer.predict(data)
                done[number] += 1

        start = time.perf_counter()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sum(done) / (time.perf_counter() - start), flush=True)


def load_section(service: Service, options: argparse.Namespace) -> Section:
    """Run rounds of the plain loop, a single client, and many clients."""
    data, rounds, statuses, latencies_ms = load_sounds.clip(), [], Counter[int](), []
    plain = Plain(model=options.model, workers=options.workers)
    n_rounds = max(1, round(options.seconds / _ROUND_S))
    try:
        plain.per_s(1)
        for _ in range(n_rounds):
            plain_per_s = plain.per_s(min(_PLAIN_S, options.seconds))
            alone = asyncio.run(load_client.ask(service.port, data, clients=1, seconds=_ALONE_S))
            ours_s, theirs_s = time.process_time(), _cpu_s(service)
            all_of = load_client.ask(service.port, data, clients=options.clients, seconds=options.seconds / n_rounds)
            many = asyncio.run(all_of)
            if alone.answers != many.answers or len(many.answers) != 1:
                raise SystemExit(f"the same clip got {len(alone.answers | many.answers)} different answers")
            statuses.update(many.statuses)
            latencies_ms += [1000 * latency_s for latency_s in many.latencies_s]
            alone_ms = 1000 * float(np.median(alone.latencies_s))
            rounds.append(
                {
                    "plain_per_s": plain_per_s,
                    "service_per_s": many.per_s,
                    "share": many.per_s / plain_per_s,
                    "alone_ms": alone_ms,
                    "p99_over_alone": float(np.quantile(many.latencies_s, 0.99)) * 1000 / alone_ms,
                    "clients_cores": (time.process_time() - ours_s) / many.seconds,
                    "service_cores": (_cpu_s(service) - theirs_s) / many.seconds,
                }
            )
    finally:
        plain.close()
    middle = {name: float(np.median([row[name] for row in rounds])) for name in rounds[0]}
    p50, p95, p99 = np.quantile(latencies_ms, [0.5, 0.95, 0.99])
    return {
        "clients": options.clients,
        "least_share": LEAST_SHARE,
        "most_wait": MOST_WAIT,
        "rounds": rounds,
        **middle,
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "latency_ms": {"p50": float(p50), "p95": float(p95), "p99": float(p99)},
        "targets": {
            f"at least {LEAST_SHARE:.0%} of the plain loop": middle["share"] >= LEAST_SHARE,
            f"p99 under {MOST_WAIT:g} times one call": middle["p99_over_alone"] < MOST_WAIT,
            "only 200 and 503": set(statuses) <= {200, 503},
        },
    }


def _cpu_s(service: Service) -> float:
    """Return the CPU seconds that the service has used."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CORE_S


# ---- memory ----


def memory_section(service: Service, options: argparse.Namespace) -> Section:
    """Measure RAM during requests, and then during streams."""
    data = load_sounds.clip()
    asyncio.run(load_client.ask(service.port, data, clients=8, seconds=60, most=200))
    second = load_sounds.pcm(data)[: 2 * load_sounds.RATE_HZ]

    def requests(n: int) -> None:
        result = asyncio.run(load_client.ask(service.port, data, clients=8, seconds=600, most=n))
        if set(result.statuses) != {200}:
            raise SystemExit(f"requests were answered with {result.statuses}")

    def streams(n: int) -> None:
        for _ in range(n):
            load_faults.stream(service, second)

    streams(10)
    files = service.n_files()
    section = {
        "requests": _watched(service, requests, total=options.requests, at_once=options.requests // 40),
        "streams": _watched(service, streams, total=options.streams, at_once=max(1, options.streams // 40)),
        "open_files": [files, service.n_files()],
    }
    flat = {f"memory flat over {name}": section[name]["flat"] for name in ("requests", "streams")}
    return section | {"targets": flat | {"no file stays open": section["open_files"][1] <= files + 8}}


def _watched(service: Service, work: Callable[[int], None], *, total: int, at_once: int) -> Section:
    done, mib = [0], [service.rss_mib()]
    while done[-1] < total:
        work(at_once)
        done.append(done[-1] + at_once)
        mib.append(service.rss_mib())
    quarter = max(1, len(mib) // 4)
    second, last = (float(np.median(part)) for part in (mib[quarter : 2 * quarter + 1], mib[-quarter:]))
    return {
        "done": done[-1],
        "start_mib": mib[0],
        "end_mib": mib[-1],
        "second_quarter_mib": second,
        "last_quarter_mib": last,
        "kib_each": 1024 * float(np.polyfit(done, mib, 1)[0]),
        "flat": last - second <= max(FLAT_SHARE * second, FLAT_MIB),
        "mib": mib,
    }


# ---- faults ----


def faults_section(service: Service, options: argparse.Namespace) -> Section:
    """Commit each fault and then send an ordinary request; the last fault ends the service."""
    data = load_sounds.clip()
    known = service.predict(data, name="clip.wav")
    if known.status != 200:
        raise SystemExit(f"an ordinary request was answered with {known}")
    rows = []
    for name, fault in load_faults.FAULTS.items():
        print(f"  {name} ...", file=sys.stderr)
        service.forget_peak()
        before, start = service.rss_mib(), time.perf_counter()
        got = fault.commit(service, load_faults.Scale())
        seconds = time.perf_counter() - start
        after = service.predict(data, name="clip.wav")
        rows.append(
            {
                "fault": name,
                "got": got,
                "as_expected": got in fault.expected,
                "seconds": seconds,
                "peak_over_before_mib": service.peak_mib() - before,
                "peak_mib": service.peak_mib(),
                "same_answer": (after.status, after.content) == (known.status, known.content),
            }
        )
    rows.append(_end(service, options))
    wrong = [row["fault"] for row in rows if not (row["as_expected"] and row["same_answer"] is not False)]
    return {"rows": rows, "targets": {"every fault answered as it should, and the next request too": not wrong}}


def idle_section(service: Service, options: argparse.Namespace) -> Section:
    """Send recordings while uploads stand that never end."""
    return load_idle.section(service, load_sounds.clip())


def _end(service: Service, options: argparse.Namespace) -> Section:
    """Send SIGTERM while recordings of a quarter of a minute are predicted."""
    samples = np.frombuffer(load_sounds.pcm(load_sounds.clip()), "<i2")
    ended = load_faults.ended_under_load(service, load_sounds.wav(np.tile(samples, 4)), clients=options.clients)
    answers = ", ".join(f"{number} of {status}" for status, number in sorted(ended.statuses.items()))
    return {
        "fault": "SIGTERM under load",
        "got": f"{answers} ({ended.after} after it); exit {ended.exit_code}",
        "as_expected": set(ended.statuses) <= {200, 503} and ended.exit_code == 0,
        "seconds": ended.seconds,
        "peak_over_before_mib": None,
        "same_answer": None,
    }


# ---- all of it ----


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the requested sections, each against a new service."""
    from emotone.benchmark import timing

    wanted = options.only.split(",")
    if unknown := set(wanted) - set(SECTIONS):
        raise SystemExit(f"unknown section {', '.join(sorted(unknown))}; known: {', '.join(SECTIONS)}")
    sections = {"load": load_section, "memory": memory_section, "faults": faults_section, "idle": idle_section}
    report: dict[str, Any] = {"machine": timing.machine(), "date": time.strftime("%Y-%m-%d")}
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr)
        with Service(load_client.command(workers=options.workers, model=options.model)) as service:
            report[name] = sections[name](service, options)
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="a bundle's folder, or 'default'")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load, in rounds of 15")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--requests", type=int, default=2000, help="over which memory is watched")
    parser.add_argument("--streams", type=int, default=200, help="over which memory is watched")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between")
    parser.add_argument("--out", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page for the tables, between its marks")
    parser.add_argument("--plain-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain_worker:
        plain_worker(model=options.model, workers=options.workers)
        return
    report = measure(options)
    print(load_report.shown(report))
    if options.out is not None:
        part = options.out.with_name(f".{options.out.name}.{os.getpid()}.part")
        part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        part.replace(options.out)
    if options.page is not None:
        from results import _write  # imports the training libraries

        _write(options.page, load_report.markdown(report), begin=load_report.BEGIN, end=load_report.END)
    if load_report.missed(report):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
