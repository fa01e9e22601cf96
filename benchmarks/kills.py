"""Kill commands at random moments and run them again: `python benchmarks/kills.py --kills 30`.

    python benchmarks/kills.py [--kills 30] [--seed 0] [--only train,compare,explore,annotate,fetch,serve]
                               [--out FILE.json] [--page FILE.md]

Each command runs undisturbed first, on a few short synthetic clips.  Then it is killed (SIGKILL) in a new folder, at a
moment drawn between its start and its usual end: the process alone, or all processes of its session.  After that it is
run again.  The exit status is 1 unless, each time,

- the second run ends well, with the files of the undisturbed run and no other, neither in its output nor among its
  temporary files nor in the cache;
- these files have the same content, but for moments and durations (a service: the same answers);
- no process of the killed run is left.

Runs are forks of this process, which has imported the libraries, so that a kill meets the work.  Needs Linux.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kills_commands
import numpy as np
from kills_commands import Command
from kills_runs import Forked, Place, difference

BEGIN, END = "<!-- made by benchmarks/kills.py: begin -->", "<!-- made by benchmarks/kills.py: end -->"
NAMES = ("train", "compare", "explore", "annotate", "fetch", "serve")
#: Imported before the first fork.
_LIBRARIES = {
    "train": ("emotone.experiment.run", "emotone.experiment.finish", "emotone.report.pages.run", "torch", "xgboost"),
    "compare": ("emotone.experiment.compare", "emotone.report.pages.run", "torch", "xgboost"),
    "explore": ("emotone.explore", "torch"),
    "annotate": ("emotone.bulk.annotate", "pyarrow.parquet"),
    "fetch": ("emotone.corpora.fetch.fetch",),
    "serve": ("emotone.serve.server", "gradio"),
}
#: Tries to hit a run before its end, each in the first half of the moments of the last.
_TRIES = 4


@dataclass(frozen=True)
class Done:
    """What a run that was not killed has made.

    Attributes
    ----------
    status
        Exit status.
    names
        All files, also temporary ones.
    contents
        Result -> digest or text.
    work_s
        Seconds from its start to its end.
    """

    status: int | None
    names: set[str]
    contents: dict[str, str]
    work_s: float


@dataclass
class Kill:
    """A kill, and what the next run made of it.

    Attributes
    ----------
    after_s
        Seconds after the start of the run.
    all_of_it
        Whether all its processes were killed.
    n_files
        Files that the killed run had written.
    wrong
        What is not as it must be.
    """

    command: str
    after_s: float
    all_of_it: bool
    n_files: int
    wrong: list[str] = field(default_factory=list)


def run_undisturbed(command: Command, place: Place) -> Done:
    """Run a command to its end."""
    run = Forked(command.work, place)
    answers = {} if command.finish is None else command.finish(run)
    run.wait()
    if run.poll() is None:  # it does not end
        run.kill(all_of_it=True)
    run.left()
    return Done(run.status, place.names(), place.contents() | answers, run.seconds)


def kill_once(command: Command, folder: Path, *, usual: Done, rng: np.random.Generator) -> Kill:
    """Kill a run, run the command again, and compare with the usual run."""
    latest_s, all_of_it = usual.work_s, bool(rng.random() < 0.5)
    for number in range(_TRIES):
        place = Place(folder / str(number)).make()
        run = Forked(command.work, place)
        after_s = float(rng.uniform(0.0, latest_s))
        end = time.monotonic() + after_s
        if command.use is not None:
            command.use(end)
        run.wait(lambda end=end: time.monotonic() >= end)  # type: ignore[misc]
        if run.poll() is None:
            run.kill(all_of_it=all_of_it)
            break
        latest_s /= 2
    else:
        raise SystemExit(f"{command.name} ended {_TRIES} times before it could be killed")
    kill = Kill(command.name, after_s, all_of_it, len(place.names()))
    if n_left := run.left():
        kill.wrong.append(f"{n_left} processes of the killed run are left")
    kill.wrong += _compare(run_undisturbed(command, place), usual)
    return kill


def _compare(again: Done, usual: Done) -> list[str]:
    wrong = [] if again.status == usual.status == 0 else [f"exit status {again.status}, usually {usual.status}"]
    wrong += [f"left: {name}" for name in sorted(again.names - usual.names)]
    wrong += [f"missing: {name}" for name in sorted(usual.names - again.names)]
    missing = again.names ^ usual.names
    return wrong + [f"differs: {name}" for name in difference(again.contents, usual.contents) if name not in missing]


def measure(names: Sequence[str], *, kills: int, seed: int, folder: Path) -> list[Kill]:
    """Kill the commands in turn, so many times in all."""
    manifest, rng = kills_commands.corpus(folder / "clips"), np.random.default_rng(seed)
    done: list[Kill] = []
    with kills_commands.archive_server() as url:
        made = kills_commands.commands(manifest, archive_url=url, port=kills_commands.free_port())
        usual: dict[str, Done] = {}
        for number in range(kills):
            command = made[names[number % len(names)]]
            if command.name not in usual:
                undisturbed = run_undisturbed(command, Place(folder / command.name / "usual").make())
                if undisturbed.status != 0 or not undisturbed.contents:
                    said = (folder / command.name / "usual.output").read_text(errors="replace")
                    state = f"{undisturbed.status} and {len(undisturbed.contents)} results"
                    raise SystemExit(f"{command.name}, not killed, ended with {state}:\n{said[-2000:]}")
                usual[command.name] = undisturbed
            own = folder / command.name / f"kill {number}"
            done.append(kill_once(command, own, usual=usual[command.name], rng=rng))
            print(f"{number + 1} of {kills}: {_line(done[-1])}", file=sys.stderr, flush=True)
    return done


def _line(kill: Kill) -> str:
    what = "all processes" if kill.all_of_it else "the process"
    state = "; ".join(kill.wrong[:5]) or "as usual"
    return f"{kill.command}, {what} killed {kill.after_s:.1f} s after its start ({kill.n_files} files): {state}"


def table(kills: Sequence[Kill]) -> list[str]:
    """Return the table of the kills, as lines of Markdown."""
    head = ("command", "kills", "of these, with all child processes", "seconds after its start", "next run as usual")
    rows = [head, ("---",) * len(head)]
    for name in dict.fromkeys(kill.command for kill in kills):
        same = [kill for kill in kills if kill.command == name]
        moments = [kill.after_s for kill in same]
        moment = f"{min(moments):.1f} to {max(moments):.1f}"
        good = f"{sum(not kill.wrong for kill in same)} of {len(same)}"
        rows.append((f"`{name}`", str(len(same)), str(sum(kill.all_of_it for kill in same)), moment, good))
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="of all commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(NAMES), help="commands, with commas between; they take turns")
    parser.add_argument("--out", type=Path, help="file for the kills")
    parser.add_argument("--page", type=Path, help="page for the table, between its marks")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"unknown command {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    for module in dict.fromkeys(each for name in names for each in ("emotone.cli.main", *_LIBRARIES[name])):
        importlib.import_module(module)
    folder = Path(tempfile.mkdtemp(prefix="emotone-kills-")).resolve()  # the end of a fork must not remove it
    try:
        kills = measure(names, kills=options.kills, seed=options.seed, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = table(kills)
    print("\n".join(lines))
    if options.out is not None:
        report: dict[str, Any] = {"seed": options.seed, "kills": [vars(kill) for kill in kills]}
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.page is not None:
        from results import _write  # imports the training libraries

        _write(options.page, lines, begin=BEGIN, end=END)
    if any(kill.wrong for kill in kills):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
