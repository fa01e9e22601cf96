"""Work for supervised children that crashes, hangs and counts, as the unit says."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from emotone.errors import EmotoneError


@dataclass(frozen=True)
class Moody:
    """Opens a function: a number gives its double; a name does what it says."""

    folder: str
    starts: bool = True

    def open(self):
        if not self.starts:
            raise EmotoneError("the model is missing")

        def result_of(unit, sign):
            if unit == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if unit == "exit":
                os._exit(3)
            if unit == "crash once" and not (Path(self.folder) / "crashed").exists():
                (Path(self.folder) / "crashed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if unit == "hang":
                time.sleep(600)
            if unit == "slow":
                for _ in range(6):
                    time.sleep(0.5)
                    sign()
            if unit == "print":
                print("a library prints", flush=True)
            if unit == "pid":
                return os.getpid()
            return 2 * unit if isinstance(unit, int) else unit

        def work(units, sign):
            return (result_of(unit, sign) for unit in units)

        return work
