"""Child processes end when their parent was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import os, subprocess, sys
child = "import sys, time; from emotone.processes import end_with; end_with(int(sys.argv[1])); time.sleep(600)"
with subprocess.Popen([sys.executable, "-c", child, str(os.getpid())]) as process:
    print(process.pid, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")
@pytest.mark.slow
def test_a_child_ends_soon_after_its_parent_was_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        time.sleep(1)
        assert Path(f"/proc/{child}").exists()
        os.kill(parent.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end and _is_alive(child):
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
