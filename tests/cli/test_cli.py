"""The command line: what it prints is an interface, what it exits with is one too."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import emotone
from emotone.audio import write_wav
from emotone.cli import console as output
from emotone.cli import predict, recordings, results
from emotone.cli.main import app
from emotone.corpora.readers._scan import AUDIO_SUFFIXES
from emotone.errors import BundleError, CorpusError
from emotone.metrics import summary
from emotone.recognition.prediction import Prediction
from support import handmade

EMOTIONS = handmade.EMOTIONS


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A sad, an unsure and an angry clip, something that is no recording, and a subfolder."""
    folder = tmp_path_factory.mktemp("clips")
    for name, level in (("a_sad", 0.02), ("b_unsure", 0.1), ("c_angry", 0.18), ("more/d_sad", 0.03)):
        (folder / name).parent.mkdir(exist_ok=True)
        write_wav(folder / f"{name}.wav", handmade.tone(level))
    (folder / "e_text.wav").write_text("this is no recording")
    (folder / "notes.txt").write_text("not looked at")
    return folder


def test_json_is_the_documented_list(bundle, clips):
    result = run("predict", clips / "a_sad.wav", clips / "b_unsure.wav", "--model", bundle, "--format", "json")
    assert result.exit_code == 0 and result.stderr == ""
    sad, unsure = json.loads(result.stdout)
    assert (
        list(sad)
        == list(unsure)
        == [*("file", "start_s", "end_s", "emotion", "label", "confidence", "scores", "speech")]
    )
    assert (sad["file"], sad["start_s"], sad["end_s"]) == (str(clips / "a_sad.wav"), 0.0, 1.0)
    assert (sad["emotion"], unsure["emotion"]) == ("sad", None)
    assert list(sad["scores"]) == EMOTIONS
    scores = handmade.expected(handmade.tone(0.02))
    assert list(sad["scores"].values()) == pytest.approx(scores, abs=1e-4)
    assert sad["confidence"] == max(sad["scores"].values())


def test_unreadable_file_costs_the_others_nothing(bundle, clips):
    paths = [clips / "a_sad.wav", clips / "e_text.wav", clips / "missing.wav", clips / "c_angry.wav"]
    result = run("predict", *paths, "--model", bundle, "--format", "json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [list(one) for one in told[1:3]] == [["file", "error"]] * 2
    assert [one["file"] for one in told] == [str(path) for path in paths]
    assert (told[0]["emotion"], told[3]["emotion"]) == ("sad", "angry")
    assert "missing.wav" in told[2]["error"]


def test_folder_stands_for_its_recordings_in_order(bundle, clips):
    told = json.loads(run("predict", clips, "--model", bundle, "--format", "json").stdout)
    names = [str(Path(one["file"]).relative_to(clips)) for one in told]
    assert names == ["a_sad.wav", "b_unsure.wav", "c_angry.wav", "e_text.wav", "more/d_sad.wav"]


def test_folder_without_recordings_is_an_error(bundle, tmp_path):
    result = run("predict", tmp_path, "--model", bundle)
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}: no recording in this folder; expected files such as .wav, .flac, " + (
        ".mp3 or .m4a\n"
    )


def test_every_suffix_of_a_corpus_is_taken_from_a_folder():
    assert set(AUDIO_SUFFIXES) <= recordings.SUFFIXES


def test_csv_has_a_column_for_each_emotion(bundle, clips):
    result = run("predict", clips, "--model", bundle, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == [
        *("file", "start_s", "end_s", "emotion", "confidence", "label", "speech", *EMOTIONS, "error")
    ]
    assert [row["emotion"] for row in rows] == ["sad", "", "angry", "", "sad"]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, False]
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_table_shows_unsure_and_says_why(bundle, clips):
    result = run("predict", clips, "--model", bundle)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["file", "emotion", "confidence", "then", "(%)"]
    assert [line.split()[1] for line in lines[1:5]] == ["sad", "unsure", "angry", "sad"]
    assert lines[2].split()[2:5] == ["━━──────", "25", "%"]
    assert lines[5] == "unsure: no emotion reaches this model's threshold of 50 %"
    assert result.stderr.startswith("error: ") and "e_text.wav" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("width", "columns"), [(80, 4), (50, 3)])
