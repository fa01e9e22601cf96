"""Install a wheel into a new environment of each Python that this machine has, and predict with it.

Run as ``python scripts/try_install.py dist/emotone-*.whl [--python FILE ...] [--most-mb 350]``.  An environment has the
wheel's base dependencies with constraints.txt, and nothing else.  It prints the size of what was installed, package by
package for the first Python, and the two answers.  Without ``--python``, python3.11 to python3.14 are looked for on
PATH; one that is not there is named.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = ("python3.11", "python3.12", "python3.13", "python3.14")
_MB = 1_000_000


def sizes(site_packages: Path) -> Counter[str]:
    """Return the bytes on disk of each package or library folder, with the byte code that pip makes."""
    bytes_of: Counter[str] = Counter()
    for file in site_packages.rglob("*"):
        if file.is_file() and not file.is_symlink():
            bytes_of[file.relative_to(site_packages).parts[0].partition("-")[0].partition(".")[0]] += (
                file.stat().st_size
            )
    return bytes_of


def try_install(python: str, wheel: Path, folder: Path) -> Counter[str]:
    """Install a wheel with one Python, predict the samples, and return the sizes of what was installed."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    # no variable of this checkout may help: the wheel alone answers
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    emotone = str(folder / "bin" / "emotone")
    samples = sorted(map(str, (ROOT / "samples").glob("*.wav")))
    for arguments in (["--version"], ["predict", *samples]):
        subprocess.run([emotone, *arguments], check=True, cwd=folder, env=environment)
    return sizes(next((folder / "lib").glob("python*")) / "site-packages")


def main() -> None:
    """Try each Python; exit with 1 if the base install is larger than the limit or no Python was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", nargs="+", default=list(WANTED))
    parser.add_argument("--most-mb", type=float, default=350.0)
    arguments = parser.parse_args()
    tried: dict[str, float] = {}
    for python in arguments.python:
        if shutil.which(python) is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
            print(f"not tried: {python} is not on this machine")
            continue
        with tempfile.TemporaryDirectory() as temporary:
            installed = try_install(python, arguments.wheel.resolve(), Path(temporary) / "environment")
        if not tried:
            print("\n".join(f"{size / _MB:8.1f} MB  {name}" for name, size in installed.most_common(12)))
        tried[python] = installed.total() / _MB
        print(f"{python}: {tried[python]:.0f} MB installed")
    if not tried or max(tried.values()) > arguments.most_mb:
        sys.exit(f"expected at least one Python, and at most {arguments.most_mb:g} MB; found {tried}")


if __name__ == "__main__":
    main()
