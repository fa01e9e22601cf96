"""The page of a run: its numbers are the run's, it needs nothing but the run directory, and older runs have one too."""

import base64
import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotone import audio, metrics
from emotone.cli import report
from emotone.errors import ConfigError
from emotone.experiment import run
from emotone.experiment.analyses import worst_errors
from emotone.metrics import scores as reliability_scores
from emotone.report.figures import reliability
from emotone.report.pages import run as run_html
from emotone.report.pages.worst_errors import spectrogram, spectrogram_picture
from emotone.runs import comparison as several
from emotone.runs import folder as run_folder
from support import toy_experiment as toy

NEW = ("importance.csv", "errors", "risk_coverage.csv", "groups.csv", "report.html")


def quiet(done, total, what):
    """Progress that nobody listens to."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    """A run with wrong answers, made of labels of no sense; its corpus is gone."""
    folder = tmp_path_factory.mktemp("corpus")
    manifest = toy.write_corpus(folder, make_voice, shuffled=True)
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, out / "disjoint")
        run(config)
        run(replace(config, out=out / "leaking", protocol="random-80-20"))
        run(replace(config, out=out / "other", model="linear-svm", seed=0))
    sounds = {row["path"]: audio.read(row["path"]) for _, row in worst_of(out / "disjoint").iterrows()}
    shutil.rmtree(folder)
    return out, sounds


def worst_of(folder):
    return worst_errors.worst(pd.read_parquet(folder / "predictions.parquet"))


class Page(HTMLParser):
    """Collects text, and every address that a browser would fetch or follow."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.text, self.tags, self.ids = [], [], [], []
        self.feed(html)
        self.words = " ".join(" ".join(self.text).split()).replace(" ,", ",")

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(finished):
    return Page((finished[0] / "disjoint" / "report.html").read_text())


# the page


def test_a_run_ends_with_a_page_that_refers_to_nothing_outside(finished, page):
    html = (finished[0] / "disjoint" / "report.html").read_text()
    own = [address for address in page.addresses if address.startswith("#")]
    assert len(own) > 8 and {address[1:] for address in own} <= set(page.ids)
    rest = [address for address in page.addresses if not address.startswith("#")]
    assert all(re.match(r"data:(image/png|audio/mpeg);base64,", address) for address in rest)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_page_says_what_metrics_json_holds(finished, page):
    told = json.loads((finished[0] / "disjoint" / "metrics.json").read_text())
    test = told["test"]
    interval = test["interval"]
    line = f"UAR {100 * test['uar']:.1f} % (95 % interval {100 * interval['low']:.1f} to {100 * interval['high']:.1f} %"
    assert line in page.words
    assert "speaker-disjoint: no test speaker is heard in training" in page.words
    assert "WARNING" not in page.words
    for score in ("uar", "accuracy", "macro_f1"):
        for subset in ("test", "validation"):
            assert f"{100 * told[subset][score]:.1f}" in page.words
    for emotion, recall in test["per_class"]["recall"].items():
        assert re.search(rf"{emotion} {100 * recall:.1f}", page.words)
    assert "54 test clips of 6 speakers, pooled over 6 folds; guessing gives 33.3 %." in page.words
    assert "Not kept" not in page.words


def test_a_shared_speaker_is_told_of_in_a_box(finished):
    html = (finished[0] / "leaking" / "report.html").read_text()
    assert re.search(r'<p class="warning" role="alert">WARNING: random split: \d of \d test speakers are also', html)
    assert html.index("WARNING") < html.index("<nav")


def test_the_page_is_rebuilt_from_the_directory_alone_and_the_same_each_time(finished, tmp_path):
    original = finished[0] / "disjoint"
    copy = tmp_path / "elsewhere" / "disjoint"
    shutil.copytree(original, copy)
    first = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    assert report.run([copy], out=None, progress=quiet) == copy / "report.html"
    assert (copy / "report.html").read_bytes() == first
    assert report.run([copy], out=tmp_path / "a page.html", progress=quiet).read_bytes() == first
    assert not [path for path in copy.rglob("*") if path.name.startswith(".")]


