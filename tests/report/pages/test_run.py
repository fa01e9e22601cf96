"""The page of a run: its numbers are the run's, it needs only the run directory, and older runs have one too."""

import json
import re
import shutil

import pytest

from emotone.cli import report
from emotone.errors import ConfigError
from emotone.report.pages import run as run_html
from support import finished_runs, other_corpora
from support.html_page import Page

pytestmark = pytest.mark.slow

NEW = ("importance.csv", "errors", "risk_coverage.csv", "groups.csv", "report.html")


def quiet(done, total, what):
    """Progress that no one reads."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    return finished_runs.make(tmp_path_factory, make_voice)


@pytest.fixture(scope="module")
def page(finished):
    return Page((finished[0] / "disjoint" / "report.html").read_text())


def test_a_run_ends_with_a_page_that_refers_to_nothing_outside(finished, page):
    html = (finished[0] / "disjoint" / "report.html").read_text()
    own = [address for address in page.addresses if address.startswith("#")]
    assert len(own) > 8 and {address[1:] for address in own} <= set(page.ids)
    rest = [address for address in page.addresses if not address.startswith("#")]
    assert all(re.match(r"data:(image/svg\+xml|image/png|audio/mpeg);base64,", address) for address in rest)
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


def test_a_box_warns_of_shared_speakers(finished):
    html = (finished[0] / "leaking" / "report.html").read_text()
    assert re.search(r'<p class="warning" role="alert">WARNING: random split: \d of \d test speakers are also', html)
    assert html.index("WARNING") < html.index("<nav")


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert (
        sum(address.startswith("data:image/svg+xml") for address in page.addresses) == 3
    )  # confusion twice, reliability
    card = (old / "model" / "card.json").read_text()
    (old / "model" / "card.json").write_text(json.dumps(json.loads(card) | {"training": {"corpora": [7]}}))
    with pytest.raises(ConfigError, match=r"card\.json: training\.corpora\[0\] is 7, expected an object"):
        run_html.page(old)
    (old / "model" / "card.json").unlink()
    assert "Settings" in Page(run_html.page(old)).words


def test_a_run_without_other_corpora_says_so_at_the_top(page):
    top = page.words[: page.words.index("Highest recall")]
    assert re.search(
        r"On new speakers of the corpora it was trained on, the model is right about \d+ % of the time \(UAR, .*?\)\. "
        r"On corpora it was not trained on: not measured\.",
        top,
    )
    assert page.words.count("on corpora it was not trained on: not measured.") == 2  # calibration, threshold
    assert "elsewhere" not in page.ids


def test_scores_on_other_corpora_are_at_the_top_and_in_a_section(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished[0] / "disjoint", run)
    told = json.loads((run / "metrics.json").read_text())
    told["elsewhere"] = other_corpora.figures()
    told["elsewhere"]["corpora"][0]["name"] = "<first>"
    (run / "metrics.json").write_text(json.dumps(told))
    shown = Page(run_html.page(run))
    assert "not measured" not in shown.words
    top = shown.words[: shown.words.index("Highest recall")]
    assert "On corpora it was not trained on, the model is right about 55 % of the time (UAR, mean of 2 corpora" in top
    assert "elsewhere" in shown.ids and "#elsewhere" in shown.addresses
    assert "<first> 50.0 58.0 67.0 51.0 10.0 1,440 24 8 second 60.0" in " ".join(shown.words.split())
    assert f"Protocol: {other_corpora.PROTOCOL}." in shown.words and "66 % of them are right" in shown.words
    told["elsewhere"]["corpora"][0]["uar"] = None
    (run / "metrics.json").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match=r"metrics\.json: elsewhere\.corpora\[0\]\.uar is None, expected a number"):
        run_html.page(run)


def test_no_run_an_unfinished_one_and_a_comparison_are_told_apart(finished, tmp_path):
    with pytest.raises(ConfigError, match="is not there; expected a run directory"):
        run_html.page(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"holds no config.toml; expected the --out folder of 'emotone train'"):
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
    with pytest.raises(ConfigError, match="the run is not finished; repeat the same 'emotone train'"):
        report.run([begun], out=None, progress=quiet)
    shutil.copytree(finished[0] / "disjoint", tmp_path / "several" / "knn")
    (tmp_path / "several" / "comparison.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds a comparison.*such as .*knn"):
        run_html.page(tmp_path / "several")
    with pytest.raises(ConfigError, match="is a folder; expected the name of the page"):
        report.run([finished[0] / "disjoint"], out=tmp_path, progress=quiet)
