"""Which files of a folder are recordings, and what standard input, pipes and headerless sound give."""

import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from emotone.audio import encode_mp3, write_wav
from emotone.audio.folders import SUFFIXES
from emotone.cli.main import app
from emotone.cli.recordings import recordings, source_of
from emotone.corpora.readers._scan import AUDIO_SUFFIXES
from support import handmade
from support.command_line import run

pytestmark = pytest.mark.slow

TONE = handmade.tone(0.02)


def names(folder):
    return [str(Path(file).relative_to(folder)) for file in recordings([str(folder)])]


def test_every_suffix_of_a_corpus_is_taken_from_a_folder():
    assert set(AUDIO_SUFFIXES) <= SUFFIXES


def test_content_decides_what_a_folder_holds_and_the_others_are_counted(tmp_path, capsys):
    write_wav(tmp_path / "clip", TONE)
    for name in ("clip.ts", "CLIP.MPGA", "clip.data"):
        (tmp_path / name).write_bytes(encode_mp3(TONE, kbit_s=32))
    for name, content in (
        ("app.ts", b"export const a = 1;\n"),
        ("a.txt", "Überschrift\n".encode()),
        ("b.TXT", b""),
        ("c.csv", b"file,emotion\n"),
        ("picture.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 40),
        ("random.bin", np.random.default_rng(0).bytes(100_000)),
        (".hidden.wav", b""),
    ):
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe.wav")
    assert names(tmp_path) == ["CLIP.MPGA", "clip", "clip.data", "clip.ts"]
    note = capsys.readouterr().err
    assert note.startswith("passed over 7 files that can't be read as sound: 2 .txt, 1 ") and note.count("\n") == 1
    assert note.endswith(", 1 of other kinds\n") and "hidden" not in note


@pytest.mark.parametrize(("suffix", "format"), [(".au", "AU"), (".caf", "CAF"), (".w64", "W64"), (".xyz", "AIFF")])
def test_formats_of_other_suffixes_are_taken(tmp_path, suffix, format):
    soundfile.write(tmp_path / f"clip{suffix}", TONE, 16_000, format=format)
    assert names(tmp_path) == [f"clip{suffix}"]


def test_linked_folders_are_followed_and_no_folder_twice(tmp_path):
    inner = tmp_path / "inner"
    outer = tmp_path / "outer"
    outer.mkdir()
    inner.mkdir()
    write_wav(inner / "a.wav", TONE)
    (outer / "link").symlink_to(inner)
    (outer / "same").symlink_to(inner)
    (inner / "circle").symlink_to(outer)
    (outer / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (outer / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    assert names(outer) == ["gone.wav", "link/a.wav"]


def test_standard_input_is_a_recording_among_others(bundle, tmp_path):
    write_wav(tmp_path / "clip.wav", handmade.tone(0.2))
    content = io.BytesIO()
    soundfile.write(content, TONE, 16_000, format="WAV")
    words = ["predict", str(tmp_path / "clip.wav"), "-", "--model", str(bundle), "--format", "json"]
    result = CliRunner().invoke(app, words, input=content.getvalue())
    assert [(answer["file"], answer["emotion"]) for answer in json.loads(result.stdout)] == [
        (str(tmp_path / "clip.wav"), "angry"),
        ("-", "sad"),
    ]


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_terminal_as_standard_input_is_refused(bundle, monkeypatch, command):
    monkeypatch.setattr(
        "emotone.cli.recordings.sys", type("Sys", (), {"stdin": type("T", (), {"isatty": lambda: True})})
    )
    result = run(command, "-", "--model", bundle)
    assert result.exit_code == 1
    assert "- is standard input, which is a terminal; pipe a recording into it, for example: cat clip.wav" in (
        result.stderr
    )


def test_named_pipe_is_read(bundle, tmp_path):
    write_wav(tmp_path / "clip.wav", TONE)
    os.mkfifo(tmp_path / "pipe")

    def write():
        with (tmp_path / "clip.wav").open("rb") as source, (tmp_path / "pipe").open("wb") as pipe:
            shutil.copyfileobj(source, pipe)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    result = run("predict", tmp_path / "pipe", "--model", bundle, "--format", "json")
    writer.join(60)
    assert json.loads(result.stdout)[0]["emotion"] == "sad"


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_headerless_sound_is_read_with_raw(bundle, tmp_path, command, loud):
    stereo = np.stack([np.zeros_like(TONE), handmade.tone(0.2)], axis=1)
    path = tmp_path / "clip.raw"
    path.write_bytes(np.rint(stereo * 32767).astype("<i2").tobytes())
    words = [command, str(path), "--model", str(bundle), "--format", "csv", "--raw", "s16le:16000:2", "--channel", "2"]
    assert ",angry," in run(*words).stdout
    from_pipe = CliRunner().invoke(app, [words[0], "-", *words[2:]], input=path.read_bytes())
    assert ",angry," in from_pipe.stdout


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_raw_is_refused_for_a_file_with_a_header(bundle, tmp_path, command):
    write_wav(tmp_path / "clip.wav", TONE)
    result = run(command, tmp_path / "clip.wav", "--model", bundle, "--raw", "s16le:16000:1")
    assert result.exit_code == 1 and " sad " not in result.stdout
    assert "clip.wav: the file has the header of RIFF (WAV), and --raw is for sound without; leave out --raw" in (
        result.stderr
    )


@pytest.mark.parametrize("command", ["predict", "timeline"])
@pytest.mark.parametrize(("encoding", "content"), [("S16LE", bytes(200)), ("f32le", b"\xff" * 64_000)])
def test_errors_of_raw_sound_name_the_file(bundle, tmp_path, command, encoding, content):
    (tmp_path / "clip.raw").write_bytes(content)
    words = [command, tmp_path / "clip.raw", "--model", bundle, "--format", "csv", "--raw", f"{encoding}:16000:1"]
    result = run(*words, "--channel", "2")
    assert result.exit_code == 1 and "clip.raw: channel is '2'" in result.stdout + result.stderr
    result = run(*words)
    if command == "predict":
        assert result.exit_code == 1 and f"{tmp_path / 'clip.raw'}" in result.stdout + result.stderr
    assert "the array" not in result.stdout + result.stderr


def test_raw_needs_files_with_samples(bundle, tmp_path):
    (tmp_path / "short.raw").write_bytes(b"a")
    result = run("predict", tmp_path, tmp_path / "short.raw", "--model", bundle, "--raw", "s16le:8000:1")
    assert result.exit_code == 1 and result.stdout == ""
    assert "--raw takes files" in result.stderr and "1 bytes are no sample of 2 bytes; correct --raw" in result.stderr


@pytest.mark.parametrize("command", ["predict", "timeline"])
@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "https://example.org/a clip.wav",
            "this is an address, and only files are read; download it first: curl -LO 'https://example.org/a clip.wav'",
        ),
        ("file:///tmp/clip.wav", "this is an address, and only files are read; leave out 'file://'"),
        ("s3://bucket/clip.wav", "this is an address, and only files are read; copy it to this machine first"),
        ("no://where", "this is an address"),
        ("a folder/clip.wav", "there is no such file; check the path"),
        ("C:/clip.wav", "there is no such file; check the path"),
    ],
)
def test_address_is_named_as_such_with_a_remedy(bundle, command, file, message):
    result = run(command, file, "--model", bundle)
    assert result.exit_code == 1 and result.stderr.startswith(f"error: {file}: {message}")


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_errors_of_standard_input_say_what_it_is(bundle, command):
    program = [sys.executable, "-c", "from emotone.cli.start import main; main()"]
    words = [*program, command, "-", "--model", str(bundle)]
    done = subprocess.run(words, input=b"", capture_output=True)
    assert done.returncode == 1
    assert done.stderr == (
        b"error: - (standard input): nothing came through this pipe; check the program that writes to it\n"
    )
    done = subprocess.run(words, input=b"some text", capture_output=True)
    assert done.stderr.startswith(b"error: - (standard input): this is text, not a recording")


def test_folder_of_parquet_tables_says_which_command_reads_them(bundle, tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1" + bytes(60))
    folder = run("predict", tmp_path, "--model", bundle)
    file = run("predict", tmp_path / "train.parquet", "--model", bundle)
    remedy = "'emotone annotate TABLE --out DIR' predicts the recordings that a table lists"
    assert folder.exit_code == file.exit_code == 1
    assert f"{tmp_path}: no recording in this folder, but Parquet tables; {remedy}" in folder.stderr
    assert f"train.parquet: this is a Parquet table, not a recording; {remedy}" in file.stderr


def test_a_file_whose_name_is_a_dash_is_not_standard_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_bytes(b"a file")
    pipe = io.BytesIO(b"piped")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
    assert source_of("-", is_one_of_several=True) is pipe
