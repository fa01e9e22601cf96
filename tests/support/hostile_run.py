"""Predict with every hostile graph, in a process for itself; print what came of each, and the most memory.

``python -m support.hostile_run FOLDER`` prints JSON: ``results``, name -> [kind, text] of the error or of the answer,
and ``memory_mb``, of this process and of the largest of its children.
"""

import json
import re
import resource
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emotone.recognition.graph_process import Limits
from emotone.recognition.recognizer import Recognizer
from support import handmade, hostile_graphs

#: A loud sound and a quiet one, of another length than the sound of the first run.
SOUNDS = (handmade.tone(0.4, seconds=1.7), handmade.tone(0.02, seconds=0.4))
LIMITS = Limits(open_s=1.5, run_s=1.5)


def outcome(folder: Path, content: bytes, *, checks_speech: bool) -> list[str]:
    """Return the kind and the text of the error, or of the last answer."""
    handmade.write(folder, content=content, checks_speech=checks_speech)
    (folder / "weights.bin").write_bytes(bytes(64))
    try:
        recognizer = Recognizer(folder, limits=LIMITS)
        answers = [recognizer.predict((sound, 16_000)) for sound in SOUNDS]
        recognizer.close()
    except Exception as error:
        return [type(error).__name__, str(error) if isinstance(error, ValueError) else traceback.format_exc()]
    return ["answer", repr(answers[-1])]


def main(folder: Path) -> None:
    """Print the results."""
    with ThreadPoolExecutor(2) as pool:
        waiting = {
            name: pool.submit(outcome, folder / str(number), content, checks_speech=name.startswith("speech"))
            for number, (name, content) in enumerate(hostile_graphs.graphs())
        }
        results = {name: future.result() for name, future in waiting.items()}
    # Not ru_maxrss of this process: that begins with the memory of the process that started it.
    own = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()) if sys.platform == "linux" else None
    usage = [int(own[1]) if own else 0, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
    print(json.dumps({"results": results, "memory_mb": [value / 1024 for value in usage]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
