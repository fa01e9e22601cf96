"""Answers are printed as they are done, in every encoding, and survive Ctrl-C and a closed pipe."""

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from emotone.audio import encode_mp3, write_wav
from emotone.cli import console as output
from emotone.cli.answers import Answers
from emotone.cli.main import app
from emotone.errors import AudioError
from emotone.recognition.prediction import Prediction
from support import handmade

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from emotone.cli.main import main; main()"]


@pytest.fixture(scope="module")
def odd_names(tmp_path_factory):
    """Recordings with names that not every encoding can show."""
    folder = tmp_path_factory.mktemp("odd")
    for name in ("日本 …é.wav", "plain.wav"):
        write_wav(folder / name, handmade.tone(0.02))
    return folder


def in_encoding(charset, *words):
    return CliRunner(charset=charset).invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("charset", ["cp1252", "cp437", "ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("command", ["predict", "timeline"])
@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_no_answer_is_lost_in_any_encoding(bundle, odd_names, loud, charset, command, form):
    result = in_encoding(charset, command, odd_names, odd_names / "語.wav", "--model", bundle, "--format", form)
    text = result.stdout_bytes.decode(charset)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    if form == "json":
        answers = json.loads(text)
        assert [os.path.basename(answer["file"]) for answer in answers] == ["plain.wav", "日本 …é.wav", "語.wav"]
    elif form == "csv":
        rows = [row for row in csv.DictReader(io.StringIO(text)) if not row.get("error")]
        assert [row["label"] for row in rows] == ["sad", "sad"]
        assert rows[1]["file"].endswith(
            "日本 …é.wav" if charset == "utf-8" else "é.wav" if charset != "ascii" else "xe9.wav"
        )
    else:
        assert text.count(" sad ") >= 2
        assert ("━" in text) == (charset == "utf-8") and ("#" in text) == (charset != "utf-8")
        starts = {line.index(" sad ") for line in text.splitlines() if " sad " in line}
        assert command == "timeline" or len(starts) == 1 or charset == "utf-8"  # 日 is two columns wide
    if form != "json":
        assert ("語.wav" if charset == "utf-8" else r"\u8a9e.wav") in text + result.stderr


@pytest.mark.parametrize("charset", ["cp437", "ascii"])
@pytest.mark.parametrize("words", [["--help"], ["predict", "--help"], ["train", "--help"], ["predict", "--größe"]])
def test_help_and_usage_errors_need_no_unicode(charset, words):
    result = in_encoding(charset, *words)
    assert result.exit_code in (0, 2) and isinstance(result.exception, SystemExit | None)


@pytest.mark.parametrize("charset", ["cp437", "ascii"])
def test_tables_of_training_need_no_unicode(experiment, charset):
    train = in_encoding(charset, "train", "my.csv", "--data", "d", "--out", "größe")
    compare = in_encoding(charset, "compare", "my.csv", "--data", "d", "--models", "svm,knn", "--out", "größe")
    assert (train.exit_code, compare.exit_code) == (0, 0) and "UAR" in train.stdout and "svm" in compare.stdout


def test_encoding_of_the_environment_is_respected(bundle, odd_names):
    words = ["predict", str(odd_names), "--model", str(bundle)]
    done = subprocess.run([*COMMAND, *words], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp437"})
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.decode("cp437").count(" sad ") == 2


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_loses_only_the_recording_in_work(bundle, tmp_path, form, sent, code):
    write_wav(tmp_path / "clip.wav", handmade.tone(0.02))
    os.mkfifo(tmp_path / "pipe")
    words = ["predict", str(tmp_path / "clip.wav"), str(tmp_path / "pipe"), "--model", str(bundle), "--format", form]
    process = subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job inherits SIG_IGN
    )
    with (tmp_path / "pipe").open("wb"):  # waits for a reader
        out = b""
        while b"sad" not in out:
            out += os.read(process.stdout.fileno(), 4096)
        process.send_signal(sent)
        rest, err = process.communicate(timeout=60)
        out += rest
    assert process.returncode == code
    assert err.decode() == "interrupted; 1 of 2 recordings are done\n"
    assert "sad" in out.decode()
    if form == "json":
        assert [answer["emotion"] for answer in json.loads(out)] == ["sad"]


def test_interrupt_before_the_first_answer_leaves_valid_json(bundle, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    words = ["predict", str(tmp_path / "pipe"), "--model", str(bundle), "--format", "json"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with (tmp_path / "pipe").open("wb"):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)) == (143, [])
    assert err.decode() == "interrupted; 0 of 1 recordings are done\n"


def in_shell(*words, redirection):
    command = f"{shlex.join([*COMMAND, *map(str, words)])} {redirection}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("command", "form"),
    [*(("predict", form) for form in ("table", "json", "csv")), *(("timeline", form) for form in ("table", "vtt"))],
)
def test_closed_stdout_is_one_line_and_closed_stderr_loses_no_answer(bundle, clips, command, form):
    words = [command, clips / "a_sad.wav", "--model", bundle, "--format", form]
    done = in_shell(*words, redirection=">&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: stdout is closed") and done.stderr.count("\n") == 1
    plain = in_shell(*words, redirection="")
    for redirection in ("2>&-", "2>&- <&-"):
        done = in_shell(*words, redirection=redirection)
        assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, "")
    done = in_shell(*words, redirection=">&- 2>&- <&-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("redirection", ["2>&-", "2> >(exec true)"], ids=["closed", "not read"])
def test_errors_that_are_not_read_lose_no_answer(bundle, clips, redirection):
    files = [clips / "e_text.wav"] * 5 + [clips / "a_sad.wav"]
    done = in_shell("predict", *files, "--model", bundle, redirection=redirection)
    assert done.returncode == 1 and " sad " in done.stdout and "error" not in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["predict", "--help"], ["dance"]])
