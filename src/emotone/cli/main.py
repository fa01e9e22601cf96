"""The command line: parse, call, print."""

from emotone.cli import (  # noqa: F401 - each adds its command
    compare,
    evaluate,
    explore,
    fetch,
    listen,
    predict,
    report,
    serve,
    timeline,
    train,
)
from emotone.cli.app import app


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="emotone")
