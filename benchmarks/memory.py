"""Measure the resident memory of a process that goes through RAVDESS once.

    python benchmarks/memory.py --data DIR [--model BUNDLE]

Linux.  The process runs on one core with one thread.
"""

from emotone.benchmark import timing

if __name__ == "__main__":
    timing.one_thread()  # before numpy and onnxruntime are imported with pools of threads

import argparse
import os
from pathlib import Path

#: Numbers of clips after which the memory is printed.
MARKS = (100, 720, 1440)


def main() -> None:
    """Predict all clips, and print the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOTONE_DATA"), help="holds ravdess/")
    parser.add_argument("--model", default="default", help="a bundle's folder, or 'default'")
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the folder of the corpora by --data or EMOTONE_DATA")
    paths = sorted((options.data / "ravdess").rglob("*.flac")) or sorted((options.data / "ravdess").rglob("*.wav"))
    if not paths:
        raise SystemExit(f"{options.data}: no recordings in ravdess/; name another --data")
    from emotone.recognition.recognizer import Recognizer

    recognizer = Recognizer(options.model)
    resident_mib: dict[int, float] = {}
    for number, path in enumerate(paths, start=1):
        recognizer.predict(path)
        if number in (*MARKS, len(paths)):
            resident_mib[number] = timing.resident_mib()
    after = ", ".join(f"{mib:.0f} after {number}" for number, mib in resident_mib.items())
    growth = resident_mib[max(resident_mib)] - resident_mib[min(resident_mib)]
    print(f"memory, MiB: {after} clips; growth {growth:+.1f}, peak {timing.peak_mib():.0f}")


if __name__ == "__main__":
    main()
