"""Comparisons and evaluations: same clips for all, honest words on differences, and a page that needs no network."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from emotone import corpora, metrics
from emotone.errors import ConfigError, CorpusError
from emotone.experiment import compare, evaluate, folds
from emotone.experiment.compare import MARKER, _names, configs, open_folder
from emotone.metrics.significance import holm
from emotone.models import registry
from emotone.recognition.recognizer import Recognizer
from emotone.report.pages import comparison as compare_html
from support import toy_experiment as toy

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
        folder = compare(config, MODELS, lambda *step: told.append(step))
    assert [step[0] for step in told] == sorted(step[0] for step in told)
    assert told[-1][:2] == (1000, 1000)
    return config, folder


# comparison


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
    with pytest.raises(ConfigError, match="the corpus changed"):
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
    with pytest.raises(ConfigError, match="extractor is 'mfcc-frames'.*the model 'knn' learns from.*to 'auto'"):
        compare(frames, ["cnn2d", "knn"])
    assert not (tmp_path / "out").exists()


def test_a_comparison_that_was_begun_with_the_classic_features_by_name_goes_on(tmp_path, manifest):
    config = toy.config(manifest, tmp_path / "out", extractor="functionals")
    open_folder(config.out, config, marker=MARKER, free=("model",))
    again = replace(config, model="cnn2d", extractor="auto")  # the model does not count, and "auto" is each one's own
    open_folder(config.out, again, marker=MARKER, free=("model",))
    assert 'extractor = "auto"' in (config.out / MARKER).read_text()
    with pytest.raises(ConfigError, match="extractor is 'auto' there and 'egemaps' here"):
        open_folder(config.out, replace(config, extractor="egemaps"), marker=MARKER, free=("model",))


def test_all_stands_for_every_model_and_an_unknown_one_is_refused_before_any_work(tmp_path, manifest):
    assert _names("all") == [name for name in registry.MODELS if name != "adaptive"]  # its encoder is downloaded
    assert _names(["resnet", "all"])[0] == "resnet"
    assert sorted(_names(["resnet", "all"])) == sorted(_names("all"))
    assert _names(["all", "adaptive"]) == [*_names("all"), "adaptive"]
    with pytest.raises(ConfigError, match="unknown model 'svn'"):
        compare(toy.config(manifest, tmp_path / "out"), ["knn", "svn"])
    with pytest.raises(ConfigError, match="no model is named"):
        compare(toy.config(manifest, tmp_path / "out"), [])
    assert not (tmp_path / "out").exists()


def test_holm_keeps_the_order_and_never_exceeds_one():
    # by hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.9)
    found = holm({"d": 0.9, "b": 0.02, "a": 0.01, "c": 0.03})
    assert {name: round(p, 12) for name, p in found.items()} == {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.9}
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


# the page


class Page(HTMLParser):
    """Collects text, and every address that a browser would fetch."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.text, self.tags = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.text.append(data)


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
    text = " ".join("".join(page.text).split())
    told = json.loads((folder / "comparison.json").read_text())
    assert f"{told['best']}, UAR {100 * told['rows'][0]['uar']:.1f} %" in text
    assert "speaker-disjoint: no test speaker is heard in training" in text
    assert text.count("not told apart") == len(told["rows"]) - 1
    assert "prefers-color-scheme: dark" in html and "@media print" in html


