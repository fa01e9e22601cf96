"""The folder that explore writes: other files are not touched, and each file is written completely or not at all."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emotone import files
from emotone.errors import ConfigError
from emotone.explore.finding import Finding
from emotone.files import parse_json, read_regular
from emotone.report.figures import style, vector
from emotone.temporary import temporary_folder

PAGE, FINDINGS = "explore.html", "findings.json"
FIGURES, TABLES = "figures", "tables"
_NAME = re.compile("[a-z0-9-]+")
_OWN_FILE = re.compile(rf"(?:{FIGURES}|{TABLES})/[a-z0-9-]+\.(?:png|csv)")
_HIDDEN = ".explore-"  # a folder counts as empty after a crash


def check(out: Path) -> None:
    """Refuse a folder that explore did not write: ConfigError if it is a file or has files but no list of findings."""
    files.claim_folder(out, marker=FINDINGS, kind="results of explore")
    _written_before(out)


def _written_before(out: Path) -> set[str]:
    """Return the pictures and tables that an earlier call wrote; ConfigError if their list can't be read."""
    path = out / FINDINGS
    if not path.exists():
        return set()
    try:
        content = parse_json(read_regular(path))
        files = {str(name) for finding in content["findings"] for name in finding["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} can't be read ({error!r}); expected the list that explore wrote: choose another folder with --out"
        ) from error
    return {name for name in files if _OWN_FILE.fullmatch(name)}


class Stage:
    """Files in a hidden folder, until all are written.

    Attributes
    ----------
    pictures
        Name of a finding -> its picture as SVG, for the page; its file is PNG.
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
            style.save(finding.figure, self._folder / names[-1])
            self.pictures[finding.name] = vector.svg(finding.figure)
        names.append(f"{TABLES}/{finding.name}.csv")
        files.write_table(self._folder / names[-1], finding.table)
        self.files[finding.name] = names

    def publish(self, html: str, content: Mapping[str, Any]) -> Path:
        """Move the files, the page and ``findings.json`` to the folder, and remove other files of an earlier call."""
        earlier = _written_before(self._out)
        (self._folder / PAGE).write_text(html, encoding="utf-8")
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        (self._folder / FINDINGS).write_text(text + "\n", encoding="utf-8")
        # The list first: a folder that is incomplete because of a crash here can then be written again.
        written = [name for names in self.files.values() for name in names]
        for name in (FINDINGS, *written, PAGE):
            (self._out / name).parent.mkdir(exist_ok=True)
            (self._folder / name).replace(self._out / name)
        for name in earlier - set(written):
            (self._out / name).unlink(missing_ok=True)
        return self._out / PAGE


@contextmanager
def staged(out: Path) -> Iterator[Stage]:
    """Create the folder, and a hidden folder in it that is removed at the end."""
    out.mkdir(parents=True, exist_ok=True)
    with temporary_folder(_HIDDEN, parent=out) as folder:
        yield Stage(out, folder)
