"""The folder that explore writes: nothing of somebody else's is touched, and each file is there whole or not at all."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emotone.errors import ConfigError
from emotone.explore.finding import Finding
from emotone.report.figures import style

__all__ = ["FIGURES", "FINDINGS", "PAGE", "TABLES", "Stage", "check", "staged"]

PAGE, FINDINGS = "explore.html", "findings.json"
FIGURES, TABLES = "figures", "tables"
_NAME = re.compile("[a-z0-9-]+")
_OWN_FILE = re.compile(rf"(?:{FIGURES}|{TABLES})/[a-z0-9-]+\.(?:png|csv)")
_HIDDEN = ".explore-"  # so that a folder where a run was cut off still counts as empty


def check(out: Path) -> None:
    """Refuse a folder that holds something else.

    Raises
    ------
    ConfigError
        It is a file, or holds files and no list of findings, or one that can't be read.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder for the results: choose another with --out")
    there = sorted(one.name for one in out.iterdir() if not one.name.startswith(".")) if out.exists() else []
    if there and FINDINGS not in there:
        raise ConfigError(
            f"{out} holds {len(there)} files or folders, such as {there[0]!r}, and no {FINDINGS}; expected an empty "
            "folder, or one that explore wrote: choose another with --out"
        )
    _written_before(out)


def _written_before(out: Path) -> set[str]:
    """Name the pictures and tables that an earlier call wrote."""
    path = out / FINDINGS
    if not path.exists():
        return set()
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name) for finding in told["findings"] for name in finding["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} can't be read ({error!r}); expected the list that explore wrote: choose another folder with --out"
        ) from error
    return {name for name in files if _OWN_FILE.fullmatch(name)}


class Stage:
    """Files under a hidden name, until all are there.

    Attributes
    ----------
    pictures
        Name of a finding -> the bytes of its PNG.
    files
        Name of a finding -> its files, relative to the page.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        self.pictures: dict[str, bytes] = {}
        self.files: dict[str, list[str]] = {}
        self._out, self._folder = out, folder

    def add(self, finding: Finding) -> None:
        """Write a finding's picture and table."""
        if finding.name in self.files or not _NAME.fullmatch(finding.name):
            raise ConfigError(f"a finding is called {finding.name!r}; expected small letters, digits and -, and once")
        names = []
        if finding.figure is not None:
            names.append(f"{FIGURES}/{finding.name}.png")
            self.pictures[finding.name] = style.save(finding.figure, self._folder / names[-1]).read_bytes()
        names.append(f"{TABLES}/{finding.name}.csv")
        (self._folder / TABLES).mkdir(exist_ok=True)
        finding.table.to_csv(self._folder / names[-1], index=False, lineterminator="\n")
        self.files[finding.name] = names

    def publish(self, html: str, told: Mapping[str, Any]) -> Path:
        """Put everything in its place, and remove what an earlier call wrote and this one did not.

        Parameters
        ----------
        html
            The page.
        told
            What ``findings.json`` holds.
        """
        earlier = _written_before(self._out)
        (self._folder / PAGE).write_text(html, encoding="utf-8")
        text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
        (self._folder / FINDINGS).write_text(text + "\n", encoding="utf-8")
        # The list goes first: with it, a folder that is cut off here is known as one that may be written again.
        written = [name for names in self.files.values() for name in names]
        for name in (FINDINGS, *written, PAGE):
            (self._out / name).parent.mkdir(exist_ok=True)
            (self._folder / name).replace(self._out / name)
        for name in earlier - set(written):
            (self._out / name).unlink(missing_ok=True)
        return self._out / PAGE


@contextmanager
def staged(out: Path) -> Iterator[Stage]:
    """Make the folder, if it is not there, and a hidden place in it that is gone at the end."""
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=out, prefix=_HIDDEN))
    try:
        yield Stage(out, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
