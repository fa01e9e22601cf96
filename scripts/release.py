"""Build the wheel and the source archive twice, from different folders, and compare them byte for byte.

Run as ``python scripts/release.py [--out dist] [--no-lists]`` in a checkout; `make release` does.  What is built is the
last commit, not the working tree.  SOURCE_DATE_EPOCH is the time of that commit unless it is set.  Beside the two files
OUT gets SHA256SUMS, the bill of materials (sbom.cdx.json), the licences (licences.md) and what is known of
vulnerabilities (vulnerabilities.txt).
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Names of the folders that are built in: of different lengths, since a path in an archive would show.
_FOLDERS = ("a", "another-folder/with a space")


def committed(root: Path, folder: Path) -> None:
    """Copy the last commit of a checkout into a new folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "--format=tar", "HEAD"], cwd=root, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def commit_time(root: Path) -> str:
    """Return the seconds since 1970 of the last commit, as SOURCE_DATE_EPOCH has them."""
    asked = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def build(folder: Path, out: Path, *, epoch: str, umask: int = 0o022) -> dict[str, str]:
    """Build wheel and source archive of a folder; return file name -> SHA-256."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(out)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": str(umask)}
    subprocess.run(command, cwd=folder, env=environment, check=True, umask=umask, stdout=subprocess.DEVNULL)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(out.iterdir())}


def build_twice(source: Path, out: Path, *, epoch: str) -> dict[str, str]:
    """Build a folder in two places, with different permissions, and keep the files if all bytes are equal.

    Raises
    ------
    SystemExit
        A file differs, or the two builds have different files.
    """
    with tempfile.TemporaryDirectory() as temporary:
        builds = []
        for name, umask in zip(_FOLDERS, (0o022, 0o077), strict=True):
            copy = Path(temporary) / name / "source"
            shutil.copytree(source, copy)
            builds.append(build(copy, Path(temporary) / name / "dist", epoch=epoch, umask=umask))
        if builds[0] != builds[1] or len(builds[0]) != 2:
            sys.exit(f"the builds differ: {builds[0]} and {builds[1]}; expected one wheel and one archive, equal")
        out.mkdir(parents=True, exist_ok=True)
        for old in (*out.glob("emotone-*.whl"), *out.glob("emotone-*.tar.gz")):  # of other versions
            old.unlink()
        for name in builds[0]:
            shutil.copy(Path(temporary) / _FOLDERS[0] / "dist" / name, out / name)
    sums = "".join(f"{digest}  {name}\n" for name, digest in builds[0].items())
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return builds[0]


def _write_lists(out: Path, *, epoch: str) -> None:
    """Write what is known of the dependencies; the vulnerabilities may be "not checked"."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    for what, name in (("sbom", "sbom.cdx.json"), ("licences", "licences.md")):
        with (out / name).open("w", encoding="utf-8") as file:
            script = [sys.executable, str(ROOT / "scripts" / "dependencies.py"), what]
            subprocess.run(script, stdout=file, env=environment, check=True)
    script = [sys.executable, str(ROOT / "scripts" / "check_vulnerabilities.py")]
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    (out / "vulnerabilities.txt").write_text(checked.stdout + checked.stderr, encoding="utf-8")
    print(f"vulnerabilities: {(checked.stdout.strip().splitlines() or ['not checked: the check failed'])[-1]}")


def main() -> None:
    """Build the release of the last commit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder of the files; dist by default")
    parser.add_argument("--no-lists", action="store_true", help="only the wheel and the source archive")
    arguments = parser.parse_args()
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True)
    if changed.stdout and not arguments.no_lists:  # the lists are of the working tree
        sys.exit(f"the working tree differs from the last commit; commit or stash first:\n{changed.stdout}")
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or commit_time(ROOT)
    with tempfile.TemporaryDirectory() as temporary:
        committed(ROOT, Path(temporary) / "commit")
        for name, digest in build_twice(Path(temporary) / "commit", arguments.out, epoch=epoch).items():
            print(f"{digest}  {name}: twice the same bytes")
    if not arguments.no_lists:
        _write_lists(arguments.out, epoch=epoch)


if __name__ == "__main__":
    main()