def test_closed_stdout_of_help_is_one_line(words):
    done = in_shell(*words, redirection=">&-")
    assert done.returncode in (1, 2) and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_timeline_in_a_file_needs_no_stdout(bundle, clips, tmp_path):
    words = ["timeline", clips / "a_sad.wav", "--model", bundle, "--out", tmp_path / "a.vtt"]
    done = in_shell(*words, redirection=">&-")
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "a.vtt").read_text().startswith("WEBVTT")


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_reader_that_closes_the_pipe_early_sees_no_complaint(bundle, clips, form):
    files = " ".join([str(clips / "a_sad.wav")] * 20)
    command = f"{COMMAND[0]} -c '{COMMAND[2]}' predict {files} --model {bundle} --format {form} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.count("\n") == 1


def test_decoders_do_not_write_to_the_terminal(bundle, tmp_path):
    content = encode_mp3(handmade.tone(0.02, seconds=3.0), kbit_s=32)
    rng = np.random.default_rng(0)
    for number in range(6):
        damaged = bytearray(content)
        for at in rng.integers(0, len(damaged), 30):
            damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / f"{number}.mp3").write_bytes(damaged)
    soundfile.write(tmp_path / "cut.flac", handmade.tone(0.02, seconds=3.0), 16_000)
    (tmp_path / "cut.flac").write_bytes((tmp_path / "cut.flac").read_bytes()[:3000])
    words = ["predict", str(tmp_path), "--model", str(bundle)]
    json_done = subprocess.run([*COMMAND, *words, "--format", "json"], capture_output=True)
    assert json_done.stderr == b"" and len(json.loads(json_done.stdout)) == 7
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True)
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()) and "cut.flac" in done.stderr


def test_bar_counts_all_files_and_the_part_of_each_and_is_hidden_for_answers():
    class Bar(output.ProgressBar):
        def __call__(self, done, total, what, /):
            calls.append(f"{done / total:.3f}")

        def hide(self):
            calls.append("hidden")

    def predict(file, progress):
        progress(1, 2, "listening")
        if file == "bad":
            raise AudioError("bad: no sound")
        return Prediction("sad", 1.0, {"sad": 1.0}, 0.0, 1.0)

    calls = []
    answers = Answers(["a", "bad"], predict, progress=Bar())
    assert [answer.error for answer in answers] == ["", "bad: no sound"]
    assert calls == ["0.250", "hidden", "0.500", "0.750", "hidden"]
    with pytest.raises(typer.Exit):
        answers.finish()
