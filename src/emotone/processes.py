"""Child processes of this program: start one, talk to it through pipes, and end it.

A child serves its parent through stdin and stdout until the parent closes them, or ends.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

#: Seconds between two looks at whether a parent is alive.
_LOOK_EVERY_S = 0.5
#: For a child that has one core for itself.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def n_cores() -> int:
    """Return the number of cores that this process may use; a container or taskset may allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start(
    module: str, *, environment: Mapping[str, str] | None = None, has_stderr: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a child that calls ``serve`` of a module, with the same folders of modules as this process.

    Parameters
    ----------
    module
        Its full name.
    environment
        Variables beside those of this process.
    has_stderr
        Whether it prints errors where this process does; by default, nowhere.
    """
    code = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"
    # its own session: Ctrl-C is for the parent, which then closes the pipe
    return subprocess.Popen(
        [sys.executable, "-I", "-c", code, json.dumps([str(folder) for folder in sys.path])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if has_stderr else subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


def end_with(parent: int) -> None:
    """End this process soon after its parent, of this number, has ended, also if the parent was killed.

    Windows does not say that a parent has ended: there nothing happens.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child and wait for its end."""
    child.kill()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):  # bytes of a request that were not sent
            if pipe is not None:
                pipe.close()
    child.wait()


def read_exactly(pipe: Any, n_bytes: int) -> bytes:
    """Read so many bytes; EOFError if there are fewer."""
    content: bytes = pipe.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes from and to the parent, in a child; stdin and stdout are empty from now on.

    Libraries print to stdout, which is not theirs here.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    return requests, replies