def test_table_fits_its_terminal_with_the_ends_of_names(monkeypatch, width, columns):
    scores = {"surprised": 0.9, "fearful": 0.06, "surprised2": 0.04}
    prediction = Prediction("surprised", 0.9, scores, 0.0, 1.0)
    name = "/data/ravdess/Audio_Speech_Actors_01-24/Actor_12/03-01-05-01-02-01-12.flac"
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", lambda *, width: Console(width=fixed, file=screen))
    fixed = width
    predict.print_table([recordings.Answer(name, prediction)], threshold=0.5)
    header, row = screen.getvalue().splitlines()
    assert len(row.rstrip()) <= width and "-12.flac" in row and "…" in row
    assert "surprised" in row and "90 %" in row
    assert ("then (%)" in header) == (columns == 4)


def test_names_that_steer_a_terminal_are_made_harmless(bundle, tmp_path):
    path = tmp_path / "evil\x1b[31m\n[bold]name.wav"
    write_wav(path, handmade.tone(0.02))
    missing = tmp_path / "gone\x1b]0;title\x07.wav"
    result = run("predict", path, missing, "--model", bundle)
    assert "\x1b" not in result.stdout + result.stderr and "\x07" not in result.stderr
    assert r"evil\x1b[31m [bold]name.wav" in result.stdout
    as_json = run("predict", path, "--model", bundle, "--format", "json").stdout
    assert json.loads(as_json)[0]["file"] == str(path) and "\x1b" not in as_json


def test_missing_bundle_is_one_line_and_status_1(tmp_path):
    result = run("predict", "clip.wav", "--model", tmp_path / "nowhere")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: the bundle ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["predict"], ["predict", "x.wav", "--format", "xml"], ["dance"], ["train", "ravdess"]]
)
def test_wrong_usage_is_status_2(arguments, monkeypatch):
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    assert run(*arguments).exit_code == 2


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"emotone {emotone.__version__}\n")


@pytest.mark.parametrize(("command", "resumes"), [("predict", False), ("fetch", True)])
def test_interrupt_is_status_130_and_says_what_then(monkeypatch, bundle, clips, command, resumes):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "answers", interrupted)
    monkeypatch.setattr("emotone.corpora.fetch.fetch.fetch", interrupted)
    result = run(*({"predict": ["predict", clips, "--model", bundle], "fetch": ["fetch", "ravdess"]}[command]))
    assert result.exit_code == 130
    assert ("run the same command again" in result.stderr) == resumes and "interrupted" in result.stderr


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device; check the path"),
        (MemoryError(), "out of memory"),
        (BundleError("two\nlines"), "error: two lines\n"),
        (ModuleNotFoundError("No module named 'sklearn'", name="sklearn"), "[train]'"),
        (ModuleNotFoundError("No module named 'opensmile'", name="opensmile"), "[opensmile]'"),
    ],
)
def test_what_a_user_can_mend_is_one_line(monkeypatch, bundle, clips, raised, said):
    def failing(*_, **__):
        raise raised

    monkeypatch.setattr(predict, "answers", failing)
    result = run("predict", clips, "--model", bundle)
    assert result.exit_code == 1 and said in result.stderr and result.stderr.count("\n") == 1


def test_defect_keeps_its_traceback(monkeypatch, bundle, clips):
    def failing(*_, **__):
        raise ModuleNotFoundError("No module named 'typo'", name="typo")

    monkeypatch.setattr(predict, "answers", failing)
    assert isinstance(run("predict", clips, "--model", bundle).exception, ModuleNotFoundError)


# ---- commands that hand over to the layer below ----


