"""Functions for processes of a pool, which import this module."""

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotone.audio.segments import Segment
from emotone.errors import CorpusError, MissingExtraError


@dataclass
class Times:
    """Multiply by a number that lies in a large array, and say in which process."""

    numbers: np.ndarray

    def __call__(self, item: int) -> tuple[int, int]:
        return item * int(self.numbers[-1]), os.getpid()


def size_of(clip: Segment) -> tuple[int] | str:
    """The size of a file; the reason why it has none."""
    size = os.path.getsize(clip.path) if os.path.exists(clip.path) else 0
    return (size,) if size else f"{clip.path}: empty"


def threads_of(item: Any) -> dict[str, Any]:
    """The number of threads of each library in this process."""
    import threadpoolctl
    import torch

    pools = {pool["user_api"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    return {**pools, "torch": torch.get_num_threads()}


def fail(item: int) -> int:
    """Raise an error for some items, and end the process for one."""
    if item == 3:
        raise CorpusError("three")
    if item == 4:
        raise MissingExtraError("four", extra="hub")
    if item == 5:
        os._exit(1)
    if item == 6:
        time.sleep(600)
    return item


def nested(item: int) -> Any:
    """What a pool of this machine gives a process of a pool."""
    from emotone.parallel import LocalPool

    return LocalPool(8).share(8)


class Describe:
    """Describe the frames of a clip of a training set, and whether they can be written and this is another process."""

    def __init__(self, training_set: Any, pid: int) -> None:
        self.training_set, self.pid = training_set, pid

    def __call__(self, row: int) -> tuple[Any, ...]:
        clip = self.training_set.values[row]
        return clip.shape, str(clip.dtype), clip.tobytes(), clip.flags.writeable and os.getpid() != self.pid


def warn(item: int) -> int:
    """Warn, twice from the same line, and once of something that is ignored."""
    for _ in range(2):
        warnings.warn("it did not converge", RuntimeWarning, stacklevel=1)
    warnings.warn("old", PendingDeprecationWarning, stacklevel=1)
    return -item


def sleep(name: str) -> None:
    """Write the number of this process into a file, and wait for ten minutes."""
    Path(name).write_text(str(os.getpid()))
    time.sleep(600)
