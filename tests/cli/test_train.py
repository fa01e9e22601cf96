"""The command ``train``: its options become a `Config`, and a run is repeated from its ``config.toml``."""

import io
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from emotone.cli import console as output
from emotone.errors import CorpusError
from emotone.experiment import Config
from support import other_corpora
from support.command_line import metrics, run
from support.handmade import EMOTIONS


def test_train_passes_every_option_on(experiment):
    options = (
        "--data d --out o --model cnn2d --protocol random-80-20 --emotions happy,sad --channel song --augment gain"
    )
    more = "--copies 3 --balance none --tune --seed 7 --extractor log-mel --features none --cache c --train-also speech"
    more += " --labels happy=gioia,felice --labels sad=triste"
    more += " --epochs 9 --networks 2 --conditions telephone,noise-20 --sounds s --trim speech"
    result = run("train", "ravdess", "tess", *options.split(), *more.split())
    assert result.exit_code == 0, result.stderr
    assert asdict(experiment["config"]) == {
        "corpora": ("ravdess", "tess"),
        "data": Path("d"),
        "out": Path("o"),
        "model": "cnn2d",
        "protocol": "random-80-20",
        "emotions": ("happy", "sad"),
        "labels": {"gioia": "happy", "felice": "happy", "triste": "sad"},
        "channel": "song",
        "train_also": ("speech",),
        "augment": ("gain",),
        "copies": 3,
        "epochs": 9,
        "networks": 2,
        "balance": "none",
        "sounds": Path("s"),
        "trim": "speech",
        "elsewhere": False,
        "tune": True,
        "conditions": ("noise-20", "telephone"),
        "seed": 7,
        "extractor": "log-mel",
        "features": "none",
        "cache": Path("c"),
    }


def test_train_leaves_corpora_out_where_it_is_asked_to(experiment):
    run("train", "ravdess", "tess", "--data", "d", "--out", "o", "--model", "adaptive", "--elsewhere")
    assert experiment["config"].elsewhere is True


def test_options_that_are_left_out_have_the_defaults_of_config(experiment):
    run("train", "ravdess", "--data", "d", "--out", "o")
    assert experiment["config"] == Config(("ravdess",), Path("d"), Path("o"))


CONFIG = Config(
    corpora=("ravdess",),
    data=Path("d"),
    out=Path("runs/first"),
    model="cnn2d",
    emotions=("happy", "sad"),
    augment=("gain",),
    tune=True,
    epochs=3,
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.to_toml(), encoding="utf-8")
    return path


def test_a_run_is_repeated_from_its_config(experiment, file, monkeypatch):
    monkeypatch.setenv("EMOTONE_DATA", "elsewhere")
    result = run("train", "--config", file)
    assert result.exit_code == 0, result.stderr
    assert experiment["config"] == CONFIG


def test_options_override_the_config(experiment, file):
    options = ("--out", "o", "--data", "e", "--emotions", "all", "--augment", "none", "--no-tune", "--epochs", "5")
    assert run("train", "tess", "--config", file, *options).exit_code == 0
    changes = {"out": Path("o"), "data": Path("e"), "emotions": None, "augment": (), "tune": False, "epochs": 5}
    assert experiment["config"] == replace(CONFIG, corpora=("tess",), **changes)
    file.write_text(replace(CONFIG, labels={"gioia": "happy"}).to_toml(), encoding="utf-8")
    for options, labels in (
        ((), {"gioia": "happy"}),
        (("--labels", "none"), None),
        (("--labels", "sad=x"), {"x": "sad"}),
    ):
        assert run("train", "--config", file, *options).exit_code == 0
        assert experiment["config"].labels == labels


def test_data_comes_from_the_environment_last(experiment, monkeypatch):
    monkeypatch.setenv("EMOTONE_DATA", "there")
    run("train", "ravdess", "--out", "o")
    assert experiment["config"].data == Path("there")
    run("train", "ravdess", "--out", "o", "--data", "here")
    assert experiment["config"].data == Path("here")


def test_data_is_needed_only_for_corpora_by_name(experiment):
    run("train", "calls/my.csv", "folder/", "--out", "o")
    assert experiment["config"].data == Path()
    experiment.clear()
    result = run("train", "my.csv", "ravdess", "--out", "o")
    assert result.exit_code == 2 and "--data missing; required" in result.stderr and not experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "speed = 3",
            "config.toml: unknown setting 'speed'; the nearest known one is 'seed'. Known: corpora, data, out",
        ),
        ("seed = ", "config.toml is no TOML: "),
        ('seed = "x"', "seed is 'x'; expected a whole number"),
    ],
)
def test_wrong_config_is_named(experiment, file, text, message):
    file.write_text(text, encoding="utf-8")
    result = run("train", "ravdess", "--data", "d", "--out", "o", "--config", file)
    assert result.exit_code == 1 and message in result.stderr and "config" not in experiment


