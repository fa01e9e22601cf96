"""The command that installs a missing extra: it follows where Emotone was installed from, and never an index."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from emotone.errors import MissingExtraError


@pytest.fixture
def installed_from(monkeypatch):
    """Make `importlib.metadata` say that Emotone was installed from this origin (the text of direct_url.json)."""

    def install(origin):
        class Made:
            def read_text(self, name):
                assert name == "direct_url.json"
                return origin if origin is None or isinstance(origin, str) else json.dumps(origin)

        monkeypatch.setattr(metadata, "distribution", lambda name: Made())

    return install


def remedy():
    return str(MissingExtraError("training", extra="train")).partition("which is not installed: ")[2]


@pytest.mark.parametrize(("editable", "flag"), [(True, "-e "), (False, "")])
def test_a_checkout_is_installed_again_with_its_constraints(installed_from, tmp_path, editable, flag):
    installed_from({"url": tmp_path.as_uri(), "dir_info": {"editable": editable}})
    assert remedy() == f"pip install {flag}'{tmp_path}[train]'"
    (tmp_path / "constraints.txt").write_text("")
    assert remedy() == f"pip install -c {tmp_path}/constraints.txt {flag}'{tmp_path}[train]'"
    (tmp_path / "constraints-pipecat.txt").write_text("")
    assert remedy() == f"pip install -c {tmp_path}/constraints.txt {flag}'{tmp_path}[train]'"
    (tmp_path / "constraints-train.txt").write_text("")
    assert remedy() == f"pip install -c {tmp_path}/constraints-train.txt {flag}'{tmp_path}[train]'"


def test_a_folder_with_a_space_is_quoted(installed_from):
    installed_from({"url": Path("/my code/emotone").as_uri(), "dir_info": {}})
    assert remedy() == "pip install '/my code/emotone[train]'"


def test_a_repository_is_named_with_its_commit(installed_from):
    vcs = {"vcs": "git", "commit_id": "abc"}
    installed_from({"url": "https://example.org/e.git", "vcs_info": vcs, "subdirectory": "python"})
    assert remedy() == "pip install 'emotone[train] @ git+https://example.org/e.git@abc#subdirectory=python'"


def test_an_archive_is_named(installed_from):
    installed_from({"url": "https://example.org/emotone.whl", "archive_info": {}})
    assert remedy() == "pip install 'emotone[train] @ https://example.org/emotone.whl'"


def test_a_fragment_and_a_subdirectory_are_both_kept(installed_from):
    installed_from({"url": "https://example.org/e.zip#egg=e", "archive_info": {}, "subdirectory": "python"})
    assert remedy() == "pip install 'emotone[train] @ https://example.org/e.zip#egg=e&subdirectory=python'"
    installed_from({"url": Path("/code/all").as_uri(), "dir_info": {}, "subdirectory": "emotone"})
    assert remedy() == "pip install '/code/all/emotone[train]'"


@pytest.mark.parametrize(
    "origin",
    [
        *(None, "", "no json", "[]", "{}"),
        {"url": "", "archive_info": {}},
        {"url": "file:///code", "dir_info": None},
        {"url": "https://example.org/e.git", "vcs_info": {"vcs": "git"}},
    ],
)
def test_without_an_origin_no_index_is_named(installed_from, origin):
    installed_from(origin)
    assert remedy() == "install the extra 'train' from where Emotone was installed from"
    assert "pip install" not in remedy()


def test_without_metadata_no_index_is_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert remedy() == "install the extra 'train' from where Emotone was installed from"