def comparison(*, p_values, warning=""):
    """What comparison.json holds, of models a, b, ... by falling UAR."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    test = metrics.summary(truth, np.eye(2)[truth], emotions=["happy", "sad"], speakers=None, n_resamples=10)
    rows = []
    for place, p in enumerate([None, *p_values]):
        paired = None if p is None else {"difference": 0.1, "low": 0.02, "high": 0.2, "p_holm": p}
        row = {"model": "abc"[place], "description": "<b>bold</b> & brave", "best": p is None, "test": test}
        row |= {"significant": None if p is None else p < 0.05, "paired": paired}
        row |= {"family": "deep" if place == 2 else "classic", "extractor": "functionals"}
        rows.append(row | {"fit_s": 0.5, "bundle_mb": 2.0, "recognition_ms": 20.0})
    description = "name: 1 fold. Folds: drawn." + (f" {warning}." if warning else "")
    protocol = {"name": "name", "description": description, "warning": warning, "speaker_disjoint": not warning}
    return {"protocol": protocol, "best": "a", "level": 0.05, "rows": rows}


def test_a_difference_is_called_what_it_is_and_text_is_escaped():
    html = compare_html.page(comparison(p_values=(0.0005, 0.2)), comparison_png=b"1", confusion_png=b"2")
    assert 'below<span class="span">p &lt; 0.001</span>' in html
    assert 'not told apart<span class="span">p = 0.200</span>' in html
    assert html.count("not told apart<") == 1
    assert html.count('<span class="tag">network</span>') == 1
    assert html.index(">c</a> <span") < html.index('"tag">network<') < html.index("Recall of each")
    assert "c: the difference from a is not significant at 0.05" in " ".join(html.split())
    assert "<b>bold" not in html and "&lt;b&gt;bold&lt;/b&gt; &amp; brave" in html
    assert '+10.0<span class="span">+2.0 to +20.0</span>' in html
    assert 'class="warning"' not in html


def test_a_leak_is_told_on_top():
    warning = "WARNING: random split: 5 of 5 test speakers are also in training"
    html = compare_html.page(comparison(p_values=(), warning=warning), comparison_png=b"1", confusion_png=b"2")
    assert f'<p class="warning" role="alert">{warning}.</p>' in html
    assert html.index(warning) < html.index("<table>")
    with pytest.raises(ConfigError, match="no results"):
        compare_html.page(comparison(p_values=()) | {"rows": []}, comparison_png=b"", confusion_png=b"")


# evaluation


@pytest.fixture
def foreign(tmp_path, make_voice):
    """Another corpus, which has one emotion that the bundles lack and lacks one that they have."""
    pitch_hz = {"neutral": 140.0, "angry": 300.0, "sad": 90.0}
    return toy.write_corpus(tmp_path, make_voice, pitch_hz=pitch_hz, name="foreign")


def test_a_foreign_corpus_is_scored_over_the_emotions_that_both_know(compared, foreign, tmp_path):
    _, folder = compared
    out = tmp_path / "out"
    (tmp_path / "2-angry-1.wav").write_bytes(b"RIFF no sound")
    bundle = folder / "linear-svm" / "model"
    told = evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=out)
    assert told["emotions"] == ["neutral", "angry"]
    assert told["unknown"] == {"sad": 18}
    assert told["warning"] == ""
    assert [one["path"].rsplit("/")[-1] for one in told["rejected"]] == ["2-angry-1.wav"]
    assert told["n_clips"] == 35
    assert told["uar"] > 0.9
    assert told["protocol"]["speaker_disjoint"] is True
    assert json.loads((out / "metrics.json").read_text()) == told
    assert (out / "figures" / "confusion_test.png").read_bytes()[:4] == b"\x89PNG"
    table = pd.read_parquet(out / "predictions.parquet")
    recognizer = Recognizer(bundle)
    for _, row in table.iloc[::7].iterrows():
        scores = recognizer.predict(row["path"]).scores
        total = scores["neutral"] + scores["angry"]
        assert row["score_neutral"] == pytest.approx(scores["neutral"] / total)
        assert row["score_angry"] == pytest.approx(scores["angry"] / total)
    assert told["uar"] == pytest.approx(balanced_accuracy_score(table["emotion"], table["predicted"]))
    # again: the same; another bundle: refused
    assert evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=out) == told
    with pytest.raises(ConfigError, match="holds another evaluation"):
        evaluate(folder / "knn" / "model", (str(foreign),), tmp_path, channel="speech", out=out)


def test_a_bundle_on_what_it_was_trained_on_warns(compared, manifest):
    _, folder = compared
    told = evaluate(folder / "knn" / "model", (str(manifest),), manifest.parent, channel="speech")
    assert told["warning"].startswith("WARNING: the bundle was trained on toy")
    assert told["warning"] in told["protocol"]["description"]
    assert told["protocol"]["speaker_disjoint"] is False


def test_what_can_not_be_evaluated_is_refused(compared, foreign, tmp_path, make_voice):
    _, folder = compared
    bundle = folder / "knn" / "model"
    table = pd.read_csv(foreign)
    table[table["emotion"] != "angry"].to_csv(foreign, index=False)
    with pytest.raises(CorpusError, match="at least two emotions that both have"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech")
    table.to_csv(foreign, index=False)
    for path in tmp_path.glob("*.wav"):
        path.write_bytes(b"RIFF no sound")
    with pytest.raises(CorpusError, match="not one of 36 clips could be read"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="'notes.txt', and no evaluation"):
        evaluate(bundle, (str(foreign),), tmp_path, channel="speech", out=tmp_path / "mine")
    assert corpora.load((str(foreign),), tmp_path).emotions == ("neutral", "sad", "angry")
