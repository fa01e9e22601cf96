"""The command line: parse, call, print."""

from emotone.cli import explore, fetch, listen, predict, report, serve, train  # noqa: F401 - each adds its commands
from emotone.cli.app import app


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="emotone")