def metrics(*, shared=False):
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 4
    scores = rng.dirichlet(np.ones(4), 80) + 0.5 * np.eye(4)[truth]
    told = summary(
        truth, scores / scores.sum(1, keepdims=True), emotions=EMOTIONS, speakers=[f"s{n % 5}" for n in range(80)]
    )
    warning = "WARNING: random split: 5 of 5 test speakers are also in training" if shared else ""
    described = f"the protocol in words. {warning}." if shared else "the protocol in words"
    return {"protocol": {"description": described, "warning": warning}, "test": told}


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """The layer below, replaced by one that remembers how it was called."""
    calls = {}

    def run_(config, progress=None):
        calls["config"] = config
        progress(1, 2, "half")
        return SimpleNamespace(folder=tmp_path / "my run", metrics=metrics(shared=config["protocol"] == "random-80-20"))

    def compare(config, models, *, protocols, progress=None):
        calls.update(config=config, models=tuple(models), protocols=protocols)
        if len(protocols) > 1:
            return compare_protocols(models, protocols)
        row = {"uar": 0.61, "low": 0.5, "high": 0.7, "accuracy": 0.6, "macro_f1": 0.59}
        rows = [{"model": name, **row, "bundle_mb": 2.5, "recognition_ms": 21.4} for name in models]
        text = json.dumps({"protocol": metrics()["protocol"], "rows": rows})
        (tmp_path / "comparison.json").write_text(text, encoding="utf-8")
        return tmp_path

    def compare_protocols(models, protocols):
        entries = [{"name": name, "protocol": metrics(shared=name.startswith("r"))["protocol"]} for name in protocols]
        found = {"uar": 0.61, "intervals": {"uar": {"low": 0.5, "high": 0.7}}}
        row = {"leak": {"uar": -0.012}, "recognition_ms": 21.4, "protocols": dict.fromkeys(protocols, found)}
        told = {"protocols": entries, "leaking": protocols[1], "rows": [{"model": name, **row} for name in models]}
        (tmp_path / "comparison.json").write_text(json.dumps(told), encoding="utf-8")
        return tmp_path

    def evaluate(bundle, names, data, *, channel, adapt, out, progress):
        calls.update(bundle=bundle, names=tuple(names), data=data, channel=channel, adapt=adapt, out=out)
        more = {"unknown": {"calm": 3}, "unsure": 0.125, "rejected": [{"path": "x.wav", "reason": "damaged"}]}
        return metrics()["test"] | {"protocol": metrics()["protocol"]} | more

    module = SimpleNamespace(Config=lambda **settings: settings, run=run_, compare=compare, evaluate=evaluate)
    monkeypatch.setitem(sys.modules, "emotone.experiment", module)
    monkeypatch.setattr(emotone, "experiment", module, raising=False)
    return calls


def test_train_passes_every_option_on(experiment):
    options = "--data d --out o --model mlp --protocol random-80-20 --emotions happy,sad --channel song --augment a,b"
    more = "--copies 3 --balance none --tune --seed 7 --extractor egemaps --features csv --cache c --train-also speech"
    more += " --epochs 9 --networks 2 --conditions e,f"
    result = run("train", "ravdess", "tess", *options.split(), *more.split())
    assert result.exit_code == 0, result.stderr
    assert experiment["config"] == {
        "corpora": ("ravdess", "tess"),
        "data": Path("d"),
        "out": Path("o"),
        "model": "mlp",
        "protocol": "random-80-20",
        "emotions": ("happy", "sad"),
        "channel": "song",
        "train_also": ("speech",),
        "augment": ("a", "b"),
        "copies": 3,
        "epochs": 9,
        "networks": 2,
        "balance": "none",
        "tune": True,
        "conditions": ("e", "f"),
        "seed": 7,
        "extractor": "egemaps",
        "features": "csv",
        "cache": Path("c"),
    }


def test_train_ends_with_scores_recalls_and_a_command_to_paste(experiment, tmp_path):
    result = run("train", "ravdess", "tess", "--data", "d", "--out", "o")
    told = metrics()["test"]
    assert "Protocol: the protocol in words" in result.stdout and "WARNING" not in result.stdout
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    interval = told["intervals"]["uar"]
    assert lines["UAR"][1:] == [
        f"{100 * told['uar']:.1f}", f"{100 * interval['low']:.1f}", "to", f"{100 * interval['high']:.1f}"
    ]  # fmt: skip
    for emotion in EMOTIONS:
        assert lines[emotion][1] == f"{100 * told['per_class']['recall'][emotion]:.1f}"
    assert result.stdout.endswith(f"Try it: emotone predict clip.wav --model '{tmp_path}/my run/model'\n")
    assert result.stderr.splitlines() == [
        "licence of ravdess: CC BY-NC-SA 4.0; a model trained on it is not for commercial use",
        "licence of tess: CC BY-NC-ND 4.0; a model trained on it is not for commercial use",
    ]


def test_table_of_an_adaptive_model_says_how_much_was_heard():
    levels = {"0": "none", "30": "30", "neutral": "all neutral ones", "all": "all, and the clip itself"}
    rows = [{"level": level, "uar": 0.5 + 0.01 * n, "accuracy": 0.62} for n, level in enumerate(levels)]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*results.adapted({"adapted": {"validation": [], "test": rows}}))
    head, *lines = console.export_text().rstrip().splitlines()
    assert head.split() == "clips of the speaker heard UAR % accuracy %".split()
    assert [line.split() for line in lines] == [
        [*words.split(), f"{50 + n}.0", "62.0"] for n, words in enumerate(levels.values())
    ]
    assert results.adapted({}) == results.under_conditions({}) == []


