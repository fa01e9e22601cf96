"""Take the steps of the Dockerfile in a folder, without a container engine, and ask the service that they make.

Run as ``python scripts/run_docker_steps.py [--python FILE] [--keep] [OPTION ...]``, where the others are options of
``emotone serve``; takes minutes, since it installs what the image holds.  The image's absolute paths become paths under
a temporary folder, and its Python is this one, or the one named.  COPY obeys .dockerignore, a later stage sees only
what it copies, and the service runs as the image's user where the caller is root.  What this can't show: the base image
itself, and the limits that an engine sets.
"""

import argparse
import contextlib
import fnmatch
import json
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
#: Packages of training and of the tests, which a service has no use for.
UNWANTED = {"torch", "scikit-learn", "librosa", "scipy", "matplotlib", "transformers", "xgboost-cpu", "pytest", "pip"}
#: The shared libraries outside the wheels that the base image has: of libc6, libgcc-s1, libstdc++6 and zlib1g, which
#: Debian's apt and dpkg need.
OF_DEBIAN = set("libc libdl libgcc_s libm libmvec libpthread librt libstdc++ libutil libz ld-linux-x86-64".split())
OF_DEBIAN.add("ld-linux-aarch64")


@dataclass(frozen=True)
class Step:
    """One instruction: ``word`` in capitals, and the rest of it in one line."""

    word: str
    rest: str

    def as_list(self) -> list[str] | None:
        """The exec form's words (after CMD in a HEALTHCHECK); None if it is a shell's line."""
        array = re.search(r"\[.*\]\s*$", self.rest)
        return json.loads(array.group()) if array else None


@dataclass
class Stage:
    """What follows one FROM.

    Attributes
    ----------
    base
        The image, or the name of an earlier stage.
    name
        After AS; empty if the stage has no name.
    """

    base: str
    name: str = ""
    steps: list[Step] = field(default_factory=list)

    def only(self, word: str) -> Step:
        """Return the last instruction of this kind, the effective one; raise ValueError if the stage has none."""
        steps = [step for step in self.steps if step.word == word]
        if not steps:
            raise ValueError(f"the stage {self.name or self.base!r} has no {word}; expected one")
        return steps[-1]


