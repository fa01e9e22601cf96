"""Where the console script begins: `emotone --version` answers before the command line is imported."""

import sys

from emotone._version import __version__


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:] == ["--version"] and _printed(f"emotone {__version__}"):
        return
    from emotone.cli.main import main as run

    run()


def _printed(line: str) -> bool:
    """Print a line; return False where stdout is closed or full: the command line says what is wrong."""
    try:
        print(line, flush=True)
    except OSError:
        return False
    return sys.stdout is not None
