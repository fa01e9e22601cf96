"""Comparing models under one protocol: the same folds for all, and correct words about differences."""

import json
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from emotone.errors import ConfigError
from emotone.experiment import compare, folds
from emotone.experiment.compare import MARKER, configs, open_folder
from emotone.models import registry
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy
from support.html_page import Page

pytestmark = pytest.mark.slow

MODELS = ("knn", "logistic-regression", "linear-svm")


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    """Emotions that overlap, so that models differ and err."""
    pitch_hz = {"neutral": 140.0, "happy": 152.0, "angry": 300.0}
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=pitch_hz)


@pytest.fixture(scope="module")
def compared(manifest, tmp_path_factory):
    """The configuration and folder of a comparison of three models."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "compared")
        told = []
        folder = compare(config, MODELS, progress=lambda *step: told.append(step))
    assert [step[0] for step in told] == sorted(step[0] for step in told)
    assert told[-1][:2] == (1000, 1000)
    return config, folder


def test_every_model_has_the_same_folds_and_its_own_run_directory(compared):
    _, folder = compared
    assert len({(folder / model / "folds.json").read_text() for model in MODELS}) == 1
    for model in MODELS:
        assert Recognizer(folder / model / "model").card["model"] == model


def test_the_table_repeats_the_runs_scores_best_first(compared):
    _, folder = compared
    table = pd.read_csv(folder / "comparison.csv")
    assert sorted(table["model"]) == sorted(MODELS)
    assert table["uar"].is_monotonic_decreasing
    assert table["best"].tolist() == [True, False, False]
    assert set(table["family"]) == {"classic"} and set(table["extractor"]) == {"bands"}
    for _, row in table.iterrows():
        told = json.loads((folder / row["model"] / "metrics.json").read_text())["test"]
        for score in ("uar", "accuracy", "macro_f1"):
            assert row[score] == pytest.approx(told[score])
            assert row[f"{score}_low"] == pytest.approx(told["intervals"][score]["low"])
            assert row[f"{score}_high"] == pytest.approx(told["intervals"][score]["high"])
        size = sum(path.stat().st_size for path in (folder / row["model"] / "model").iterdir())
        assert row["bundle_mb"] == pytest.approx(size / 1e6)
        seconds = pd.read_csv(folder / row["model"] / "timing.csv")["fit_s"]
        assert (len(seconds), row["fit_s"]) == (6, pytest.approx(seconds.mean()))
        assert 0 < row["recognition_ms"] < 1000


def test_the_difference_is_that_of_the_predictions(compared):
    _, folder = compared
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    tables = {}
    for row in rows:
        table = pd.read_parquet(folder / row["model"] / "predictions.parquet")
        tables[row["model"]] = table[table["subset"] == "test"].sort_values("row")
    best, *others = rows
    assert best["paired"] is None
    assert {"model", "uar", "low", "high", "accuracy", "macro_f1"} <= best.keys()
    for row in others:
        uar = [
            balanced_accuracy_score(t["emotion"], t["predicted"]) for t in (tables[best["model"]], tables[row["model"]])
        ]
        assert row["paired"]["difference"] == pytest.approx(uar[0] - uar[1])
        assert row["paired"]["unit"] == "speaker"
        assert row["paired"]["p_holm"] >= row["paired"]["p_value"]
        # six speakers have 2^6 sign flips, so p is at least 2/64, twice that after correction for two comparisons
        assert row["significant"] is False


def test_more_models_can_be_added_and_finished_ones_are_not_fitted_again(compared, monkeypatch):
    config, folder = compared
    fitted = []
    fit = folds.fit
    monkeypatch.setattr(folds, "fit", lambda *args, **more: fitted.append(args[2].model) or fit(*args, **more))
    assert compare(config, [*MODELS, "svm"]) == folder
    assert set(fitted) == {"svm"}
    assert len(pd.read_csv(folder / "comparison.csv")) == 4
    fitted.clear()
    compare(config, MODELS)
    assert fitted == []


def test_a_comparison_of_other_settings_is_refused(compared, manifest):
    config, folder = compared
    other = toy.config(manifest, folder, seed=1)
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        compare(other, MODELS)
    with pytest.raises(ConfigError, match="and no comparison.toml"):
        compare(toy.config(manifest, folder / "knn"), MODELS)


def test_runs_of_different_clips_are_not_compared(compared, manifest, tmp_path, make_voice):
    other = toy.write_corpus(tmp_path, make_voice)
    config = toy.config(other, tmp_path / "out")
    compare(config, ["knn"])
    table = pd.read_csv(other)
    table[table.index % 3 < 2].to_csv(other, index=False)
    with pytest.raises(ConfigError, match="a finished run on 54 clips, and there are 36 now"):
        compare(config, ["knn", "linear-svm"])


def test_models_may_use_the_validation_clips_differently_but_not_other_folds(compared, tmp_path):
    config, folder = compared
    shutil.copytree(folder, tmp_path / "copy")
    copy = replace(config, out=tmp_path / "copy")
    path = copy.out / "knn" / "metrics.json"
    told = json.loads(path.read_text())
    told["protocol"]["validation"] += "; its number of epochs was chosen on them"
    path.write_text(json.dumps(told))
    assert compare(copy, MODELS) == copy.out
    told["protocol"]["description"] += " Others."
    path.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="different clips or folds"):
        compare(copy, MODELS)


def test_each_model_learns_from_its_own_features_unless_some_are_named(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "out", extractor="auto")
    made = configs(config, ["svm", "cnn2d"])
    assert {name: one.extractor_name for name, one in made.items()} == {"svm": "functionals", "cnn2d": "log-mel"}
    assert {name: one.out for name, one in made.items()} == {name: tmp_path / "out" / name for name in made}
    frames = replace(config, model="lstm", extractor="mfcc-frames")
    assert configs(frames, ["cnn2d"])["cnn2d"].extractor_name == "mfcc-frames"
    with pytest.raises(ConfigError, match="extractor is 'mfcc-frames'.*the model 'knn' is trained on.*to 'auto'"):
        compare(frames, ["cnn2d", "knn"])
    assert not (tmp_path / "out").exists()


def test_a_comparison_that_was_begun_with_the_classic_features_by_name_goes_on(tmp_path, manifest):
    config = toy.config(manifest, tmp_path / "out", extractor="functionals")
    open_folder(config, marker=MARKER, free=("model",))
    again = replace(config, model="cnn2d", extractor="auto")  # the model does not count, and "auto" is each one's own
    open_folder(again, marker=MARKER, free=("model",))
    assert 'extractor = "auto"' in (config.out / MARKER).read_text()
    with pytest.raises(ConfigError, match="extractor is 'auto' there and 'egemaps' here"):
        open_folder(replace(config, extractor="egemaps"), marker=MARKER, free=("model",))


def test_all_stands_for_every_model_and_an_unknown_one_is_refused_before_any_work(tmp_path, manifest):
    every = [name for name in registry.MODELS if name != "adaptive"]  # its encoder is downloaded
    config = toy.config(manifest, tmp_path / "out", extractor="auto")
    assert list(configs(config, "all")) == every
    assert next(iter(configs(config, ["resnet", "all"]))) == "resnet"
    assert sorted(configs(config, ["resnet", "all"])) == sorted(every)
    assert list(configs(config, ["all", "adaptive"])) == [*every, "adaptive"]
    with pytest.raises(ConfigError, match="unknown model 'svn'"):
        compare(toy.config(manifest, tmp_path / "out"), ["knn", "svn"])
    with pytest.raises(ConfigError, match="no model is named"):
        compare(toy.config(manifest, tmp_path / "out"), [])
    assert not (tmp_path / "out").exists()


def test_the_page_needs_no_network_and_names_the_best(compared):
    _, folder = compared
    html = (folder / "comparison.html").read_text()
    page = Page(html)
    links = [f"{name}/report.html" for name in MODELS]  # to the pages of the runs
    assert len(page.addresses) == 2 + len(links) and set(links) < set(page.addresses)
    assert all((folder / link).is_file() for link in links)
    pictures = [address for address in page.addresses if address not in links]
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    assert "script" not in page.tags
    assert not re.search(r"https?://|url\(|@import", html)
    told = json.loads((folder / "comparison.json").read_text())
    assert f"{told['best']}, UAR {100 * told['rows'][0]['uar']:.1f} %" in page.words
    assert "speaker-disjoint: no test speaker is heard in training" in page.words
    assert html.count("not significant<span") == len(told["rows"]) - 1
    assert "prefers-color-scheme: dark" in html and "@media print" in html
