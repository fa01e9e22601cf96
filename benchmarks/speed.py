"""Speed and memory, side by side with librosa in one run, on one core: `python benchmarks/speed.py --data DIR`.

What is compared, and how fairly, is in benchmarks/README.md.
"""

import _timing

if __name__ == "__main__":
    _timing.one_thread()  # before numpy is imported with a pool of threads

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Section = dict[str, Any]
Array = npt.NDArray[np.float32]
_HERE = Path(__file__).resolve()
COLD_LIBROSA = "import librosa, sys; y, sr = librosa.load(sys.argv[1]); librosa.feature.mfcc(y=y, sr=sr)"
MEMORY_MARKS = (100, 720, 1440)
_SECTIONS = ("features", "file", "cold", "latency", "memory")


def usual_calls(path: Path) -> Array:
    """What is usually written with librosa: each feature from the samples, mean and standard deviation of each."""
    import librosa

    y, sr = librosa.load(path, sr=16_000)
    mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40)
    features = [
        mfcc,
        librosa.feature.delta(mfcc),
        librosa.feature.delta(mfcc, order=2),
        librosa.feature.chroma_stft(y=y, sr=sr),
        librosa.feature.melspectrogram(y=y, sr=sr),
        librosa.feature.spectral_contrast(y=y, sr=sr, n_bands=5),  # the default of 6 bands goes beyond 8 kHz
        librosa.feature.spectral_centroid(y=y, sr=sr),
        librosa.feature.spectral_bandwidth(y=y, sr=sr),
        librosa.feature.spectral_rolloff(y=y, sr=sr),
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.rms(y=y),
        librosa.yin(y, fmin=65, fmax=600, sr=sr)[None],
    ]
    return np.concatenate([statistic for f in features for statistic in (f.mean(axis=1), f.std(axis=1))])


def features_section(runner: Callable[[Array], Array], clips: Sequence[Array], *, repeats: int) -> Section:
    """The whole feature set against librosa's and numpy's, each from one shared Fourier transform."""
    from librosa_functionals import LibrosaFunctionals

    as_written = LibrosaFunctionals(separately=True)
    as_documented, kept = LibrosaFunctionals(), LibrosaFunctionals(keep_filters=True)
    ours = np.stack([runner(clip) for clip in clips])
    theirs = np.stack([as_documented(clip) for clip in clips])
    scale = np.maximum(ours.std(axis=0), 1e-6)  # of each column over the clips
    return {
        "columns": ours.shape[1],
        "clips": len(clips),
        "mean_clip_s": float(np.mean([len(clip) for clip in clips])) / 16_000,
        "equal_share": float(np.mean(np.abs(ours - theirs) < 1e-3 * scale)),
        "largest_difference_in_scales": float(np.max(np.abs(ours - theirs) / scale)),
        "librosa_as_written": _timing.compare(runner, as_written, clips, repeats=repeats).to_dict(),
        "librosa": _timing.compare(runner, as_documented, clips, repeats=repeats).to_dict(),
        "librosa_filters_kept": _timing.compare(runner, kept, clips, repeats=repeats).to_dict(),
    }


def file_section(runner: Callable[[Array], Array], paths: Sequence[Path], *, repeats: int) -> Section:
    """From a 48 kHz file on disk to features, against librosa's load and its usual calls."""
    from emotone import audio
    from emotone.preprocessing import DEFAULT as PREPROCESSING

    def ours(path: Path) -> Array:
        return runner(PREPROCESSING.apply(audio.read(path)))

    def untrimmed(path: Path) -> Array:
        return runner(audio.read(path))

    lengths_s = [audio.info(path).duration_s for path in paths]
    return {
        "clips": len(paths),
        "mean_clip_s": float(np.mean(lengths_s)),
        "librosa": _timing.compare(ours, usual_calls, paths, repeats=repeats).to_dict(),
        "librosa_without_our_trimming": _timing.compare(untrimmed, usual_calls, paths, repeats=repeats).to_dict(),
    }


