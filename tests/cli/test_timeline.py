"""``emotone timeline``: its table, formats, picture and errors."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from emotone.cli.main import app
from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline_formats import FORMATS
from support import handmade

pytestmark = pytest.mark.slow

RATE = 16_000


EMOTIONS = ("happy", "sad", "angry")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: handmade.loudness)


@pytest.fixture
def recording(tmp_path):
    return handmade.write_call(tmp_path / "call.wav")


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_command_prints_a_table(bundle, recording):
    result = run("timeline", recording, "--model", bundle)
    assert result.exit_code == 0
    assert re.search(r"0:01\.\d +0:06\.\d +sad ", result.output)
    assert "is speech: sad" in result.output


@pytest.mark.parametrize("format", FORMATS)
def test_command_prints_the_formats(bundle, recording, format):
    result = run("timeline", recording, "--model", bundle, "--format", format)
    expected = Recognizer(bundle).timeline(recording, speakers="auto")
    assert result.exit_code == 0
    if format == "json":
        assert json.loads(result.stdout) == [{"file": str(recording), **expected.to_dict()}]
    elif format in ("csv", "audformat"):
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["label"] for row in rows] == ["sad", "angry"] and rows[0]["file"] == str(recording)
        assert result.stdout.count(str(recording)) == 2
    else:
        assert result.stdout == FORMATS[format].write(expected)


@pytest.mark.parametrize("format", [name for name, form in FORMATS.items() if not form.is_single])
def test_several_recordings_are_one_table(bundle, recording, tmp_path, format):
    second = handmade.write_call(tmp_path / "second call.wav")
    result = run("timeline", recording, second, "--model", bundle, "--format", format)
    alone = run("timeline", second, "--model", bundle, "--format", format)
    assert result.exit_code == alone.exit_code == 0
    if format == "json":
        assert [item["file"] for item in json.loads(result.stdout)] == [str(recording), str(second)]
    elif format == "rttm":
        assert [line.split()[1] for line in result.stdout.splitlines()] == [
            "call",
            "call",
            "second_call",
            "second_call",
        ]
        assert result.stdout.endswith(alone.stdout)
    else:
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["file"] for row in rows] == [str(recording)] * 2 + [str(second)] * 2
        assert rows[2:] == list(csv.DictReader(io.StringIO(alone.stdout)))


def test_recordings_of_the_same_name_stay_apart_in_rttm(bundle, recording, tmp_path):
    (tmp_path / "other").mkdir()
    second = handmade.write_call(tmp_path / "other" / recording.name)
    result = run("timeline", recording, second, "--model", bundle, "--format", "rttm")
    ids = [line.split()[1] for line in result.stdout.splitlines()]
    assert ids == [f"{recording.parent.name}_call"] * 2 + ["other_call"] * 2


def test_standard_input_has_a_name_in_formats_that_need_it(bundle, recording, monkeypatch):
    words = ["timeline", "-", "--model", str(bundle), "--format", "audformat"]
    result = CliRunner().invoke(app, words, input=recording.read_bytes())
    assert result.exit_code == 0, result.output
    assert [row["file"] for row in csv.DictReader(io.StringIO(result.stdout))] == ["-", "-"]


def test_one_file_that_cant_be_read_costs_the_others_nothing(bundle, recording, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    result = run("timeline", tmp_path / "broken.wav", recording, "--model", bundle, "--format", "json")
    first, second = json.loads(result.stdout)
    assert result.exit_code == 1 and "error" in first and len(second["segments"]) == 2


def test_picture_is_drawn(bundle, recording, tmp_path):
    result = run("timeline", recording, "--model", bundle, "--picture", tmp_path / "call.png")
    assert result.exit_code == 0
    assert (tmp_path / "call.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["predict", "--timeline"], "emotone timeline FILE"),
        (["timeline", "--format", "ass"], "table|json|csv|vtt|srt|audacity|rttm|textgrid|elan|audformat"),
        (["timeline", "--out", "x.mp3"], ".json, .csv, .vtt, .srt, .txt, .rttm, .TextGrid, .eaf, .audformat.csv"),
        (
            ["timeline", "--format", "vtt", "SECOND"],
            "--format vtt is for one recording, and there are 2; name one file, or print several",
        ),
        (["timeline", "--out", "x.vtt", "SECOND"], "one recording"),
        (["timeline", "--picture", "x.png", "SECOND"], "one recording"),
    ],
)
def test_options_that_do_not_go_together_are_an_error(bundle, recording, words, why):
    command, *words = [str(recording) if word == "SECOND" else word for word in words]
    result = run(command, recording, *words, "--model", bundle)
    said = " ".join((result.output + str(result.exception)).replace("│", " ").split())
    assert result.exit_code != 0 and why in said


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        (["--out", "a.csv", "--save-profile", "a.csv", "--adapt-to", "SELF"], "which is the file of --out"),
        (["--out", "a.csv", "--picture", "b.jpg"], "ends in .png"),
        (["--out", "nowhere/a.csv"], "a folder that exists"),
        (["--out", "SELF.txt"], "which is a recording"),
    ],
)
def test_outputs_that_replace_one_another_or_the_recording_are_refused_at_once(
    bundle, recording, tmp_path, monkeypatch, outputs, why
):
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "SELF.txt"
    named.write_bytes(recording.read_bytes())
    words = [str(named) if word == "SELF" else word for word in outputs]
    before = sorted(path.name for path in tmp_path.iterdir())
    result = run("timeline", named, "--model", bundle, *words)
    assert result.exit_code == 2 and why in " ".join(result.output.replace("│", " ").split())
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert named.read_bytes() == recording.read_bytes()


def test_timeline_is_saved_in_the_format_of_the_suffix(bundle, recording, tmp_path):
    result = run("timeline", recording, "--model", bundle, "--out", tmp_path / "call.vtt")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "call.vtt").read_text(encoding="utf-8")
    expected = Recognizer(bundle).timeline(recording, speakers="auto")
    assert expected.file == str(recording) and Recognizer(bundle).timeline(recording.read_bytes()).file == ""
    assert written == FORMATS["vtt"].write(expected)
    expected.save(tmp_path / "call.json")
    assert json.loads((tmp_path / "call.json").read_text(encoding="utf-8")) == expected.to_dict()
    expected.save(tmp_path / "call.tab", format="csv")
    assert (tmp_path / "call.tab").read_text(encoding="utf-8") == FORMATS["csv"].write(expected)
    result = run("timeline", recording, "--model", bundle, "--out", tmp_path / "call.audformat.csv")
    assert (tmp_path / "call.audformat.csv").read_text(encoding="utf-8") == FORMATS["audformat"].write(expected)
    with pytest.raises(ConfigError, match=r"call\.wav: no timeline format"):
        expected.save(tmp_path / "call.wav")
    with pytest.raises(ConfigError, match=r"can't be written to '.*nowhere/call\.vtt'.*; check the folder"):
        expected.save(tmp_path / "nowhere" / "call.vtt")
    assert not (tmp_path / "nowhere").exists()


def test_a_picture_needs_the_extra_plot_and_says_so_before_the_work(bundle, recording, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(Recognizer, "timeline", lambda *_, **__: pytest.fail("the work began"))
    result = run("timeline", recording, "--model", bundle, "--picture", tmp_path / "call.png")
    assert result.exit_code == 1 and "a picture needs the extra 'plot', which is not installed: " in result.stderr


def test_a_picture_imports_neither_torch_nor_the_other_packages_of_training(bundle, recording, tmp_path):
    heavy = {"torch", "sklearn", "scipy", "jinja2", "joblib", "onnx", "skorch"}
    script = (
        "import sys; from emotone.cli.main import main\n"
        f"sys.argv = ['emotone', 'timeline', {str(recording)!r}, '--model', {str(bundle)!r},"
        f" '--picture', {str(tmp_path / 'call.png')!r}, '--speakers', 'one']\n"
        "try: main()\n"
        f"finally: print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert (tmp_path / "call.png").read_bytes().startswith(b"\x89PNG")
