"""A signal ends a command also if a library loses its exception."""

import signal

import pytest

from emotone.cli import interrupts
from emotone.cli import predict as command
from emotone.errors import AudioError
from support.command_line import run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("error", [None, AudioError("damaged"), ImportError("initialization failed")])
def test_signal_whose_exception_is_lost_ends_the_command(bundle, clips, monkeypatch, number, code, error):
    def source_of(path, *, raw=None):
        with pytest.raises(KeyboardInterrupt):
            interrupts._interrupt(number, None)
        if error is not None:
            raise error
        return path

    monkeypatch.setattr(interrupts, "_received", [])
    monkeypatch.setattr(command, "source_of", source_of)
    result = run("predict", clips / "a_sad.wav", "--model", bundle, "--format", "csv")
    assert result.exit_code == code and result.stderr.startswith("interrupted")
    assert result.stdout.count("\n") == 1 and "damaged" not in result.stdout


def test_signals_that_are_ignored_stay_ignored(monkeypatch):
    handlers = {signal.SIGTERM: signal.SIG_IGN, signal.SIGINT: signal.SIG_IGN}
    monkeypatch.setattr(signal, "getsignal", handlers.get)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    interrupts.handle_signals()
    assert set(handlers.values()) == {signal.SIG_IGN}