def test_config_that_can_not_be_read_is_named(tmp_path):
    result = run("train", "--config", tmp_path / "no.toml", "--out", "o")
    assert result.exit_code == 1 and "no.toml can't be read" in result.stderr


@pytest.mark.parametrize(("model", "notes"), [("svm", 2), ("cnn2d", 0)])
def test_options_that_only_networks_use_are_noted_for_a_classic_model(experiment, model, notes):
    options = ("--model", model, "--epochs", 3, "--networks", 2)
    result = run("train", "my.csv", "--data", "d", "--out", "o", *options)
    expected = [
        "--epochs has no effect on svm: only networks use it",
        "--networks has no effect on svm: only networks use it",
    ]
    assert result.exit_code == 0 and result.stderr.splitlines() == expected[:notes]
    assert experiment["config"].epochs == 3  # a run with this setting continues


def test_train_ends_with_scores_recalls_and_a_command_to_paste(experiment, tmp_path):
    result = run("train", "ravdess", "tess", "--data", "d", "--out", "o")
    test = metrics()["test"]
    assert "Protocol: the protocol in words" in result.stdout and "WARNING" not in result.stdout
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    interval = test["intervals"]["uar"]
    assert lines["UAR"][1:] == [
        f"{100 * test['uar']:.1f}", f"{100 * interval['low']:.1f}", "to", f"{100 * interval['high']:.1f}"
    ]  # fmt: skip
    for emotion in EMOTIONS:
        assert lines[emotion][1] == f"{100 * test['per_class']['recall'][emotion]:.1f}"
    assert f"Report: {tmp_path}/my run/report.html\n" in result.stdout
    assert result.stdout.endswith(f"Try it: emotone predict clip.wav --model '{tmp_path}/my run/model'\n")
    assert result.stderr.splitlines() == [
        "licence of ravdess: CC BY-NC-SA 4.0; a model trained on it is not for commercial use",
        "licence of tess: CC BY-NC-ND 4.0; a model trained on it is not for commercial use",
    ]


def test_train_shows_no_score_without_that_on_other_corpora(experiment, monkeypatch, tmp_path):
    result = run("train", "ravdess", "--data", "d", "--out", "o")
    uar = f"the model is right about {100 * metrics()['test']['uar']:.0f} % of the time"
    right, elsewhere, calibration = (line for line in result.stdout.splitlines() if line.startswith("On "))
    assert uar in right and elsewhere.startswith("On corpora it was not trained on: not measured.")
    assert calibration.endswith("; on corpora it was not trained on: not measured.")
    measured = metrics() | {"elsewhere": other_corpora.figures()}
    summary = SimpleNamespace(folder=tmp_path, metrics=measured)
    monkeypatch.setattr("emotone.experiment.run", lambda config, progress, pool: summary)
    lines = run("train", "ravdess", "--data", "d", "--out", "o").stdout.splitlines()
    assert not any("not measured" in line for line in lines)
    assert any("On corpora it was not trained on, the model is right about 55 % of the time" in line for line in lines)
    measured["elsewhere"]["uar"] = 5
    result = run("train", "ravdess", "--data", "d", "--out", "o")
    assert result.exit_code == 1 and f"{tmp_path}/metrics.json: elsewhere.uar is 5, expected" in result.stderr


def test_train_warns_in_yellow_where_speakers_are_shared(experiment, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", lambda: Console(file=screen, force_terminal=True, color_system="standard"))
    run("train", "ravdess", "--data", "d", "--out", "o", "--protocol", "random-80-20")
    assert "\x1b[33mWARNING: random split: 5 of 5 test speakers are also in training." in screen.getvalue()


def test_errors_of_the_layer_below_are_one_line(experiment, monkeypatch):
    def failing(config, progress=None, *, pool):
        raise CorpusError("no folder 'd'; get it")

    monkeypatch.setattr("emotone.experiment.run", failing)
    result = run("train", "my.csv", "--data", "d", "--out", "o")
    assert (result.exit_code, result.stderr) == (1, "error: no folder 'd'; get it\n")
