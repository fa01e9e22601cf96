"""Look for known vulnerabilities of the pinned packages with pip-audit, and say clearly if none were looked for.

Run as ``python scripts/check_vulnerabilities.py [FILE ...]``; FILE is a list of pins, constraints.txt by default.  The
exit status is 0 if every package was checked and nothing was found, 1 if something was found, and 2 if packages were
not checked: pip-audit is not installed, reaches no database, or passed packages over.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOUND, NOT_CHECKED = 1, 2


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    n_checked
        Packages that were looked up in a database.
    vulnerabilities
        A line for each known vulnerability.
    not_checked
        A line for each package, or for the whole audit, that was not checked.
    """

    n_checked: int
    vulnerabilities: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The exit status: found, not checked, or 0."""
        if self.vulnerabilities:
            return FOUND
        return NOT_CHECKED if self.not_checked or not self.n_checked else 0

    def __str__(self) -> str:
        lines = [*self.vulnerabilities, *(f"not checked: {line}" for line in self.not_checked)]
        if not self.n_checked and not self.not_checked:
            lines.append("not checked: the audit covered no package")
        lines.append(f"{self.n_checked} packages checked, {len(self.vulnerabilities)} known vulnerabilities")
        return "\n".join(lines) if self.n_checked else "\n".join(lines[:-1])


def read_report(text: str, *, pins: int) -> Audit:
    """Read the JSON of ``pip-audit --format json`` about a number of pins."""
    try:
        rows: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(0, not_checked=(f"pip-audit wrote no report on {pins} packages",))
    skipped = [f"{row['name']}: {row['skip_reason']}" for row in rows if "skip_reason" in row]
    checked = [row for row in rows if "skip_reason" not in row]
    vulnerabilities = [
        f"{row['name']} {row['version']}: {bug['id']}; fixed in {', '.join(bug.get('fix_versions') or ['no version'])}"
        for row in checked
        for bug in row.get("vulns", ())
    ]
    if len(rows) < pins:
        skipped.append(f"{pins - len(rows)} of {pins} packages are missing in the report of pip-audit")
    return Audit(len(checked), tuple(vulnerabilities), tuple(skipped))


def audit(files: list[Path], *, timeout_s: float = 600.0) -> Audit:
    """Ask pip-audit about all pins in files."""
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    pins = {line.partition("==")[0] for line in lines if "==" in line and not line.startswith("#")}
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command += ["--format", "json", *(word for file in files for word in ("-r", str(file)))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return Audit(0, not_checked=(f"pip-audit was not done after {timeout_s:g} s",))
    if not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        return Audit(0, not_checked=(f"pip-audit failed: {last}",))
    return read_report(done.stdout, pins=len(pins))


def main() -> None:
    """Print what was found; exit with the status of the audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[ROOT / "constraints.txt"])
    result = audit(parser.parse_args().files)
    print(result)
    sys.exit(result.status)


if __name__ == "__main__":
    main()
