"""Where the console script begins: `emotone --version` needs no library, and signals are handled before all imports."""

import sys

from emotone._version import __version__


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it without a traceback, also during imports."""
    if sys.argv[1:] == ["--version"] and _printed(f"emotone {__version__}"):
        return
    from emotone.cli.interrupts import handle_signals

    handle_signals()
    from emotone.cli.main import main as run

    run()


def _printed(line: str) -> bool:
    """Print a line; return False where stdout is closed or full: the command line says what is wrong."""
    try:
        print(line, flush=True)
    except OSError:
        return False
    return sys.stdout is not None
