"""The program ``emotone``: signals are handled before anything that takes time is imported."""

from emotone.cli.interrupts import handle_signals


def main() -> None:
    """Run the command line of this process; Ctrl-C ends it without a traceback, also during imports."""
    handle_signals()
    from emotone.cli.main import main as run_commands

    run_commands()
