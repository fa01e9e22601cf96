"""The command that writes a page: what it copies, what it replaces, and what it refuses."""

import json
import re
from pathlib import Path

import pytest

from emotone.cli import web_folder
from emotone.recognition import card, trust
from emotone.recognition.session import DEFAULT_FOLDER
from support import handmade
from support.command_line import run

RUNTIME_NAMES = web_folder.RUNTIME_FILES


@pytest.fixture
def runtime(tmp_path):
    """A runtime that no test here runs."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in RUNTIME_NAMES:
        (folder / name).write_text("runs a graph")
    return folder


@pytest.fixture
def write(tmp_path, bundle, runtime):
    """A function that writes the page of a small model."""

    def writing(*more):
        return run("web", tmp_path / "site", "--model", bundle, "--runtime", runtime, *more)

    return writing


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_page_has_all_files_and_its_service_worker_keeps_them(tmp_path, write):
    result = write()
    assert result.exit_code == 0, result.output
    site = tmp_path / "site"
    names = names_in(site)
    worker = (site / "service-worker.js").read_text()
    kept = json.loads(re.search(r"FILES = (\[.*\]);", worker)[1])
    assert set(kept) == (names | {"./"}) - {"service-worker.js", web_folder.MARKER}
    assert re.search(r'VERSION = "[0-9a-f]{16}";', worker)
    html = (site / "index.html").read_text()
    for name in re.findall(r'(?:src|href)="([\w/.-]+)"', html):
        assert name in names, name
    assert {f"model/{name}" for name in ("card.json", "model.onnx", "silero_vad.onnx")} <= names
    assert {f"runtime/{name}" for name in RUNTIME_NAMES} <= names
    for script in (name for name in names if name.endswith(".js") and name.startswith(("lib/", "page/"))):
        for imported in re.findall(r'from "(\.[^"]+)"', (site / script).read_text()):
            assert (site / script).parent.joinpath(imported).is_file(), f"{script} imports {imported}"


def test_the_page_allows_its_own_address_only(tmp_path, write):
    write()
    html = (tmp_path / "site" / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert (
        policy.startswith("default-src 'none'")
        and "http" not in policy
        and "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
    )
    assert "unsafe-inline" not in policy and not re.search(r' style="| on\w+="', html)


def test_a_page_is_replaced_and_its_version_changes_with_the_model(tmp_path, write, runtime):
    write()
    worker = tmp_path / "site" / "service-worker.js"
    first = worker.read_text()
    assert write().exit_code == 0
    assert worker.read_text() == first
    other = handmade.write(tmp_path / "other", content=handmade.graph(speech=True))
    assert run("web", tmp_path / "site", "--model", other, "--runtime", runtime).exit_code == 0
    assert worker.read_text() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "other", "site"]


def test_other_files_are_not_replaced(tmp_path, write):
    site = tmp_path / "site"
    site.mkdir()
    (site / "thesis.txt").write_text("years")
    result = write()
    assert result.exit_code == 1 and "'thesis.txt'" in result.output
    (site / "thesis.txt").unlink()
    write()
    (site / "mine.txt").write_text("kept")
    result = write()
    assert result.exit_code == 1 and "'mine.txt'" in result.output
    assert (site / "mine.txt").read_text() == "kept"


def test_hidden_files_and_the_folder_itself_stay(tmp_path, write, monkeypatch):
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / ".git" / "HEAD").write_text("ref")
    inode = site.stat().st_ino
    monkeypatch.chdir(site)
    for _ in range(2):
        assert write().exit_code == 0
        assert (site / ".git" / "HEAD").read_text() == "ref" and site.stat().st_ino == inode
    assert sorted(path.name for path in site.iterdir() if path.name.startswith(".")) == [".git"]


def test_a_page_whose_writing_was_interrupted_is_written_again(tmp_path, write, monkeypatch):
    site = tmp_path / "site"
    write()
    worker, replace = (site / "service-worker.js").read_text(), Path.replace

    def interrupted(path, target):
        if path.name == "service-worker.js":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    assert write().exit_code != 0
    assert (site / "service-worker.js").read_text() == worker  # the page as browsers have it
    monkeypatch.undo()
    assert write().exit_code == 0
    assert names_in(site) == set(json.loads((site / web_folder.MARKER).read_text())["files"])


def test_files_that_a_page_no_longer_has_are_removed(tmp_path, write):
    site = tmp_path / "site"
    write()
    marker = json.loads((site / web_folder.MARKER).read_text())
    (site / "earlier").mkdir()
    (site / "earlier" / "a.js").write_text("")
    (tmp_path / "mine.txt").write_text("kept")
    listed = [*marker["files"], "earlier/a.js", "../mine.txt"]
    (site / web_folder.MARKER).write_text(json.dumps(marker | {"files": listed}))
    assert write().exit_code == 0
    assert not (site / "earlier").exists() and (tmp_path / "mine.txt").exists()


def test_without_the_runtime_it_says_how_to_get_it(tmp_path, bundle):
    result = run("web", tmp_path / "site", "--model", bundle, "--runtime", tmp_path / "none")
    assert result.exit_code == 1
    assert "npm install onnxruntime-web@" in result.output and "--runtime" in result.output
    assert not (tmp_path / "site").exists()


def test_a_damaged_model_and_one_without_a_graph_of_features_are_refused(tmp_path, bundle, runtime):
    damaged = handmade.write(tmp_path / "damaged", sha256="0" * 64)
    other = handmade.write(tmp_path / "features", extractor={"name": "egemaps", "digest": "0" * 64, "graph": False})
    for model, words in ((damaged, "SHA-256"), (other, "no browser")):
        result = run("web", tmp_path / "site", "--model", model, "--runtime", runtime)
        assert result.exit_code == 1 and words in result.output, result.output
        assert not (tmp_path / "site").exists()


def test_the_page_says_how_often_the_built_in_model_is_right_with_both_figures():
    described = card.read(DEFAULT_FOLDER)
    facts, known = web_folder.facts(described, adapts=True), trust.of_card(described)
    assert [figure["right"] for figure in facts["figures"]] == [known.near.uar, known.far.uar]
    assert facts["right"] == list(known.right)
    assert set(facts["colours"]) == {*described["emotions"], "unsure", "no speech"}
