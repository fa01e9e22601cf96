"""Runs of commands that can be killed, and what they leave: used by `kills.py`."""

import atexit
import csv
import hashlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds within which the processes of a killed run must be gone, and within which a run must be done.
GONE_S, DONE_S = 60.0, 900.0
_POLL_S = 0.005
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?")
#: Files that say how long a run took; their names count, their content does not.
_WITH_DURATIONS = re.compile(r"(timing\.csv|.*\.html|.*\.sqlite|run\.json)")
#: Values that are durations, of tables whose other values count.
_DURATIONS = {"fit_s", "recognition_ms"}


@dataclass(frozen=True)
class Place:
    """The folders of a run, which a further run of the same command finds as they are.

    Attributes
    ----------
    folder
        The current folder of the run; it has the output, ``cache`` and ``tmp``.
    """

    folder: Path

    @property
    def temporary(self) -> Path:
        """Folder for temporary files of this run alone."""
        return self.folder / "tmp"

    def make(self) -> "Place":
        """Make the folders."""
        self.temporary.mkdir(parents=True)
        return self

    def names(self) -> set[str]:
        """Return the relative paths of all files and folders."""
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}

    def contents(self) -> dict[str, str]:
        """Return relative path -> digest of each file whose content does not depend on time."""
        paths = {name: self.folder / name for name in self.names()}
        return {name: _digest(path) for name, path in paths.items() if self._is_result(path)}

    def _is_result(self, path: Path) -> bool:
        is_temporary = self.temporary in (path, *path.parents)
        return path.is_file() and not is_temporary and not _WITH_DURATIONS.fullmatch(path.name)


def _digest(path: Path) -> str:
    """Return a digest of a file's content, in which moments and durations are replaced."""
    content = path.read_bytes()
    if path.name == "comparison.csv":
        content = repr(_timeless(list(csv.DictReader(io.StringIO(content.decode()))))).encode()
    elif path.name == "comparison.json":
        content = repr(_timeless(json.loads(content))).encode()
    return hashlib.sha256(_TIME.sub(b"TIME", content)).hexdigest()


def _timeless(value: Any) -> Any:
    """Return rows or nested values without durations."""
    if isinstance(value, dict):
        return {name: "DURATION" if name in _DURATIONS else _timeless(each) for name, each in value.items()}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


class Forked:
    """A run of a function in a fork of this process, in a separate session.

    The libraries are imported already, so that the run is mostly work.  Its output goes to the file ``output``.

    Parameters
    ----------
    work
        The function; what it raises is the exit status 1.
    place
        Where it runs.
    """

    def __init__(self, work: Callable[[], object], place: Place) -> None:
        self.place, self.status, self.start = place, None, time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:  # whatever happens, the fork must not go on with what this process does afterwards
                status = _run(work, place)
            finally:
                os._exit(status)

    status: int | None

    def poll(self) -> int | None:
        """Return the exit status, negative after a signal; None while it runs."""
        if self.status is None:
            pid, waited = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(waited) if pid else None
        return self.status

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.start

    def wait(self, until: Callable[[], bool] = lambda: False, *, seconds: float = DONE_S) -> bool:
        """Wait until something is true; return False if the run ended before, or the time is over."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            if until():
                return True
            time.sleep(_POLL_S)
        return False

    def kill(self, *, all_of_it: bool) -> None:
        """Kill the process, or all processes of its session, as the end of a container does (SIGKILL)."""
        is_leader = os.getpgid(self.pid) == self.pid  # not before its first line of code
        (os.killpg if all_of_it and is_leader else os.kill)(self.pid, signal.SIGKILL)
        self.wait()

    def left(self) -> int:
        """Return how many of its processes are alive some time after its end, and kill them."""
        end = time.monotonic() + GONE_S
        while (alive := sum(1 for _ in _of_session(self.pid))) and time.monotonic() < end:
            time.sleep(0.05)
        for pid in _of_session(self.pid):
            os.kill(pid, signal.SIGKILL)
        return alive


def _run(work: Callable[[], object], place: Place) -> int:
    """Do the work of a fork as a separate program; return its exit status."""
    os.setsid()
    with (place.folder.parent / f"{place.folder.name}.output").open("ab") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    os.chdir(place.folder)
    os.environ.update(TMPDIR=str(place.temporary), EMOTONE_CACHE=str(place.folder / "cache"))
    tempfile.tempdir = None
    status = 0
    try:
        work()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as at the end of a program
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _of_session(leader: int) -> Iterator[int]:
    """Yield the processes of a session, but zombies."""
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if entry.name.isdecimal() and int(fields[3]) == leader and fields[0] != "Z":
            yield int(entry.name)


def difference(again: Mapping[str, str], usual: Mapping[str, str]) -> list[str]:
    """Return the names that differ between two results, or that only one of them has."""
    return sorted(name for name in again.keys() | usual.keys() if again.get(name) != usual.get(name))