def test_train_warns_in_yellow_where_speakers_are_shared(experiment, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: Console(file=screen, force_terminal=True, color_system="standard"))
    run("train", "ravdess", "--data", "d", "--out", "o", "--protocol", "random-80-20")
    assert "\x1b[33mWARNING: random split: 5 of 5 test speakers are also in training." in screen.getvalue()


def test_errors_of_the_layer_below_are_one_line(experiment, monkeypatch):
    def failing(config, progress=None):
        raise CorpusError("no folder 'd'; get it")

    monkeypatch.setattr(sys.modules["emotone.experiment"], "run", failing)
    result = run("train", "my.csv", "--data", "d", "--out", "o")
    assert (result.exit_code, result.stderr) == (1, "error: no folder 'd'; get it\n")


def test_compare_prints_the_table(experiment, tmp_path):
    result = run("compare", "my.csv", "--data", "d", "--models", "svm, knn", "--out", "o", "--protocol", "random-80-20")
    assert experiment["models"] == ("svm", "knn") and experiment["config"]["protocol"] == "random-80-20"
    assert experiment["protocols"] == ("random-80-20",)
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(("svm", "knn"))]
    assert rows == [[name, "61.0", "50.0", "to", "70.0", "60.0", "59.0", "2.5", "21"] for name in ("svm", "knn")]
    assert all(len(line.rstrip()) <= 80 for line in result.stdout.splitlines()[:5])
    assert result.stdout.endswith(f"page: {tmp_path}\n")


def test_compare_sets_protocols_side_by_side(experiment, tmp_path):
    options = ("--extractor", "log-mel", "--train-also", "song", "--conditions", "telephone, noise-20")
    result = run("compare", "my.csv", "--data", "d", "--models", "all,cnn2d", "--out", "o", *options)
    assert (experiment["models"], experiment["protocols"]) == (("all", "cnn2d"), ("speaker-6fold", "random-70-15-15"))
    config = experiment["config"]
    assert (config["model"], config["extractor"], config["train_also"]) == ("cnn2d", "log-mel", ("song",))
    assert config["conditions"] == ("telephone", "noise-20")
    assert result.stdout.count("WARNING: random split: 5 of 5 test speakers are also in training.") == 1
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("cnn2d")]
    assert rows == [["cnn2d", *2 * ["61.0", "(50.0", "to", "70.0)"], "-1.2", "21"]]
    assert result.stdout.endswith(f"page: {tmp_path}\n")


def test_evaluate_says_what_was_left_out(experiment):
    result = run("evaluate", "b", "emodb", "--data", "d", "--channel", "all", "--adapt", "--out", "o")
    assert result.exit_code == 0, result.stderr
    expected = {"bundle": "b", "names": ("emodb",), "data": Path("d"), "channel": "all", "adapt": True}
    assert experiment == expected | {"out": Path("o")}
    run("evaluate", "b", "emodb", "--data", "d")
    assert (experiment["adapt"], experiment["out"]) == (False, None)
    assert "12.5 % of the answers are under the model's threshold" in result.stdout
    assert "left out, since the model does not know the emotion: 3 clips calm" in result.stderr
    assert "1 recordings left out; the first: x.wav: damaged" in result.stderr


# ---- what is imported ----


HEAVY = {"torch", "sklearn", "pandas", "matplotlib", "onnx", "av", "emotone.experiment"}


def imported_by(arguments, *, also=frozenset()):
    script = (
        "import sys; from emotone.cli.main import main\n"
        f"sys.argv = ['emotone', *{[str(argument) for argument in arguments]!r}]\n"
        "try: main()\n"
        f"finally: print(sorted({HEAVY | also!r} & set(sys.modules)), file=sys.stderr)"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


def test_help_imports_nothing_heavy():
    done = imported_by(["--help"], also={"numpy", "onnxruntime", "soundfile"})
    assert done.stderr == "[]\n" and "predict" in done.stdout


@pytest.mark.parametrize("form", ["table", "json"])
def test_predict_imports_nothing_heavy(bundle, clips, form):
    done = imported_by(["predict", clips / "a_sad.wav", "--model", bundle, "--format", form])
    assert done.stderr == "[]\n" and "sad" in done.stdout


def test_reader_that_closes_the_pipe_sees_no_traceback(bundle, clips):
    command = f"{sys.executable} -c 'from emotone.cli.main import main; main()' predict {clips} --model {bundle}"
    done = subprocess.run(f"{command} 2>err | true; cat err", shell=True, capture_output=True, text=True, cwd=clips)
    assert "Traceback" not in done.stdout and "BrokenPipe" not in done.stdout
