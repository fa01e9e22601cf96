"""The command that installs a missing extra: it follows where Emotone was installed from, and never an index."""

import json
import re
import shutil
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from emotone import errors
from emotone.errors import MissingExtraError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def is_activated(monkeypatch):
    """Make `pip` on PATH the one of this environment, as in one that is activated."""
    monkeypatch.setattr(shutil, "which", lambda name: str(Path(sys.executable).with_name(name)))


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """Make the installed package contain its constraints, as a wheel does; return their folder."""
    folder = tmp_path / "site-packages" / "emotone" / "data"
    folder.mkdir(parents=True)
    for name in ("constraints.txt", "constraints-pipecat.txt"):
        (folder / name).write_text("")
    monkeypatch.setattr(errors, "_PACKAGED", folder)
    return folder


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


def test_a_wheel_is_installed_with_the_constraints_in_it(installed_from, packaged, tmp_path):
    (tmp_path / "emotone.whl").touch()
    installed_from({"url": (tmp_path / "emotone.whl").as_uri(), "archive_info": {}})
    url = (tmp_path / "emotone.whl").as_uri()
    assert remedy() == f"pip install -c {packaged}/constraints.txt 'emotone[train] @ {url}'"
    hint = errors.how_to_install("pipecat")
    assert hint == f"pip install -c {packaged}/constraints-pipecat.txt 'emotone[pipecat] @ {url}'"


def test_a_checkout_has_newer_constraints_than_the_package(installed_from, packaged, tmp_path):
    (tmp_path / "constraints.txt").write_text("")
    installed_from({"url": tmp_path.as_uri(), "dir_info": {}})
    assert remedy() == f"pip install -c {tmp_path}/constraints.txt '{tmp_path}[train]'"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        {"url": "file:///gone/checkout", "dir_info": {}},
        {"url": "file:///gone/emotone.whl", "archive_info": {}},
    ],
)
def test_without_the_origin_the_packages_of_the_extra_are_named(monkeypatch, packaged, origin):
    """A package index may have another project under the name emotone; the packages themselves are well known."""

    class Made:
        requires = [
            "numpy>=2.0",
            "fsspec>=2024.6; extra == 'cloud'",
            "matplotlib>=3.9; extra == 'train'",
            "ray[data]>=2.50; python_version > '3' and extra == \"train\"",
        ]

        def read_text(self, name):
            return json.dumps(origin) if origin else None

    monkeypatch.setattr(metadata, "distribution", lambda name: Made())
    hint = remedy()
    assert hint == f"pip install -c {packaged}/constraints.txt 'matplotlib>=3.9' 'ray[data]>=2.50'"


def test_the_pip_is_that_of_the_environment_of_emotone(installed_from, monkeypatch, tmp_path):
    installed_from({"url": "https://example.org/emotone.whl", "archive_info": {}})
    for elsewhere in ("/usr/bin/pip", None):  # the environment is not activated
        monkeypatch.setattr(shutil, "which", lambda name, found=elsewhere: found)
        assert remedy() == f"{sys.executable} -m pip install 'emotone[train] @ https://example.org/emotone.whl'"


def test_every_extra_has_a_hint_that_names_packages_and_not_emotone(monkeypatch, packaged):
    """By the extras of this project, whose origin is unknown."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    class Made:
        requires = [f"{package}; extra == '{extra}'" for extra, packages in extras.items() for package in packages]

        def read_text(self, name):
            return None

    monkeypatch.setattr(metadata, "distribution", lambda name: Made())
    for extra, packages in extras.items():
        words = errors.how_to_install(extra).replace("'", "").split()
        assert words[:3] == ["pip", "install", "-c"] and words[4:] == packages


def test_the_wheel_is_built_with_both_constraints():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packaged = {
        name: f"emotone/{errors._PACKAGED.name}/{name}" for name in ("constraints.txt", "constraints-pipecat.txt")
    }
    assert packaged.items() <= build["force-include"].items()
    assert all((ROOT / name).exists() for name in build["force-include"])


def test_a_newer_version_comes_from_the_same_place(installed_from):
    installed_from({"url": "file:///code/emotone", "dir_info": {}})
    assert errors.how_to_update() == "install a newer version of Emotone from file:///code/emotone"
    installed_from(None)
    assert errors.how_to_update() == "install a newer version of Emotone from where it was installed from"


def test_no_text_of_the_package_installs_emotone_by_its_name_alone():
    by_name = re.compile(r"pip install(?: -\S+)* '?emotone(?!\S* @ )")
    for path in (ROOT / "src").rglob("*.py"):
        assert not by_name.search(path.read_text(encoding="utf-8")), path
    assert by_name.search("pip install --upgrade emotone") and not by_name.search("pip install 'emotone[x] @ git+x'")


def test_a_message_that_quotes_a_huge_file_is_cut_in_the_middle():
    for kind in (errors.CorpusError, errors.HubError, errors.EmotoneError):
        error = kind("begin " + "x" * 10_000_000 + " remedy")
        assert str(error).startswith("begin xx") and str(error).endswith("xx remedy") and len(str(error)) < 5_000
    assert str(errors.CorpusError("x" * 4_000)) == "x" * 4_000
