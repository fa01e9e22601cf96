"""Measure how many times faster than real time a bundle predicts a clip of 4 s on one core.

    python benchmarks/realtime.py [--model BUNDLE] [--beside BUNDLE] [--data DIR] [--seconds 4]

This times onnxruntime's run of the whole graph, from the waveform to the probabilities, in one thread.  The time does
not depend on the content, so without --data the clips are noise.  With --beside, the two bundles are timed in turns,
and the ratio of the pairs is printed.
"""

from emotone.benchmark import timing

if __name__ == "__main__":
    timing.one_thread()  # before numpy and onnxruntime are imported with pools of threads

import argparse
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
Array = npt.NDArray[np.float32]


def clips(data: Path | None, *, seconds: float, count: int) -> list[Array]:
    """Return clips of so many seconds from joined recordings of RAVDESS; noise without a folder."""
    size = round(seconds * RATE_HZ)
    if data is None:
        return list(0.1 * np.random.default_rng(0).standard_normal((count, size)).astype(np.float32))
    from emotone import audio
    from emotone.preprocessing import DEFAULT as PREPROCESSING

    paths = sorted((data / "ravdess").rglob("*.flac")) or sorted((data / "ravdess").rglob("*.wav"))
    if not paths:
        raise SystemExit(f"{data}: no recordings in ravdess/; name another --data")
    joined: list[Array] = []
    for path in paths[:: max(1, len(paths) // 200)]:
        joined.append(PREPROCESSING.apply(audio.read(path)))
        if sum(map(len, joined)) >= count * size:
            break
    whole = np.concatenate(joined)
    return [whole[start : start + size] for start in range(0, min(count * size, len(whole) - size + 1), size)]


def size_bytes(bundle: Path) -> int:
    """Return the size of all files of a bundle."""
    return sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="a bundle's folder, or 'default'")
    parser.add_argument("--beside", help="another bundle")
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="holds ravdess/")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a clip")
    parser.add_argument("--count", type=int, default=20, help="clips")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from emotone.recognition.recognizer import Recognizer

    data = None if options.data is None else Path(options.data)
    inputs = clips(data, seconds=options.seconds, count=options.count)
    ours = Recognizer(options.model)
    theirs = Recognizer(options.beside) if options.beside else ours
    compared = timing.compare(ours.run, theirs.run, inputs, pairs=options.repeats * len(inputs))
    report = {
        "model": options.model,
        "size_mb": size_bytes(ours.folder) / 1e6,
        "seconds": options.seconds,
        "median_ms": compared.ours_ms,
        "times_real_time": 1000 * options.seconds / compared.ours_ms,
        "pairs": compared.pairs,
        "machine": timing.machine(),
    }
    if options.beside:
        report["beside"] = {"model": options.beside, "size_mb": size_bytes(theirs.folder) / 1e6, **compared.to_dict()}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(
        f"{report['size_mb']:.2f} MB; {report['median_ms']:.1f} ms for {options.seconds:g} s on one core: "
        f"{report['times_real_time']:.0f} times real time"
    )
    if options.beside:
        print(
            f"{options.beside}: {compared.theirs_ms:.1f} ms; it takes {compared.ratio:.2f} times as long "
            f"({compared.ratio_low:.2f} to {compared.ratio_high:.2f})"
        )


if __name__ == "__main__":
    main()