def read_stages(text: str) -> list[Stage]:
    """Read a Dockerfile: comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n\s*", "", "\n".join(lines))
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, rest = line.split(maxsplit=1)
        if word.upper() == "FROM":
            base, *name = re.split(r"\s+AS\s+", rest, flags=re.IGNORECASE)
            stages.append(Stage(base, "".join(name)))
        else:
            stages[-1].steps.append(Step(word.upper(), rest))
    return stages


def read_ignored(text: str) -> list[str]:
    """Read a .dockerignore: its patterns, in order."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether a path, relative to the context, is kept from the builder: the last pattern that fits it decides.

    >>> [is_ignored(path, ["*", "!src", "**/*.pyc"]) for path in ("runs/a", "src/a.py", "src/b/a.pyc")]
    [True, False, True]
    """
    parts = path.split("/")
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").strip("/")
        any_depth = plain.startswith("**/")
        starts = range(len(parts)) if any_depth else range(1)
        wanted = plain.removeprefix("**/").split("/")
        if any(
            len(parts) - start >= len(wanted)
            and all(fnmatch.fnmatchcase(*pair) for pair in zip(parts[start:], wanted, strict=False))
            for start in starts
        ):
            ignored = not pattern.startswith("!")
    return ignored


def mapped(text: str, at: Path) -> str:
    """Text in which the absolute paths that a Dockerfile names are under a folder; those of web addresses stay.

    >>> mapped("PATH=/opt/venv/bin:$PATH x/tmp http://a/tmp /usr/bin", Path("/a"))
    'PATH=/a/opt/venv/bin:$PATH x/tmp http://a/tmp /usr/bin'
    """
    return re.sub(r"(?<![\w./])/(?=(opt|build|tmp)\b)", f"{at}/", text)


class Image:
    """The image's file system as a folder.

    Attributes
    ----------
    at
        The folder.
    environment
        What ENV has set, in the stage that runs.
    sent
        Files of the context that COPY has taken, relative to it.
    """

    def __init__(self, at: Path, *, patterns: list[str], python: Path) -> None:
        self.at, self.patterns = at, patterns
        self.environment: dict[str, str] = {}
        self.sent: set[str] = set()
        self.work = at
        self.base = at / "usr/local"
        subprocess.run([python, "-m", "venv", self.base], check=True)  # the base image's python and pip
        (at / "tmp").mkdir(mode=0o1777)
        (at / "tmp").chmod(0o1777)
        at.chmod(0o755)

    def mapped(self, text: str) -> str:
        """Text in which the image's absolute paths are the folder's."""
        return mapped(text, self.at)

    def begin(self) -> None:
        """Begin a stage."""
        self.work = self.at
        self.environment = {"PATH": f"{self.base}/bin:/usr/bin:/bin"}

    def take(self, step: Step) -> None:
        """Carry out RUN, COPY, ENV and WORKDIR; the others only say how the image is run."""
        if step.word == "WORKDIR":
            self.work = Path(self.mapped(step.rest))
            self.work.mkdir(parents=True, exist_ok=True)
        elif step.word == "ENV":
            for name, value in re.findall(r"(\w+)=(\S+)", step.rest):
                self.environment[name] = self.mapped(value).replace("$PATH", self.environment["PATH"])
        elif step.word == "RUN":
            print(f"RUN {step.rest}", flush=True)
            outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PIP_QUIET": "1"}
            line = ["sh", "-ec", self.mapped(step.rest)]
            subprocess.run(line, cwd=self.work, env=outside | self.environment, check=True)
        elif step.word == "COPY":
            *sources, to = step.rest.split()
            if sources[0].startswith("--from="):
                return  # all stages share the folder: `keep_only` drops what the last one does not copy
            for source in sources:
                self._copy(source, self.work / self.mapped(to), into=to.endswith("/"))

    def _copy(self, source: str, to: Path, *, into: bool) -> None:
        whole = ROOT / source
        files = [whole] if whole.is_file() else [path for path in whole.rglob("*") if path.is_file()]
        sent = [path for path in files if not is_ignored(path.relative_to(ROOT).as_posix(), self.patterns)]
        if not sent:
            raise FileNotFoundError(f"COPY {source}: the context has no such file; look at .dockerignore")
        for path in sent:
            self.sent.add(path.relative_to(ROOT).as_posix())
            place = to / path.relative_to(whole) if whole.is_dir() else to / path.name if into else to
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)

    def keep_only(self, paths: list[str]) -> None:
        """Drop what earlier stages made, but for some folders."""
        kept = [Path(self.mapped(path)) for path in paths]
        for top in (path for path in self.at.iterdir() if path.name not in ("usr", "tmp")):
            if not any(folder.is_relative_to(top) for folder in kept):
                shutil.rmtree(top)


def build(image: Image, stages: list[Stage]) -> None:
    """Take the steps of all stages; copies between stages must not move a path, as virtual environments can't move."""
    for stage in stages:
        copied = [step.rest.split()[1:] for step in stage.steps if step.rest.startswith("--from=")]
        if any(source != to for source, to in copied):
            raise ValueError(f"COPY --from moves {copied}; expected the same path in both stages")
        image.begin()
        if copied:
            image.keep_only([to for _, to in copied])
        for step in stage.steps:
            image.take(step)


