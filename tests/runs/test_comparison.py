"""Comparing finished runs: those of the same clips are tested, others are only listed."""

import json
import re
from pathlib import Path

import pytest

from emotone.cli import report
from emotone.runs import compare_runs, folders_of
from emotone.runs.comparison import different_settings
from support import finished_runs
from support.html_page import Page

pytestmark = pytest.mark.slow


def quiet(done, total, what):
    """Progress that no one reads."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    return finished_runs.make(tmp_path_factory, make_voice)


def test_runs_of_the_same_clips_are_tested_and_others_form_another_group(finished, tmp_path):
    out, _ = finished
    folders = [out / "disjoint", out / "leaking", out / "other", out / "disjoint"]
    told = compare_runs(folders)
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
    assert "2 groups that cannot be compared with each other" in page.words
    assert "WARNING: random split" in page.words
    assert not re.search(r"https?://|url\(|@import|<script", path.read_text())
    for name in ("disjoint", "leaking", "other"):
        value = json.loads((out / name / "metrics.json").read_text())["test"]["uar"]
        assert re.search(rf"{name} .*?{100 * value:.1f}", page.words)
    links = [address for address in page.addresses if address.endswith("report.html")]
    assert {(tmp_path / link).resolve() for link in links} == {
        out / name / "report.html" for name in ("disjoint", "leaking", "other")
    }


def test_the_runs_of_a_comparison_are_named_by_folder_protocol_and_model(tmp_path):
    out, rows = tmp_path / "two", [{"model": "svm"}, {"model": "knn"}]
    out.mkdir()
    (out / "comparison.json").write_text(json.dumps({"rows": rows}))
    assert folders_of(out) == {"two/svm": out / "svm", "two/knn": out / "knn"}
    (out / "comparison.json").write_text(json.dumps({"rows": rows[:1], "protocols": [{"name": "a"}, {"name": "b"}]}))
    assert folders_of(out) == {"two/a/svm": out / "a" / "svm", "two/b/svm": out / "b" / "svm"}


def test_the_page_of_several_runs_is_in_the_present_folder_by_default(finished, tmp_path, monkeypatch):
    out, _ = finished
    monkeypatch.chdir(tmp_path)
    assert report.run([out / "disjoint", out / "other"], out=None, progress=quiet) == Path("runs.html")
    words = Page((tmp_path / "runs.html").read_text()).words
    assert words.startswith("2 runs") and "cannot be compared" not in words


def test_settings_that_are_the_same_are_left_out():
    configs = {"a": {"seed": 0, "out": "x", "tune": True}, "b": {"seed": 0, "out": "y", "tune": False, "epochs": 3}}
    assert different_settings(configs) == {"tune": {"a": "yes", "b": "no"}, "epochs": {"a": "–", "b": "3"}}
