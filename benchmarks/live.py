"""Measure the load of a live stream on one core, and the time to its first prediction.

    python benchmarks/live.py --data DIR [--model BUNDLE] [--streams 20] [--seconds 60]

The input is recordings of RAVDESS with a second of silence between them, at 48 kHz in chunks of 100 ms like a
microphone's, but as fast as the stream takes them.  One process on one core, one thread.  The share of a core is
seconds of work per second of sound.  Then --streams streams get chunks in turns, as if all came in real time on that
core, and the largest delay of a chunk is printed.
"""

from emotone.benchmark import timing

if __name__ == "__main__":
    timing.one_thread()  # before numpy and onnxruntime are imported with pools of threads

import argparse
import os
import time
from pathlib import Path

import numpy as np
import soxr

RATE_HZ, CHUNK_S = 48_000, 0.1


def conversation(data: Path, *, seconds: float) -> np.ndarray:
    """Return clips of the whole corpus, a second of silence after each, 16-bit PCM at 48 kHz."""
    from emotone import audio

    paths = sorted((data / "ravdess").rglob("*.flac")) or sorted((data / "ravdess").rglob("*.wav"))
    if not paths:
        raise SystemExit(f"{data}: no recordings in ravdess/; name another --data")
    parts: list[np.ndarray] = []
    for path in paths[:: max(1, len(paths) // 100)]:
        parts += [audio.read(path), np.zeros(audio.SAMPLE_RATE, np.float32)]
        if sum(map(len, parts)) > seconds * audio.SAMPLE_RATE:
            break
    sound = soxr.resample(np.concatenate(parts), audio.SAMPLE_RATE, RATE_HZ)[: round(seconds * RATE_HZ)]
    return np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="a bundle's folder, or 'default'")
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="holds ravdess/")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the corpora by --data or EMOTONE_DATA")
    from emotone.recognition.recognizer import Recognizer
    from emotone.recognition.stream import Stream

    recognizer = Recognizer(options.model)
    sound = conversation(Path(options.data), seconds=options.seconds)
    size = round(CHUNK_S * RATE_HZ)
    chunks = [sound[at : at + size] for at in range(0, len(sound), size)]

    stream, events = Stream(recognizer, rate=RATE_HZ), []
    start = time.perf_counter()
    for chunk in chunks:
        events += stream.push(chunk)
    events += stream.finish()
    share = (time.perf_counter() - start) / (len(sound) / RATE_HZ)
    print(f"one stream: {100 * share:.1f} % of a core")
    waits = []
    for number, event in enumerate(events):
        if event.kind == "speech_start":
            answers = [later.time_s - event.time_s for later in events[number:] if later.kind == "emotion"]
            waits += answers[:1]
    print(f"first answer after {np.median(waits):.2f} s of speech (median of {len(waits)}, at most {max(waits):.2f})")

    streams = [Stream(recognizer, rate=RATE_HZ) for _ in range(options.streams)]
    behind, clock = [], 0.0
    for number in range(len(chunks)):
        clock = max(clock, (number + 1) * CHUNK_S)  # the chunk has arrived
        start = time.perf_counter()
        for offset, stream in enumerate(streams):  # their speech starts at different times
            stream.push(chunks[(number + 37 * offset) % len(chunks)])
        clock += time.perf_counter() - start
        behind.append(clock - (number + 1) * CHUNK_S)
    late, most = behind[-1], max(behind)
    print(f"{options.streams} streams on this core: {late:.2f} s behind at the end, {most:.2f} s at most")


if __name__ == "__main__":
    main()
