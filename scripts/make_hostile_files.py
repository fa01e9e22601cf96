"""Write 500 hostile files, and run them through all that reads recordings, in a watched child process.

Run as ``python scripts/make_hostile_files.py FOLDER [--run]``.  The files are the same each time: real containers whose
headers lie, cut, doubled, spliced and changed ones, texts, archives and noise, with names that are hard to print.  With
``--run`` each is given to a child that reads, predicts and makes a timeline of it, and uploads it to the service; what
is no `EmotoneError` or problem of the service, ends the child, takes over 10 s of computing, 120 s by the clock or
500 MB more is listed, and the exit status is 1.  Then all are annotated as an archive, which must have a row or a
documented failure for each.
"""

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
N_FILES, _LONGEST_S, _MOST_MB = 500, 10.0, 500
#: Seconds by the clock after which a child is ended: it waits for something that does not come.
_HANGS_S = 120.0
#: Failures of `annotate` that no recording may have.
_UNDOCUMENTED = ("internal", "crashed", "timeout", "memory")
_CORPUS = ROOT / "tests" / "fuzz" / "corpus" / "recording"
_NAMES = ("plain", "-rf", "a b", "=1+1", "line\nend", "\x1b[31m", "ünï", "'quote\"", "x" * 200, "%s%n")


def _wav(*, rate: int = 16_000, channels: int = 1, bits: int = 16, size: int | None = None, kind: int = 1) -> bytes:
    """A WAV file of a second whose header may lie."""
    data = (np.sin(np.arange(16_000) / 12) * 8_000).astype("<i2").tobytes()
    size = len(data) if size is None else size
    block = channels * bits // 8 & 0xFFFF
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(36 + size, 0xFFFFFFFF)) + body


