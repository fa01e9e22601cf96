"""Ctrl-C and SIGTERM, which end a command in the same way; also where a library drops the exception of a signal."""

import signal

_received: list[int] = []


class Terminated(KeyboardInterrupt):
    """SIGTERM: answers that are being printed are completed, as after Ctrl-C."""


def handle_signals() -> None:
    """Let SIGTERM raise `Terminated`, unless this process ignores it, and keep both signals for `check_interrupts`."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    _received.append(number)
    check_interrupts()


def check_interrupts() -> None:
    """Raise the exception of a signal that was received: a callback from C code, for example, loses it."""
    if _received:
        raise Terminated if _received[0] == signal.SIGTERM else KeyboardInterrupt
