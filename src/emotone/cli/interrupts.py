"""Ctrl-C and SIGTERM, which end a command in the same way; also where a library drops the exception of a signal.

While a command runs, a signal raises an exception, so that files are closed and answers completed.  Before that (during
imports) and after it there is nothing to close: the process ends at once, without a traceback.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_received: list[int] = []
_runs_command = False


class Terminated(KeyboardInterrupt):
    """SIGTERM: answers that are being printed are completed, as after Ctrl-C."""


def handle_signals() -> None:
    """Handle SIGTERM and SIGINT, unless this process ignores them, and keep them for `check_interrupts`."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _handle)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _handle)


@contextmanager
def raised() -> Iterator[None]:
    """Let signals raise `KeyboardInterrupt` or `Terminated` here."""
    global _runs_command
    _runs_command = True
    try:
        yield
    finally:
        _runs_command = False


def _handle(number: int, frame: object) -> None:
    if not _runs_command:
        _end(number)
    _interrupt(number, frame)


def _end(number: int) -> None:
    """End this process with the exit code of the signal."""
    if not _received:  # else the first signal has said so
        with suppress(OSError):  # stderr is closed
            os.write(2, b"interrupted\n")
    os._exit(128 + number)


def _interrupt(number: int, frame: object) -> None:
    _received.append(number)
    check_interrupts()


def check_interrupts() -> None:
    """Raise the exception of a signal that was received: a callback from C code, for example, loses it."""
    if _received:
        raise Terminated if _received[0] == signal.SIGTERM else KeyboardInterrupt
