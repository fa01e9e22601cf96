"""The base install: prediction works without any package of an extra, and what needs one says which."""

import json

import pytest

from support.base_install import PROJECT, ROOT, canonical, other_modules, run_command_in_base, run_in_base
from support.media import media, tone

pytestmark = pytest.mark.slow
SAMPLES = ROOT / "samples"


@pytest.fixture
def base(tmp_path):
    return {"folder": tmp_path / "blocked"}


def test_the_block_hides_what_the_base_does_not_install(base):
    others = other_modules()
    assert {"torch", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "fastapi", "hypothesis"} <= set(others)
    assert not {"numpy", "onnxruntime", "av", "soundfile", "soxr", "typer", "rich", "emotone"} & set(others)
    done = run_in_base("import pandas", folder=base["folder"])
    assert done.returncode == 1 and "No module named 'pandas' (blocked)" in done.stderr


def test_every_base_dependency_is_imported_by_prediction(base, tmp_path):
    """A package that prediction never imports belongs into an extra."""
    recording = tmp_path / "phone.m4a"
    recording.write_bytes(media([tone(2.0)], "ipod", "aac"))
    code = (
        "import sys, emotone\n"
        "from emotone.cli import main, console\n"
        "import rich.console\n"
        "emotone.Recognizer().timeline('samples/man_subdued.flac')\n"
        f"emotone.load_audio({str(recording)!r})\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = run_in_base(code, folder=base["folder"])
    assert done.returncode == 0, done.stderr
    named = {canonical(text.partition(">")[0]) for text in PROJECT["dependencies"]}
    assert {canonical(name) for name in done.stdout.split()} >= named


def test_predict_and_timeline_need_no_extra(base):
    files = [SAMPLES / name for name in ("man_plain.wav", "man_subdued.flac", "man_tense.mp3")]
    done = run_command_in_base("predict", *files, "--format", "json", **base)
    assert (done.returncode, [answer["file"] for answer in json.loads(done.stdout)]) == (0, list(map(str, files)))
    done = run_command_in_base("timeline", SAMPLES / "conversation.ogg", **base)
    assert done.returncode == 0 and "speaker 2" in done.stdout, done.stderr


def test_python_predicts_adapts_and_streams_without_extras(base):
    code = (
        "import emotone\n"
        "recognizer = emotone.Recognizer()\n"
        "samples, rate = emotone.load_audio('samples/man_plain.wav'), 16_000\n"
        "profile = recognizer.adapt(['samples/man_plain.wav', 'samples/man_lively.wav'])\n"
        "print(recognizer.predict((samples, rate), profile=profile).label)\n"
        "stream = recognizer.stream(rate=rate)\n"
        "print(len(stream.push(samples)) + len(stream.finish()))\n"
        "for name in emotone.__all__:\n"
        "    try: getattr(emotone, name)\n"
        "    except emotone.EmotoneError as error: print(name, error)\n"
    )
    done = run_in_base(code, folder=base["folder"])
    assert done.returncode == 0, done.stderr
    label, n_events, *hints = done.stdout.splitlines()
    assert label and int(n_events) > 0
    extras = {hint.split()[0]: hint.split("needs the extra ")[1].split("'")[1] for hint in hints}
    assert extras == {
        "AnnotatedArchive": "annotate",
        "annotate": "annotate",
        "Scores": "train",
        "TrainedRun": "train",
        "evaluate": "train",
        "train": "train",
    }


def test_a_corpus_without_pandas_names_the_extra(base, tmp_path):
    (tmp_path / "clips.csv").write_text(f"file,emotion\n{SAMPLES / 'man_plain.wav'},happy\n")
    done = run_in_base(f"import emotone; emotone.load_corpus('clips.csv', {str(tmp_path)!r})", folder=base["folder"])
    assert "MissingExtraError: a table of clips (pandas) needs the extra 'train'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        (["annotate", "samples", "--out", "OUT"], "annotate"),
        (["train", "ravdess", "--data", "data", "--out", "OUT"], "train"),
        (["explore", "ravdess", "--data", "data", "--out", "OUT"], "train"),
        (["evaluate", "builtin", "emodb", "--data", "data"], "train"),
        (["report", "runs"], "train"),
        (["serve"], "serve"),
        (["listen"], "live"),
    ],
)
def test_a_command_without_its_extra_is_one_line_that_names_it(line, extra, base, tmp_path):
    done = run_command_in_base(*[str(tmp_path / "out") if word == "OUT" else word for word in line], **base)
    (message,) = done.stderr.splitlines()
    assert done.returncode == 1 and f"needs the extra '{extra}', which is not installed: " in message


def test_fetch_needs_no_extra(base):
    done = run_command_in_base("fetch", "emodb", **base)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "needs the extra" not in done.stderr
