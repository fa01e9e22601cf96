"""The rows of the benchmark: what is timed, beside what, and the ratios that Emotone's plan asks for."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.benchmark import peers
from emotone.errors import EmotoneError, FeatureError, MissingExtraError

Array = npt.NDArray[np.float32]
Work = Callable[[Any], object]


@dataclass(frozen=True)
class Row:
    """Something that Emotone and a peer both do.

    Attributes
    ----------
    key
        Its name in JSON and on the command line.
    what, peer
        What is timed, and what Emotone is compared with.
    ours, theirs
        Functions that prepare the two, and return what is timed: a function of an input.
    on_samples
        Whether the inputs are trimmed samples at 16 kHz; otherwise they are files.
    speed
        How many times as many pairs as asked for are timed: several for what takes milliseconds.
    required, hoped
        How many times as fast as the peer Emotone has to be; None: nothing is required.
    """

    key: str
    what: str
    peer: str
    ours: Callable[[], Work]
    theirs: Callable[[], Work]
    on_samples: bool = False
    speed: int = 1
    required: float | None = None
    hoped: float | None = None


@cache
def _predict() -> Work:
    from emotone.recognition.recognizer import Recognizer

    return Recognizer().predict


@cache
def _features() -> Callable[[Array], Array]:
    """The standard extractor's graph, made in another process: torch's memory and threads stay out of the times."""
    from emotone.features.runner import GraphRunner

    script = (
        "import sys; from emotone.features import registry, store; "
        "sys.stdout.buffer.write(store.FeatureStore().graph(registry.get('functionals')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        if "MissingExtraError" in lines[-1] or "ModuleNotFoundError" in lines[-1]:
            raise MissingExtraError("the graph of the full feature set", extra="train")
        raise FeatureError(f"the graph of the full feature set can't be made ({lines[-1]}); report it")
    return GraphRunner(done.stdout)


def _file_to_features() -> Work:
    from emotone import audio
    from emotone.preprocessing import DEFAULT

    runner = _features()
    return lambda path: runner(DEFAULT.apply(audio.read(path)))


def _process(*command: str) -> Work:
    """Return a function that runs a program on a file; with its bytecode kept, as an installed program has it."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(path: Path) -> None:
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise EmotoneError(f"the program {' '.join(command[-2:])} failed: {done.stderr[-500:]}; report it")

    return run


def _cold_emotone() -> Work:
    return _process(sys.executable, "-c", "from emotone.cli.start import main; main()", "predict")


def _cold_librosa() -> Work:
    peers.needs("librosa", "librosa")
    return _process(sys.executable, "-c", peers.LIBROSA_PROGRAM)


#: All rows, in the order of the table.
ROWS: Sequence[Row] = (
    Row(
        "transformers",
        "file to answer, against a transformers pipeline",
        "librosa.load, wav2vec2 of base size",
        _predict,
        peers.wav2vec2,
        required=55,
        hoped=80,
    ),
    Row(
        "onnx-8-bit",
        "file to answer, against an 8-bit encoder",
        "the same in onnxruntime, 8-bit weights",
        _predict,
        peers.wav2vec2_8_bit,
        required=12,
        hoped=20,
    ),
    Row(
        "opensmile",
        "file to answer, against features alone",
        "openSMILE eGeMAPSv02",
        _predict,
        peers.egemaps,
        speed=3,
        required=9,
        hoped=13,
    ),
    Row(
        "cold-start",
        "whole process: emotone predict FILE",
        "import librosa, load, one MFCC",
        _cold_emotone,
        _cold_librosa,
        required=5,
        hoped=6.7,
    ),
    Row(
        "features",
        "full feature set from 16 kHz samples",
        "librosa, numpy; one shared transform",
        _features,
        partial(peers.librosa_functionals, separately=True),
        on_samples=True,
        speed=5,
        required=3.5,
        hoped=5,
    ),
    Row(
        "features-tuned",
        "full feature set from 16 kHz samples",
        "the same, tuned by hand",
        _features,
        peers.librosa_functionals,
        on_samples=True,
        speed=5,
    ),
    Row(
        "features-filters",
        "full feature set from 16 kHz samples",
        "tuned by hand, its filter banks reused",
        _features,
        partial(peers.librosa_functionals, keep_filters=True),
        on_samples=True,
        speed=5,
    ),
    Row(
        "file-features",
        "file to full feature set",
        "usual calls of librosa, fewer features",
        _file_to_features,
        peers.usual_librosa,
        speed=3,
    ),
)
