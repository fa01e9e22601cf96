"""Processes that tests start."""

import contextlib
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def ended_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process if the block raises: the ``with`` statement of `Popen` would wait for its end for ever."""
    try:
        yield
    except BaseException:
        process.kill()
        raise
