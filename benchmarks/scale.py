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
import json
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cluster_simulation import PART, simulated

#: What is measured: name -> pattern in the folder of the corpora.
FORMATS = {
    "WAV 48 kHz, clips of 4 s": "ravdess_original_48k/**/*.wav",
    "FLAC 16 kHz, clips of 4 s": "ravdess/Audio_Speech*/**/*.flac",
    "Opus, clips of 4 s": "savee/**/*.opus",
}
_BEGIN, _END = "<!-- made by benchmarks/scale.py: begin -->", "<!-- made by benchmarks/scale.py: end -->"


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


def measure_output(n_rows: int = PART) -> dict[str, float]:
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
    units = [Row(number, Item(f"calls/2026/11/{number:08d}.wav")) for number in range(PART)]
    message_s = min(timing.seconds(lambda item: pickle.loads(pickle.dumps(item)), units) for _ in range(9)) / PART
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
