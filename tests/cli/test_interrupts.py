"""A signal ends a command also if a library loses its exception."""

import signal
import subprocess
import sys

import pytest

from emotone.cli import interrupts, profiles
from emotone.errors import AudioError
from support.command_line import run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("error", [None, AudioError("damaged"), ImportError("initialization failed")])
def test_signal_whose_exception_is_lost_ends_the_command(bundle, clips, monkeypatch, number, code, error):
    def source_of(path, **options):
        with pytest.raises(KeyboardInterrupt):
            interrupts._interrupt(number, None)
        if error is not None:
            raise error
        return path

    monkeypatch.setattr(interrupts, "_received", [])
    monkeypatch.setattr(profiles, "source_of", source_of)
    result = run("predict", clips / "a_sad.wav", "--model", bundle, "--format", "csv")
    assert result.exit_code == code and result.stderr.startswith("interrupted")
    assert result.stdout.count("\n") == 1 and "damaged" not in result.stdout


def test_signals_that_are_ignored_stay_ignored(monkeypatch):
    handlers = {signal.SIGTERM: signal.SIG_IGN, signal.SIGINT: signal.SIG_IGN}
    monkeypatch.setattr(signal, "getsignal", handlers.get)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    interrupts.handle_signals()
    assert set(handlers.values()) == {signal.SIG_IGN}


#: Runs the program, which gets Ctrl-C when it begins to import a module, or at its end.
INTERRUPTED = """
import atexit, os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            interrupt()

def interrupt():
    print("sent")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGINT)

moment = sys.argv.pop(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
if moment == "the end":
    atexit.register(interrupt)
from emotone.cli.start import main
main()
"""


# The built-in model runs in the process of the command, any other in a child, which Ctrl-C does not reach.
@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        *("emotone.cli.main", "typer", "emotone.cli.app", "emotone.cli.predict", "emotone.recognition.recognizer"),
        *("numpy", "onnxruntime.capi", "onnxruntime", "emotone.audio.wav_reader", "rich.text", "the end"),
    ],
)
def test_ctrl_c_shows_no_traceback_at_any_moment(clips, moment):
    words = [moment, "predict", clips / "a_sad.wav"]
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, *map(str, words)], capture_output=True, text=True)
    assert "sent" in done.stdout and done.returncode == 130
    assert done.stderr.startswith("interrupted") and done.stderr.count("\n") == 1
