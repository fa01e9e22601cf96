"""Compile and run the programs of docs/examples on a sample, and compare their scores with those of Python.

Run as ``python scripts/run_examples.py --node DIR --include DIR --library FILE``: the folder that holds
``node_modules/onnxruntime-node``, the headers of ONNX Runtime, and its shared library, by default that of the Python
package.  A program whose tools are not named is left out.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

from emotone.recognition.session import DEFAULT_FOLDER

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "examples"
MODEL = DEFAULT_FOLDER / "model.onnx"
#: A WAV file of 16 bits and 16 kHz without silence at its ends.
SAMPLE = ROOT / "samples" / "woman_lively.wav"
#: How far a score may be from that in Python: another version of ONNX Runtime rounds in other ways.
TOLERANCE = 1e-5


def main() -> int:
    """Run each program; return 1 if any has other scores, or if none was run."""
    parser = argparse.ArgumentParser(description="Run the programs of docs/examples.")
    parser.add_argument("--node", type=Path, help="folder that holds node_modules/onnxruntime-node")
    parser.add_argument("--include", type=Path, help="folder of onnxruntime_cxx_api.h")
    parser.add_argument("--library", type=Path, help="libonnxruntime.so (default: that of the Python package)")
    options = parser.parse_args()
    printed: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.node:
            program = options.node / "emotion.mjs"  # it finds its package from there
            shutil.copy(EXAMPLES / program.name, program)
            try:
                printed["JavaScript"] = scores_of(["node", str(program)])
            finally:
                program.unlink()
        if options.include:
            program = compiled(Path(folder), include=options.include, library=options.library or library_of_python())
            printed["C++"] = scores_of([str(program)], library=Path(folder))
    expected = scores_in_python()
    wrong = False
    for name, scores in printed.items():
        distance = max(abs(a - b) for a, b in zip(scores, expected, strict=True))
        print(f"{name}: {len(scores)} scores, at most {distance:.1e} from Python's; expected up to {TOLERANCE:.0e}")
        wrong |= distance > TOLERANCE
    return 0 if printed and not wrong else 1


def scores_in_python() -> list[float]:
    """Return the scores of the graph in Python for the same samples, which nothing prepares."""
    waveform, _ = soundfile.read(SAMPLE, dtype="float32")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warnings about the optional inputs
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"waveform": waveform[None].astype(np.float32)})
    return [float(score) for score in scores[0]]


def library_of_python() -> Path:
    """Return the shared library of the Python package onnxruntime."""
    (library,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    return library


def compiled(folder: Path, *, include: Path, library: Path) -> Path:
    """Compile the C++ program; the library is linked by the name that it is looked up by."""
    (folder / "libonnxruntime.so.1").symlink_to(library.resolve())
    program = folder / "emotion"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{include}", f"-L{folder}", "-l:libonnxruntime.so.1"]
    subprocess.run(["g++", str(EXAMPLES / "emotion.cpp"), *flags, "-o", str(program)], check=True)
    return program


def scores_of(command: list[str], *, library: Path | None = None) -> list[float]:
    """Return the scores that a program prints."""
    environment = os.environ | ({"LD_LIBRARY_PATH": str(library)} if library else {})
    arguments = [*command, str(MODEL), str(SAMPLE)]
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
