"""The command ``compare``: its options become a `Config`; tables of one protocol and of several."""

from dataclasses import replace
from pathlib import Path

from emotone.experiment import Config
from support.command_line import run


def test_compare_prints_the_table(experiment, tmp_path):
    result = run("compare", "my.csv", "--data", "d", "--models", "svm, knn", "--out", "o", "--protocol", "random-80-20")
    assert experiment["models"] == ("svm", "knn") and experiment["config"].protocol == "random-80-20"
    assert experiment["protocols"] == ("random-80-20",)
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(("svm", "knn"))]
    assert rows == [[name, "61.0", "50.0", "to", "70.0", "60.0", "59.0", "2.5", "21"] for name in ("svm", "knn")]
    other = "on speakers that may be in its training data; on corpora it was not trained on: not measured here."
    assert other in result.stdout
    assert all(len(line.rstrip()) <= 80 for line in result.stdout.splitlines()[:5])
    assert result.stdout.endswith(f"page: {tmp_path}\n")


def test_compare_sets_protocols_side_by_side(experiment, tmp_path):
    options = ("--extractor", "log-mel", "--train-also", "song", "--conditions", "telephone, noise-20")
    result = run("compare", "my.csv", "--data", "d", "--models", "all,cnn2d", "--out", "o", *options)
    assert (experiment["models"], experiment["protocols"]) == (("all", "cnn2d"), ("speaker-6fold", "random-70-15-15"))
    config = experiment["config"]
    assert (config.model, config.extractor, config.train_also) == ("cnn2d", "log-mel", ("song",))
    assert config.conditions == ("noise-20", "telephone")
    assert result.stdout.count("WARNING: random split: 5 of 5 test speakers are also in training.") == 1
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("cnn2d")]
    assert rows == [["cnn2d", *2 * ["61.0", "(50.0", "to", "70.0)"], "-1.2", "21"]]
    assert result.stdout.endswith(f"page: {tmp_path}\n")


def test_compare_takes_its_settings_from_a_config(experiment, tmp_path):
    config = Config(("my.csv",), Path("d"), tmp_path, model="knn", protocol="random-80-20", tune=True)
    (tmp_path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    arguments = ("--config", tmp_path / "config.toml", "--models", "mlp,svm", "--out", "o", "--seed", 3)
    assert run("compare", *arguments).exit_code == 0
    assert experiment["config"] == replace(config, model="mlp", out=Path("o"), seed=3)
    assert experiment["protocols"] == ("random-80-20",)


def test_compare_notes_options_without_effect_if_no_model_is_a_network(experiment):
    common = ("compare", "my.csv", "--data", "d", "--out", "o", "--epochs", 3, "--models")
    assert run(*common, "svm,knn").stderr == "--epochs has no effect on svm, knn: only networks use it\n"
    assert run(*common, "svm,cnn2d").stderr == run(*common, "all").stderr == ""
