"""How commands end: errors in one line, exit codes, no traceback for what a user can fix."""

import subprocess
import sys
from pathlib import Path

import pytest

from emotone.cli import predict
from emotone.errors import BundleError
from support.command_line import run

SAMPLE = Path(__file__).parents[2] / "samples" / "woman_plain.wav"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dance"], "unknown command 'dance'; expected predict, timeline, annotate, listen, "),
        (["--loud"], "unknown option --loud. See 'emotone --help'"),
        (
            ["predict"],
            "FILE is missing (Recordings, or folders of them; - is standard input). See 'emotone predict --help'",
        ),
        (["predict", "x.wav", "--format", "xml"], "--format is 'xml'; expected table, json, csv. See"),
        (["predict", "x.wav", "--formt", "csv"], "unknown option --formt; did you mean --format? See"),
        (["predict", "x.wav", "--threshold", "2"], "--threshold is '2'; expected a number from 0 to 1. See"),
        (["predict", "x.wav", "--track", "0"], "--track is '0'; expected a whole number from 1. See"),
        (["timeline", "x.wav", "--channel", "up"], "--channel is 'up'; expected mix, left, right, or a number from 1"),
        (["predict", "x.wav", "--raw", "s16le"], "--raw: the raw format is 's16le'; expected ENCODING:RATE"),
        (
            ["timeline", "x.raw", "--raw", "s16le:8000", "--track", "2"],
            "--track is 2, and the sound of --raw has no tracks; leave out one of the two. See",
        ),
        (["predict", "-", "/dev/stdin"], "standard input can be read once"),
        (["timeline", "x.wav", "--format", "xml"], "--format is 'xml'; expected table|json|csv|vtt"),
        (["serve", "--port", "99999"], "--port is '99999'; expected a whole number from 1 to 65535. See"),
        (["serve", "--workers", "two"], "--workers is 'two'; expected a whole number from 1 to 64. See"),
        (
            ["train", "ravdess"],
            "--data and --out missing; required, unless --config names the config.toml of a run. See",
        ),
        (["train", "ravdess", "--seed"], "Option '--seed' requires an argument. See 'emotone train --help'"),
        (["explore", "ravdess", "--data", "d"], "--out missing; required. See 'emotone explore --help'"),
    ],
)
def test_wrong_usage_is_one_line_in_our_words_and_exit_code_2(arguments, message, monkeypatch):
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith(f"error: {message}") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(("command", "resumes"), [("predict", False), ("fetch", True)])
def test_interrupt_is_exit_code_130(monkeypatch, bundle, clips, command, resumes):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "Answers", interrupted)
    monkeypatch.setattr("emotone.corpora.fetch.fetch.fetch", interrupted)
    result = run(*({"predict": ["predict", clips, "--model", bundle], "fetch": ["fetch", "ravdess"]}[command]))
    assert result.exit_code == 130
    assert ("run the same command again" in result.stderr) == resumes and "interrupted" in result.stderr


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (OSError(28, "No space left on device"), "No space left on device; check the path"),
        (MemoryError(), "out of memory"),
        (BundleError("two\nlines"), "error: two lines\n"),
        (ModuleNotFoundError("No module named 'sklearn'", name="sklearn"), "[train]'"),
        (ModuleNotFoundError("No module named 'opensmile'", name="opensmile"), "[opensmile]'"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "[train]'"),  # also in the extra benchmark
        # a whole command needs more than the extra plot, which is for --picture alone
        (ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib"), "[train]'"),
    ],
)
def test_error_that_a_user_can_fix_is_one_line(monkeypatch, bundle, clips, raised, message):
    def failing(*_, **__):
        raise raised

    monkeypatch.setattr(predict, "Answers", failing)
    result = run("predict", clips / "a_sad.wav", "--model", bundle)
    assert result.exit_code == 1 and message in result.stderr and result.stderr.count("\n") == 1


def test_defect_keeps_its_traceback(monkeypatch, bundle, clips):
    def failing(*_, **__):
        raise ModuleNotFoundError("No module named 'typo'", name="typo")

    monkeypatch.setattr(predict, "Answers", failing)
    assert isinstance(run("predict", clips, "--model", bundle).exception, ModuleNotFoundError)


@pytest.mark.slow
def test_reader_that_closes_the_pipe_sees_no_traceback(bundle, clips):
    command = f"{sys.executable} -c 'from emotone.cli.main import main; main()' predict {clips} --model {bundle}"
    done = subprocess.run(f"{command} 2>err | true; cat err", shell=True, capture_output=True, text=True, cwd=clips)
    assert "Traceback" not in done.stdout and "BrokenPipe" not in done.stdout


def test_a_prediction_of_wav_imports_nothing_that_it_does_not_need():
    # each of these would take 10 to 80 ms of the time to a first answer
    slow = ("pydantic", "soundfile", "av", "pandas", "pyarrow", "importlib.metadata", "emotone.recognition.stream")
    script = (
        "import sys; from emotone.cli.main import app\n"
        "app(standalone_mode=False)\n"
        f"print('imported:', *[name for name in {slow} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, "predict", str(SAMPLE), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported:"