def test_an_older_run_has_a_page_that_says_what_is_missing(finished, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(finished[0] / "disjoint", old)
    for name in NEW:
        shutil.rmtree(old / name) if (old / name).is_dir() else (old / name).unlink()
    shutil.rmtree(old / "figures")
    told = json.loads((old / "metrics.json").read_text())
    del told["unsure"], told["groups"]
    for fold in told["folds"]:
        del fold["temperature"]
    (old / "metrics.json").write_text(json.dumps(told))
    page = Page(run_html.page(old))
    # risk, groups, confidence before calibration, importance, errors
    assert page.words.lower().count("not kept in this run") == 5
    assert f"UAR {100 * told['test']['uar']:.1f} %" in page.words
    assert sum(address.startswith("data:image/png") for address in page.addresses) == 3  # confusion twice, reliability
    (old / "model" / "card.json").unlink()
    assert "How it was made" in Page(run_html.page(old)).words


def test_no_run_an_unfinished_one_and_a_comparison_are_told_apart(finished, tmp_path):
    with pytest.raises(ConfigError, match="is not there; expected a run directory"):
        run_html.page(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"holds no config.toml; expected the folder that emotone train"):
        run_html.page(tmp_path)
    begun = tmp_path / "begun"
    shutil.copytree(finished[0] / "disjoint", begun)
    (begun / "metrics.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"metrics.json lacks validation.uar"):
        run_html.page(begun)
    (begun / "metrics.json").write_text("{")
    with pytest.raises(ConfigError, match=r"metrics.json can't be read"):
        run_html.page(begun)
    (begun / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="the run is not finished; give the same emotone train again"):
        report.run([begun], out=None, progress=quiet)
    shutil.copytree(finished[0] / "disjoint", tmp_path / "several" / "knn")
    (tmp_path / "several" / "comparison.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds a comparison.*such as .*knn"):
        run_html.page(tmp_path / "several")
    with pytest.raises(ConfigError, match="is a folder; expected the name of the page"):
        report.run([finished[0] / "disjoint"], out=tmp_path, progress=quiet)


# its numbers


def test_the_errors_are_the_most_confident_wrong_answers(finished):
    out, sounds = finished
    table = pd.read_parquet(out / "disjoint" / "predictions.parquet")
    wrong = table[(table["subset"] == "test") & (table["predicted"] != table["emotion"])]
    kept = pd.read_csv(out / "disjoint" / "errors" / "errors.csv")
    assert len(kept) == 10 < len(wrong)
    assert kept["confidence"].tolist() == pytest.approx(sorted(wrong["confidence"], reverse=True)[:10])
    assert (kept["labelled"] != kept["predicted"]).all()
    by_row = wrong.set_index("row")
    for _, one in kept.iterrows():
        clip = by_row.loc[one["row"]]
        assert (clip["emotion"], clip["predicted"], clip["path"]) == (one["labelled"], one["predicted"], one["path"])
        assert one["labelled_score"] == pytest.approx(clip[f"score_{clip['emotion']}"])
        sound, heard = sounds[one["path"]], audio.read(out / "disjoint" / "errors" / one["file"])
        assert one["seconds"] == pytest.approx(sound.size / audio.SAMPLE_RATE)
        n = min(sound.size, heard.size)
        assert np.corrcoef(sound[:n], heard[:n])[0, 1] > 0.95  # lossy, and not shifted


def test_equally_confident_errors_come_by_row():
    table = pd.DataFrame({"row": [3, 1, 2, 0], "confidence": [0.5, 0.9, 0.5, 1.0], "subset": "test"})
    table["emotion"], table["predicted"] = "sad", ["happy", "happy", "happy", "sad"]
    assert worst_errors.worst(table)["row"].tolist() == [1, 2, 3]
    assert worst_errors.worst(table, n_most=2)["row"].tolist() == [1, 2]
    assert worst_errors.worst(table.assign(subset="validation")).empty


def test_the_page_plays_the_files_that_were_kept(finished, page):
    folder = finished[0] / "disjoint" / "errors"
    sounds = [address for address in page.addresses if address.startswith("data:audio/mpeg")]
    files = sorted(folder.glob("*.mp3"))
    assert [base64.b64decode(address.split(",")[1]) for address in sounds] == [file.read_bytes() for file in files]
    first = pd.read_csv(folder / "errors.csv").iloc[0]
    assert (
        f"1. {first['labelled']} taken for {first['predicted']}, {100 * first['confidence']:.0f} % sure" in page.words
    )


def test_the_spectrogram_has_a_tone_where_it_is():
    t = np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE
    samples = np.where(t < 0.5, 0.5 * np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)
    level = spectrogram(samples)
    assert level.shape == (96, 200)
    hz = np.geomspace(60, 8000, 96)
    assert hz[level[:, 50].argmax()] == pytest.approx(1000, rel=0.04)
    assert level.max() == 0 and level[:, 150].max() == -70
    axes = spectrogram_picture(samples, width_s=3.0).axes[0]
    assert (axes.get_xlim(), axes.images[0].get_extent()[1]) == ((0.0, 3.0), 1.0)
    assert axes.get_xlabel() == "time, s"


def test_reliability_bins_equal_a_hand_computation():
    confidence = [0.55, 0.58, 0.91, 0.95, 0.97]
    scores = np.array([[c, 1 - c] for c in confidence])
    truth = np.array([0, 1, 0, 0, 1])
    low, high, top = reliability.bins(truth, scores)  # (8, 9], (13, 14] and (14, 15] fifteenths
    assert (low["count"], low["accuracy"], low["confidence"]) == (2, 0.5, pytest.approx(0.565))
    z = 1.959964
    centre, half = (0.5 + z**2 / 4) / (1 + z**2 / 2), z * math.sqrt(0.25 / 2 + z**2 / 16) / (1 + z**2 / 2)
    assert (low["low"], low["high"]) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert [(row["count"], row["accuracy"]) for row in (high, top)] == [(1, 1.0), (2, 0.5)]


@pytest.mark.parametrize(
    ("hits", "n", "interval"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (50, 100, (0.4038, 0.5962)), (0, 0, (0.0, 1.0))],
)
def test_wilson_intervals_are_those_of_the_tables(hits, n, interval):
    assert reliability_scores.wilson(hits, n) == pytest.approx(interval, abs=1e-4)


def test_calibration_is_undone_by_the_kept_temperature(finished):
    run = run_folder.read(finished[0] / "disjoint")
    truth, scores = run.answers("test")
    assert metrics.expected_calibration_error(truth, scores) == pytest.approx(run.metrics["test"]["ece"])
    before = run.uncalibrated("test")
    tested = run.predictions[run.predictions["subset"] == "test"]
    for fold in run.metrics["folds"]:
        rows = (tested["fold"] == fold["fold"]).to_numpy()
        again = metrics.apply_temperature(np.maximum(before[rows], 1e-300), fold["temperature"])
        np.testing.assert_allclose(again, scores[rows], atol=1e-6)
    assert not np.allclose(before, scores)


def test_the_reliability_picture_has_every_bin_with_its_interval(finished):
    run = run_folder.read(finished[0] / "disjoint")
    truth, scores = run.answers("test")
    figure = reliability.reliability_picture(truth, scores, before=None, protocol=run.metrics["protocol"])
    upper, lower = figure.axes
    rows = reliability.bins(truth, scores)
    drawn = upper.lines[-1]
    np.testing.assert_allclose(drawn.get_xdata(), [100 * row["confidence"] for row in rows])
    np.testing.assert_allclose(drawn.get_ydata(), [100 * row["accuracy"] for row in rows])
    spans = [sorted(line.get_ydata()) for line in upper.lines[1:-1]]
    np.testing.assert_allclose(spans, [[100 * row["low"], 100 * row["high"]] for row in rows])
    assert sum(patch.get_height() for patch in lower.patches) == truth.size
    assert f"off by {100 * run.metrics['test']['ece']:.1f} points" in figure._suptitle.get_text()


def test_importance_is_of_the_test_clips_of_every_fold(finished):
    table = pd.read_csv(finished[0] / "disjoint" / "importance.csv")
    told = json.loads((finished[0] / "disjoint" / "metrics.json").read_text())
    assert table["group"].tolist() == ["mel bands"] * 6
    assert table["fold"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["uar"].tolist() == pytest.approx([fold["uar"] for fold in told["folds"]])


# several runs


def test_runs_of_other_clips_are_told_apart_and_those_of_the_same_are_tested(finished, tmp_path):
    out, _ = finished
    folders = [out / "disjoint", out / "leaking", out / "other", out / "disjoint"]
    told = several.told(folders)
    assert [[row["name"] for row in group["rows"]] for group in told["groups"]] in (
        [["disjoint", "other"], ["leaking"]],
        [["other", "disjoint"], ["leaking"]],
    )
    first = told["groups"][0]
    best, other = first["rows"]
    assert best["test"]["uar"] >= other["test"]["uar"] and best["paired"] is None
    assert other["paired"]["difference"] == pytest.approx(best["test"]["uar"] - other["test"]["uar"])
    assert told["settings"] == {
        "model": {"disjoint": "knn", "leaking": "knn", "other": "linear-svm"},
        "protocol": {"disjoint": "speaker-6fold", "leaking": "random-80-20", "other": "speaker-6fold"},
    }
    path = report.run(folders, out=tmp_path / "all.html", progress=quiet)
    page = Page(path.read_text())
    assert "2 kinds that can not be compared with each other" in page.words
    assert "WARNING: random split" in page.words
    assert not re.search(r"https?://|url\(|@import|<script", path.read_text())
    for name in ("disjoint", "leaking", "other"):
        value = json.loads((out / name / "metrics.json").read_text())["test"]["uar"]
        assert re.search(rf"{name} .*?{100 * value:.1f}", page.words)
    links = [address for address in page.addresses if address.endswith("report.html")]
    assert {(tmp_path / link).resolve() for link in links} == {
        out / name / "report.html" for name in ("disjoint", "leaking", "other")
    }


def test_several_runs_go_to_the_present_folder_unless_told_otherwise(finished, tmp_path, monkeypatch):
    out, _ = finished
    monkeypatch.chdir(tmp_path)
    assert report.run([out / "disjoint", out / "other"], out=None, progress=quiet) == Path("runs.html")
    words = Page((tmp_path / "runs.html").read_text()).words
    assert words.startswith("2 runs") and "can not be compared" not in words


def test_settings_that_are_the_same_are_left_out():
    configs = {"a": {"seed": 0, "out": "x", "tune": True}, "b": {"seed": 0, "out": "y", "tune": False, "epochs": 3}}
    assert several.different_settings(configs) == {"tune": {"a": "yes", "b": "no"}, "epochs": {"a": "–", "b": "3"}}