def check_contents(venv: Path, *, sent: set[str]) -> None:
    """Compare the installed package with the sources, and look for packages that should not be there; prints sizes."""
    (site,) = venv.glob("lib/python3*/site-packages")
    expected = {path.removeprefix("src/") for path in sent if path.startswith("src/")}
    files = [path for path in (site / "emotone").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    installed = {path.relative_to(site).as_posix() for path in files}
    if expected != installed:
        raise ValueError(f"the wheel and src/ differ: {sorted(expected ^ installed)}")
    names = {re.sub(r"[-_.]+", "-", path.name.split("-")[0]).lower() for path in site.glob("*.dist-info")}
    if names & UNWANTED:
        raise ValueError(f"the image has {sorted(names & UNWANTED)}, which a service has no use for")
    sizes = {path.name: size_mb(path) for path in site.iterdir()}
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:8]
    print(f"{len(names)} packages, {size_mb(venv):.0f} MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in largest))


def check_libraries(venv: Path) -> None:
    """Look for shared libraries that neither the wheels bring nor the base image has."""
    modules = [str(path) for path in venv.rglob("*.so*") if path.is_file()]
    linked = subprocess.run(["ldd", *modules], capture_output=True, text=True).stdout
    outside = {line.split()[0] for line in linked.splitlines() if "=>" in line and f"=> {venv}" not in line}
    missing = {name for name in outside if Path(name).name.split(".so")[0] not in OF_DEBIAN}
    if missing or not outside:
        raise ValueError(f"{len(modules)} modules need {sorted(missing)}, which is no part of the base image")
    print(f"{len(modules)} modules need of Debian: {', '.join(sorted(outside))}")


def size_mb(at: Path) -> float:
    """Size of a file, or of all in a folder, in millions of bytes."""
    paths = [at, *at.rglob("*")] if at.is_dir() else [at]
    return sum(path.lstat().st_size for path in paths if path.is_symlink() or path.is_file()) / 1e6


def is_open(program: Path) -> bool:
    """Whether any user may run a program: it, and all folders above it, can be reached."""
    real = program.resolve()
    return all(path.stat().st_mode & stat.S_IXOTH for path in (real, *real.parents))


class Service:
    """The image's entry point as a process, on a free port of this machine, as the image's user."""

    def __init__(self, image: Image, last: Stage, *, key: str, options: Sequence[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._work, self._environment = image.work, image.environment | {"EMOTONE_KEY": key}
        user, group = map(int, last.only("USER").rest.split(":"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0 and is_open(image.base / "bin/python"):
            self._user = {"user": user, "group": group, "extra_groups": []}
        print(f"as user {user}" if self._user else "as the caller: not root, or a Python that is root's (see --python)")
        self._health = last.only("HEALTHCHECK").as_list() or []
        line = [*(last.only("ENTRYPOINT").as_list() or []), "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = self._start([*line, *options])

    def _start(self, line: list[str], **options: Any) -> subprocess.Popen[bytes]:
        program = shutil.which(line[0], path=self._environment["PATH"])
        if program is None:
            raise FileNotFoundError(f"{line[0]} is not in the image's PATH")
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [program, *line[1:]], cwd=self._work, env=self._environment, **self._user, **options
        )
        return process

    def healthy(self) -> bool:
        """Run the image's health check once."""
        line = [word.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}") for word in self._health]
        with self._start(line, stderr=subprocess.DEVNULL) as check:
            return check.wait(30) == 0

    def peak_mb(self) -> float:
        """The most memory that the process has held, in millions of bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6  # type: ignore[index]


@contextlib.contextmanager
def running(image: Image, last: Stage, *, key: str, options: Sequence[str]) -> Iterator[Service]:
    """Start the service, wait until its health check succeeds, and end it at last, whatever happens."""
    service = Service(image, last, key=key, options=options)
    try:
        start = time.monotonic()
        while not service.healthy():
            if service.process.poll() is not None or time.monotonic() - start > 60:
                raise RuntimeError("the service is not healthy after 60 s, or has ended; see what it printed above")
            time.sleep(0.5)
        print(f"healthy after {time.monotonic() - start:.1f} s, {service.peak_mb():.0f} MB of memory")
        yield service
    finally:
        service.process.kill()
        service.process.wait()


def ask(service: Service, *, key: str, page: bool) -> None:
    """Ask for each sample clip, with the key and without, and for the page; raises where an answer is unexpected."""
    bearer = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        for clip in sorted(path for path in (ROOT / "samples").iterdir() if path.suffix != ".md"):
            files = {"file": (clip.name, clip.read_bytes())}
            refused = client.post("/v1/predict", files=files).status_code
            answer = client.post("/v1/predict", files=files, headers=bearer)
            if (refused, answer.status_code) != (401, 200):
                raise RuntimeError(
                    f"{clip.name}: {refused} without the key, {answer.status_code} with it: {answer.text}"
                )
            print(f"{clip.name}: {answer.json()}"[:110])
        shown = client.get("/", follow_redirects=True).status_code  # the page, or where it asks for the key
        if (shown < 400) != page:
            raise RuntimeError(f"/ answers {shown}; expected {'the page' if page else 'no page'}")
    print(f"{service.peak_mb():.0f} MB of memory after these")


def main() -> int:
    """Take the steps, start the service, ask it and end it; the exit status is 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the folder, and print its name")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="in place of the base image's")
    arguments, options = parser.parse_known_args()
    stages = read_stages((ROOT / "Dockerfile").read_text())
    at = Path(tempfile.mkdtemp(prefix="emotone-image-"))
    key = secrets.token_hex(16)
    try:
        image = Image(at, patterns=read_ignored((ROOT / ".dockerignore").read_text()), python=arguments.python)
        build(image, stages)
        check_contents(at / "opt/venv", sent=image.sent)
        check_libraries(at / "opt/venv")
        with running(image, stages[-1], key=key, options=options) as service:
            ask(service, key=key, page="--no-page" not in options)
            service.process.send_signal(signal.SIGTERM)
            status = service.process.wait(90)
            if status != 0 or service.healthy():
                raise RuntimeError(f"after SIGTERM the exit status is {status}; expected 0, and no answer any more")
            print("ended with status 0 after SIGTERM")
    finally:
        print(f"kept: {at}") if arguments.keep else shutil.rmtree(at)
    return 0


if __name__ == "__main__":
    sys.exit(main())
