"""The benchmark that kills commands: it finds what a killed command leaves, and `fetch` leaves nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
]
#: A command that writes under a name of each process, and whose result depends on how often it has begun.
CARELESS = """
import json, os, sys, time
from pathlib import Path
import kills
from kills_commands import Command
from kills_runs import Place

def work():
    begun = len(list(Path().glob("*.part"))) + 1
    Path(f"{os.getpid()}.part").write_text("half of it")
    time.sleep(2)
    Path("result.txt").write_text("whole" if careful else f"try {begun}")
    Path(f"{os.getpid()}.part").unlink()
    for path in Path().glob("*.part") if careful else ():
        path.unlink()

class Late:
    def random(self):
        return 0.9

    def uniform(self, low, high):
        return 0.7 * high

folder, careful = Path(sys.argv[1]), sys.argv[2] == "careful"
def wait_for_work(end):
    while not list(Path(folder, "killed").rglob("*.part")):
        time.sleep(0.01)

command = Command("work", work, use=wait_for_work)
usual = kills.run_undisturbed(command, Place(folder / "usual").make())
kill = kills.kill_once(command, folder / "killed", usual=usual, rng=Late())
print(json.dumps({"usual": sorted(usual.contents), "found": kill.n_files, "wrong": kill.wrong}))
"""


def run(*command, **options):
    done = subprocess.run([sys.executable, *command], cwd=BENCHMARKS, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_a_killed_command_leaves_is_found(tmp_path):
    wrong = json.loads(run("-c", CARELESS, str(tmp_path), "careless"))
    assert wrong["usual"] == ["result.txt"]
    left, differs = wrong["wrong"]
    assert (
        wrong["found"] == 2
        and left.startswith("left: ")
        and left.endswith(".part")
        and differs == "differs: result.txt"
    )


def test_a_command_that_clears_up_is_as_usual(tmp_path):
    assert json.loads(run("-c", CARELESS, str(tmp_path), "careful"))["wrong"] == []


def test_a_killed_download_goes_on_and_leaves_nothing(tmp_path):
    out = tmp_path / "kills.json"
    told = run("kills.py", "--kills", "2", "--seed", "3", "--only", "fetch", "--out", str(out))
    kills = json.loads(out.read_text())["kills"]
    assert [kill["wrong"] for kill in kills] == [[], []] and "| `fetch` | 2 |" in told