def _lies() -> Iterator[bytes]:
    for rate in (0, 1, 7, 999, 0x7FFFFFFF, 0xFFFFFFFF):
        yield _wav(rate=rate)
    for channels in (0, 2, 7, 256, 0xFFFF):
        yield _wav(channels=channels)
    for bits in (0, 1, 7, 24, 33, 64, 0xFFFF):
        yield _wav(bits=bits)
    for size in (0, 1, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield _wav(size=size)
    for kind in (0, 3, 6, 0x11, 0x55, 0xFFFE, 0xFFFF):
        yield _wav(kind=kind)


def _other() -> Iterator[bytes]:
    yield from (b"", b"\0", b"\0" * 100_000, b"RIFF", b"OggS", b"fLaC", b"ID3" + b"\xff" * 7, b"\x1aE\xdf\xa3")
    yield from (
        b"{}",
        b"<html></html>",
        b"%PDF-1.4",
        b"PK\3\4" + b"\0" * 40,
        b"#!/bin/sh\necho\n",
        b"\x7fELF",
        b"GIF89a",
    )
    yield from (
        b"#EXTM3U\nhttp://127.0.0.1:9/a\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"[playlist]\nFile1=/etc/passwd\n",
    )
    for scale in (np.inf, np.nan, 1e30, -1e30):
        yield _float_wav(np.full(8_000, scale, np.float32))


def _float_wav(samples: npt.NDArray[np.float32]) -> bytes:
    head = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    data = samples.astype("<f4").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _changed(random: np.random.Generator) -> Iterator[bytes]:
    known = [file.read_bytes() for file in sorted(_CORPUS.iterdir())]
    while True:
        data = bytearray(known[random.integers(len(known))])
        for _ in range(random.integers(1, 6)):
            at, what = int(random.integers(len(data) + 1)), random.integers(5)
            if what == 0:
                data[at : at + 4] = random.bytes(4)
            elif what == 1:
                data[at : at + 4] = struct.pack("<I", (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)[random.integers(4)])
            elif what == 2:
                del data[at:]
            elif what == 3:
                data[at:at] = known[random.integers(len(known))][: random.integers(2_000)]
            else:
                data[:200] = bytes(byte ^ (random.random() < 0.02) << random.integers(8) for byte in data[:200])
        yield bytes(data)


def write(folder: Path) -> list[Path]:
    """Write the files; return them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [*_lies(), *_other()]
    changed = _changed(np.random.default_rng(0))
    contents += [next(changed) for _ in range(N_FILES - len(contents))]
    files = []
    for number, content in enumerate(contents):
        suffix = (".wav", ".mp3", ".m4a", ".webm", "")[number % 5]
        file = folder / f"{number:03d}{_NAMES[number % len(_NAMES)]}{suffix}"
        file.write_bytes(content)
        files.append(file)
    return files


def _upload_to(recognizer: Any, path: str) -> Callable[[str], object]:
    """Return a function that uploads a file to the service, and raises AssertionError for an error of the service."""
    from starlette.testclient import TestClient

    from emotone.serve import create_app

    client = TestClient(create_app(recognizer))

    def upload(file: str) -> None:
        answer = client.post(path, files={"file": (Path(file).name, Path(file).read_bytes())})
        is_problem = answer.headers["content-type"] == "application/problem+json" and answer.status_code < 500
        assert answer.status_code == 200 or is_problem, f"{answer.status_code} {answer.text}"

    return upload


def annotated(files: list[Path]) -> list[str]:
    """Annotate the files as an archive; return a line for each without exactly one answer or documented failure."""
    import pyarrow.parquet as pq

    from emotone.bulk.annotate import annotate

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        annotate(files, out)
        failed = pq.read_table(out / "failures.parquet").to_pylist()
        rows = [row["row"] for row in [*pq.read_table(out / "segments", columns=["row"]).to_pylist(), *failed]]
    wrong = [
        f"annotate: row {row} is there {rows.count(row)} times" for row in range(len(files)) if rows.count(row) != 1
    ]
    return wrong + [
        f"{Path(row['file']).name!r}: annotate: {row['code']}: {row['message']}"[:300]
        for row in failed
        if row["code"] in _UNDOCUMENTED
    ]


def child() -> None:
    """Take paths as JSON from stdin, one a line, and answer with what happened: errors, seconds of computing, MB."""
    import emotone

    recognizer = emotone.Recognizer()
    recognizer.predict(str(ROOT / "samples" / "man_plain.wav"))
    calls: dict[str, Callable[[str], object]] = {
        "read": emotone.load_audio,
        "predict": recognizer.predict,
        "timeline": recognizer.timeline,
        **{path: _upload_to(recognizer, path) for path in ("/v1/predict", "/v1/timeline")},
    }
    for line in sys.stdin:
        path, begun = json.loads(line), time.process_time()
        errors: list[str] = []
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, call in calls.items():
            try:
                call(path)
            except emotone.EmotoneError:
                pass
            except Exception as error:  # what was looked for
                errors.append(f"{name}: {type(error).__name__}: {error}"[:300])
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps([errors, time.process_time() - begun, grown_mb]), flush=True)


def run(files: list[Path]) -> list[str]:
    """Give each file to the child; return a line for each that is not as it should be."""
    wrong: list[str] = []
    command, waiting = [sys.executable, __file__, "--child"], list(files)
    while waiting:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            while waiting:
                file = waiting.pop(0)
                process.stdin.write(json.dumps(str(file)) + "\n")
                process.stdin.flush()
                watch = threading.Timer(_HANGS_S, process.kill)
                watch.start()
                answer = process.stdout.readline()
                watch.cancel()
                if not answer:
                    wrong.append(f"{file.name!r}: crash or over {_HANGS_S:g} s by the clock, exit {process.wait()}")
                    break
                errors, seconds, grown_mb = json.loads(answer)
                wrong += [f"{file.name!r}: {error}" for error in errors]
                wrong += [f"{file.name!r}: {seconds:.1f} s"] if seconds > _LONGEST_S else []
                wrong += [f"{file.name!r}: {grown_mb:.0f} MB"] if grown_mb > _MOST_MB else []
            process.stdin.close()
    return wrong


def main() -> None:
    """Write the files, and run them."""
    if sys.argv[1:] == ["--child"]:
        child()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--most", type=int, default=N_FILES, help="run only so many of them, spread evenly")
    arguments = parser.parse_args()
    files = write(arguments.folder)
    print(f"{len(files)} files in {arguments.folder}")
    if arguments.run:
        chosen = files[:: max(1, len(files) // arguments.most)]
        wrong = run(chosen) + annotated(chosen)
        print("\n".join(wrong))
        limits = f"{_LONGEST_S:g} s of computing, {_MOST_MB} MB"
        print(f"{len(chosen)} files run: {len(wrong)} undocumented errors or crashes, or over {limits}")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
