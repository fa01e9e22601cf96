"""What the child process for bundles of others costs: the same model inside and outside of it, in pairs.

    python benchmarks/bundle_process.py [--clips N]

Each clip of ``samples/`` is predicted by the built-in model, which runs in this process, and by a copy of its bundle,
which runs in a child; in turn, each is first in half of the pairs.  Wall-clock time and the computing time of both
processes are printed: a machine that does other work changes the first and hardly the second.
"""

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from emotone import audio
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER, CheckedGraph

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.wav"))


def computed_s(recognizer: Recognizer) -> float:
    """Return the seconds that this process and the children of the recognizer have computed."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    seconds = own.ru_utime + own.ru_stime
    graph = recognizer._model._graph
    for child in graph._graph._all if isinstance(graph, CheckedGraph) else ():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / 100
    return seconds


def main() -> None:
    """Measure, and print a row for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=300, help="pairs of predictions")
    n_pairs = parser.parse_args().clips
    sounds = [audio.read(path)[: 3 * audio.SAMPLE_RATE] for path in SAMPLES]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(DEFAULT_FOLDER, copy)
        opened, starts = [], []
        for bundle in ("default", copy):
            begin = time.perf_counter()
            opened.append(Recognizer(bundle))
            starts.append(time.perf_counter() - begin)
        walls: list[list[float]] = [[], []]
        work = [0.0, 0.0]
        for number in range(-10, n_pairs):
            for place in (0, 1) if number % 2 else (1, 0):
                recognizer, sound = opened[place], sounds[number % len(sounds)]
                before, begin = computed_s(recognizer), time.perf_counter()
                recognizer.run(sound)
                wall = time.perf_counter() - begin
                if number >= 0:
                    walls[place].append(1000 * wall)
                    work[place] += computed_s(recognizer) - before
        more = statistics.median(after - before for before, after in zip(*walls, strict=True))
        for name, start, times, seconds in zip(("this process", "a child"), starts, walls, work, strict=True):
            print(
                f"in {name}: opened in {start:.2f} s; median of a clip {statistics.median(times):.2f} ms, "
                f"computing {1000 * seconds / n_pairs:.2f} ms"
            )
        print(f"median of the differences: {more:+.2f} ms a clip")
        opened[1].close()


if __name__ == "__main__":
    main()