def cold_section(path: Path, *, model: str, repeats: int) -> Section:
    """Whole processes: ``emotone predict`` against an import of librosa, a load and an MFCC."""
    ours = [sys.executable, "-c", "from emotone.cli.main import main; main()", "predict", str(path), "--model", model]
    theirs = [sys.executable, "-c", COLD_LIBROSA, str(path)]

    def process(command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")

    compared = _timing.compare(lambda _: process(ours), lambda _: process(theirs), [None], repeats=repeats)
    return {"librosa": compared.to_dict()}


def latency_section(model: str, paths: Sequence[Path], *, repeats: int) -> Section:
    """Milliseconds a clip of `Recognizer.predict`: file to probabilities."""
    from emotone import audio
    from emotone.recognition.recognizer import Recognizer

    recognizer = Recognizer(model)
    recognizer.predict(paths[0])
    timed_s = np.array([_timing.seconds(recognizer.predict, path) for _ in range(repeats) for path in paths])
    median_ms, p95_ms = 1000 * np.quantile(timed_s, [0.5, 0.95])
    mean_clip_s = float(np.mean([audio.info(path).duration_s for path in paths]))
    return {
        "clips": len(paths),
        "mean_clip_s": mean_clip_s,
        "median_ms": float(median_ms),
        "p95_ms": float(p95_ms),
        "times_real_time": 1000 * mean_clip_s / float(np.mean(1000 * timed_s)),
    }


def memory_section(data: Path, *, model: str | None) -> Section:
    """Resident memory of a fresh process while it goes through RAVDESS once."""
    command = [sys.executable, str(_HERE), "--data", str(data), "--memory-worker"]
    done = subprocess.run(
        [*command, *(["--model", model] if model else [])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the memory run failed:\n{done.stderr[-2000:]}")
    section: Section = json.loads(done.stdout)
    return section


def memory_worker(data: Path, *, model: str | None) -> Section:
    """Measure memory in the process that `memory_section` starts."""
    paths = sorted((data / "ravdess").rglob("*.flac")) or sorted((data / "ravdess").rglob("*.wav"))
    work: Callable[[Path], object]
    if model is None:
        from emotone import audio
        from emotone.preprocessing import DEFAULT as PREPROCESSING

        runner = graph_runner()
        work, what = (lambda path: runner(PREPROCESSING.apply(audio.read(path)))), "reading and features"
    else:
        from emotone.recognition.recognizer import Recognizer

        work, what = Recognizer(model).predict, "recognition"
    samples: dict[int, float] = {}
    for number, path in enumerate(paths, start=1):
        work(path)
        if number % 100 == 0 or number in (*MEMORY_MARKS, len(paths)):
            samples[number] = _timing.resident_mib()
    marks = {number: samples[number] for number in (*MEMORY_MARKS, len(paths)) if number in samples}
    first, last = samples[min(marks)], samples[max(marks)]
    return {
        "what": what,
        "clips": len(paths),
        "resident_mib": marks,
        "every_100_mib": samples,
        "growth_mib": last - first,
        "peak_mib": _timing.peak_mib(),
    }


@functools.cache
def graph() -> bytes:
    """The standard extractor's graph, made in another process: torch's memory and threads stay out of the numbers."""
    script = (
        "import sys; from emotone.features import registry, store; "
        "sys.stdout.buffer.write(store.FeatureStore().graph(registry.get('functionals')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"the graph of the standard extractor could not be made:\n{done.stderr.decode()[-2000:]}")
    return done.stdout


def graph_runner() -> Callable[[Array], Array]:
    """The standard extractor, run by onnxruntime."""
    from emotone.features.runner import GraphRunner

    return GraphRunner(graph())


def rows(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The table: what, ours, theirs, how many times."""
    table = []

    def compared(title: str, section: str, key: str) -> None:
        if key in report.get(section, {}):
            c = report[section][key]
            ratio = f"{c['ratio']:.2f} ({c['ratio_low']:.2f} to {c['ratio_high']:.2f})"
            table.append((title, f"{c['ours_ms']:.1f} ms", f"{c['theirs_ms']:.1f} ms", ratio))

    compared("full feature set, plain librosa and numpy", "features", "librosa_as_written")
    compared("full feature set, librosa tuned by hand", "features", "librosa")
    compared("full feature set, librosa tuned by hand, its filter banks reused", "features", "librosa_filters_kept")
    compared("48 kHz file to features, usual librosa calls", "file", "librosa")
    compared("the same, nothing trimmed", "file", "librosa_without_our_trimming")
    compared("cold start: predict, against librosa's load and MFCC", "cold", "librosa")
    if "median_ms" in (latency := report.get("latency", {})):
        table.append(
            ("recognition of one clip", f"{latency['median_ms']:.1f} ms (p95 {latency['p95_ms']:.1f})", "", "")
        )
    if "resident_mib" in (memory := report.get("memory", {})):
        marks = ", ".join(f"{mib:.0f} after {number}" for number, mib in memory["resident_mib"].items())
        text = f"{marks}; growth {memory['growth_mib']:+.1f}, peak {memory['peak_mib']:.0f} MiB"
        table.append((f"memory, {memory['what']} of {memory['clips']} clips", text, "", ""))
    return table


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# Speed and memory",
        "",
        "One core, one thread; medians over interleaved pairs. The ratio is librosa's time / ours: median (quartiles).",
        "",
        "| what | Emotone | librosa | ratio |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows(report)),
        "",
    ]
    if "equal_share" in (features := report.get("features", {})):
        lines.append(
            f"Both give the same {features['columns']} columns: {features['equal_share']:.2%} of the values lie within "
            f"1e-3 of the column's standard deviation over {features['clips']} clips."
        )
    lines += [
        f"Not measured: {name}, {report[name]['skipped']}."
        for name in report
        if name != "date" and "skipped" in report[name]
    ]
    lines += ["", "Machine: " + ", ".join(f"{name} {value}" for name, value in report["machine"].items()) + "."]
    return "\n".join(lines) + "\n"


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    table = [("", "Emotone", "librosa", "ratio"), *rows(report)]
    widths = [max(len(row[k]) for row in table if k != 1 or row[2]) for k in range(4)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def write(report: dict[str, Any], folder: Path) -> None:
    """``speed.md`` and ``speed.json``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("speed.json", json.dumps(report, indent=2) + "\n"), ("speed.md", markdown(report))):
        part = folder / f".{name}.{os.getpid()}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the sections that were asked for."""
    from emotone import audio
    from emotone.preprocessing import DEFAULT as PREPROCESSING

    wanted = options.only.split(",")
    kept = sorted((options.data / "ravdess").rglob("*.flac")) or sorted((options.data / "ravdess").rglob("*.wav"))
    original = sorted((options.data / "ravdess_original_48k").rglob("*.wav"))
    if not kept or not original:
        raise SystemExit(f"{options.data}: no recordings in ravdess/ or ravdess_original_48k/; name another --data")
    some = kept[:: max(1, len(kept) // options.clips)][: options.clips]
    no_model = {"skipped": "no --model BUNDLE was given"}
    sections: dict[str, Callable[[], Section]] = {
        "features": lambda: features_section(
            graph_runner(), [PREPROCESSING.apply(audio.read(p)) for p in some], repeats=options.repeats
        ),
        "file": lambda: file_section(graph_runner(), original, repeats=options.repeats),
        "cold": lambda: no_model if not options.model else cold_section(original[0], model=options.model, repeats=9),
        "latency": lambda: (
            no_model if not options.model else latency_section(options.model, some, repeats=options.repeats)
        ),
        "memory": lambda: memory_section(options.data, model=options.model),
    }
    if unknown := set(wanted) - set(sections):
        raise SystemExit(f"unknown section {', '.join(sorted(unknown))}; known: {', '.join(sections)}")
    report: dict[str, Any] = {"machine": _timing.machine(), "date": time.strftime("%Y-%m-%d")}
    for name in wanted:
        print(f"measuring {name} ...", file=sys.stderr)
        report[name] = sections[name]()
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="holds ravdess/ and others")
    parser.add_argument("--model", help="a bundle's folder, or 'default'; needed for cold start and latency")
    parser.add_argument("--out", type=Path, help="folder for speed.md and speed.json")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(_SECTIONS), help="sections, with commas between")
    parser.add_argument("--memory-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the corpora by --data or EMOTONE_DATA")
    if options.memory_worker:
        print(json.dumps(memory_worker(options.data, model=options.model)))
        return
    report = measure(options)
    show(report)
    if options.out is not None:
        write(report, options.out)


if __name__ == "__main__":
    main()
