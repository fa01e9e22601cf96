"""The code blocks of a document: what each is, where it is run, and how its printed output is compared."""

import contextlib
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import shared_graphs
from support.labelled_calls import labelled_calls

ROOT = Path(__file__).resolve().parents[2]
#: README and all documents of docs/ but the pages of notebooks, which have tests of their own.
DOCUMENTS = (
    "README.md",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "docs").rglob("*.md")
        if "notebooks" not in path.relative_to(ROOT).parts
    ),
)
#: A line directly before a block that is not run: readers see it.
NOT_RUN = re.compile(r"^\*Not run in the tests: (?P<reason>.{15,})\*$")
#: A comment directly before a block that another test runs.
RUN_BY = re.compile(r"^<!-- run by (?P<test>tests/\S+\.py) -->$")
#: What is drawn, and not written: bars of confidence.
_DRAWN = re.compile(r"[━─]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: How far a printed number may be from that in the document: percents, and numbers with a decimal point.  Other whole
#: numbers, such as counts, are equal.
SPREAD, TENTHS = 4.0, 0.5
_SHIM = "#!/bin/sh\nexec {python} -c 'from emotone.cli.start import main; main()' \"$@\"\n"


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes
    ----------
    document, line
        Where it is; lines count from 1.
    language
        The word after the fence, or "".
    text
        Its lines.
    before
        The last line before it that is not empty.
    """

    document: str
    line: int
    language: str
    text: str
    before: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def not_run(self) -> str:
        """Why it is not run, or ""."""
        match = NOT_RUN.match(self.before)
        return match["reason"] if match else ""

    @property
    def run_by(self) -> str:
        """The test that runs it, or ""."""
        match = RUN_BY.match(self.before)
        return match["test"] if match else ""

    @property
    def is_install(self) -> bool:
        """Whether it installs something, which the test of a new environment does."""
        return self.language == "bash" and re.search(r"^pip install ", self.text, flags=re.MULTILINE) is not None


def blocks_of(document: str) -> list[Block]:
    """Return the blocks of a document, in order; fences may be indented."""
    made, before, opened = [], "", None
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"^( *)```(\w*)$", line)
        if opened is None and fence:
            opened, lines = (number, fence[2]), []
        elif opened is not None and fence:
            made.append(Block(document, opened[0], opened[1], "\n".join(lines) + "\n", before))
            before, opened = "```", None
        elif opened is not None:
            lines.append(line)
        elif line.strip():
            before = line.strip()
    assert opened is None, f"{document}:{opened[0]}: the block has no end"
    return made


def commands_of(block: Block) -> list[list[str]]:
    """Return the words after `emotone` of each command of a block; what a shell would do with them is left out."""
    joined = re.sub(r"\\\n", " ", block.text)
    commands = []
    for line in joined.splitlines():
        for part in re.split(r"\s(?:\||&&)\s", line):
            words = shlex.split(part, comments=True)
            if words and words[0] == "emotone":
                end = next((place for place, word in enumerate(words) if word in (">", "&")), len(words))
                commands.append(words[1:end])
    return commands


def differences(printed: str, written: str) -> list[str]:
    """Return the lines of a document that differ from what was printed, each with the printed one.

    Words are equal, up to spaces; numbers are within `SPREAD` and `TENTHS`; bars are not compared.
    """
    pairs, spread = zip_lines(printed, written), SPREAD if "%" in written else 0.0
    return [f"{old!r} is printed as {new!r}" for new, old in pairs if not _is_alike(new, old, spread=spread)]


def zip_lines(printed: str, written: str) -> list[tuple[str, str]]:
    new, old = ([line for line in text.splitlines() if line.strip()] for text in (printed, written))
    longest = max(len(new), len(old))
    return [*zip(new + ["(nothing)"] * (longest - len(new)), old + ["(nothing)"] * (longest - len(old)), strict=True)]


def _is_alike(new: str, old: str, *, spread: float) -> bool:
    new, old = (" ".join(_DRAWN.sub(" ", line).split()) for line in (new, old))
    if _NUMBER.sub("0", new) != _NUMBER.sub("0", old):
        return False
    numbers = zip(_NUMBER.findall(new), _NUMBER.findall(old), strict=True)
    return all(math.isclose(float(a), float(b), abs_tol=TENTHS if "." in b else spread) for a, b in numbers)


class Reader:
    """Somebody who follows a document from its top to its end, in a folder with what a checkout has.

    Parameters
    ----------
    folder
        An empty folder, which becomes the working directory of the blocks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sound = (ROOT / "samples" / "woman_plain.wav").read_bytes()[44:]  # 16-bit samples, after the header of WAV
        #: Variables of the Python blocks; a reader has a microphone of their own.
        self.names: dict[str, Any] = {"microphone": [sound[at : at + 6400] for at in range(0, len(sound), 6400)]}
        self.printed = ""
        self.port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        for name in ("samples", "src", "constraints.txt"):
            (folder / name).symlink_to(ROOT / name)
        labelled_calls(folder)
        programs = folder / ".programs"
        programs.mkdir()
        (programs / "emotone").write_text(_SHIM.format(python=shlex.quote(sys.executable)))
        (programs / "emotone").chmod(0o755)
        paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(paths),
            "EMOTONE_CACHE": str(shared_graphs.share(folder / ".cache")),
            "COLUMNS": "120",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def run(self, block: Block) -> None:
        """Run a block of commands or of Python, or compare what was printed last with a block of output."""
        text = block.text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        if block.language in ("python", "py"):
            self._run_python(block, text)
        elif block.language == "bash" and commands_of(block)[:1] == [["serve"]]:
            self._serve()
        elif block.language == "bash":
            self._run_commands(block, text)
        elif block.language == "json":
            _compare_json(block, self.printed)
        else:
            assert self.printed, f"{block.place}: output without a command before it"
            assert not differences(self.printed, block.text), f"{block.place}: {differences(self.printed, block.text)}"

    def close(self) -> None:
        """Stop the service."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGTERM)
            self._server.wait(timeout=60)

    def _run_python(self, block: Block, text: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.chdir(self.folder):
            exec(compile(text, block.place, "exec"), self.names)  # noqa: S102 - the project's own document
        self.printed = printed.getvalue()

    def _run_commands(self, block: Block, text: str) -> None:
        bash = shutil.which("bash")
        assert bash is not None, "the blocks need bash"
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{block.place}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout

    def _serve(self) -> None:
        """Run the service on a free port, without the page, which has tests of its own."""
        command = [str(self.folder / ".programs" / "emotone"), "serve", "--port", str(self.port), "--no-page"]
        log = (self.folder / ".serve.log").open("wb")
        self._server = subprocess.Popen(
            command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
        )
        while "127.0.0.1" not in (self.folder / ".serve.log").read_text():
            assert self._server.poll() is None, (self.folder / ".serve.log").read_text()
            time.sleep(0.1)


def _compare_json(block: Block, printed: str) -> None:
    """Compare the keys of an object in a document with those of the last object that was printed."""
    starts = [match.start() for match in re.finditer(r"^\{", printed, flags=re.MULTILINE)]
    assert starts, f"{block.place}: no JSON was printed before it"
    actual, _ = json.JSONDecoder().raw_decode(printed[starts[-1] :])
    written = json.loads(block.text)
    assert list(written) == list(actual), f"{block.place}: the keys are {list(actual)}"
    for key, value in written.items():
        kinds = {type(value), type(None)} if value is None or actual[key] is None else {type(value)}
        assert type(actual[key]) in kinds or value is None, f"{block.place}: {key} is {actual[key]!r}"


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """Yield a reader of a document, whose service is stopped at the end."""
    made = Reader(folder)
    try:
        yield made
    finally:
        made.close()
