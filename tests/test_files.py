"""Output folders: what may be written, and what is refused with finding, expectation and remedy; regular files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emotone import files
from emotone.errors import ConfigError, ExportError


def test_a_missing_or_empty_folder_is_free(tmp_path):
    (tmp_path / ".cache").mkdir()
    for folder in (tmp_path / "new", tmp_path):
        assert files.claim_folder(folder, marker="config.toml", kind="a run") is False
    assert files.claim_folder(tmp_path / "new", parts=("model.onnx",), kind="a bundle") is False


def test_a_folder_with_the_marker_is_ours_unless_it_differs(tmp_path):
    (tmp_path / "config.toml").write_text("seed = 1")
    (tmp_path / "notes.txt").write_text("mine")
    assert files.claim_folder(tmp_path, marker="config.toml", kind="a run", difference=lambda path: "") is True
    message = f"'{tmp_path}' contains seed = 1; expected a new folder, an empty folder or a run: choose another"
    with pytest.raises(ConfigError) as error:
        files.claim_folder(
            tmp_path, marker="config.toml", kind="a run", difference=lambda path: f"contains {path.read_text()}"
        )
    assert str(error.value).startswith(message)


def test_other_contents_are_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"contains 'thesis.txt' and no config.toml; expected .* a run: choose"):
        files.claim_folder(tmp_path, marker="config.toml", kind="a run")
    with pytest.raises(ConfigError, match="is a file; expected a new folder"):
        files.claim_folder(tmp_path / "thesis.txt", marker="config.toml", kind="a run")


def test_a_folder_that_is_replaced_may_contain_nothing_but_its_parts(tmp_path):
    bundle, link = tmp_path / "bundle", tmp_path / "link"
    bundle.mkdir()
    link.symlink_to(bundle)
    arguments = {"parts": ("model.onnx", "card.json"), "kind": "a bundle", "error": ExportError, "remedy": "rename it"}
    (bundle / "card.json").write_text("{}")
    assert files.claim_folder(bundle, **arguments) is True
    with pytest.raises(ExportError, match="is a file or a link; expected .* a bundle: rename it"):
        files.claim_folder(link, **arguments)
    (bundle / ".git").mkdir()  # hidden files would be lost too
    with pytest.raises(ExportError, match="contains '.git'; expected"):
        files.claim_folder(bundle, **arguments)


def test_the_import_needs_no_numpy():
    code = "import sys, emotone.files; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_a_regular_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert files.read_regular(tmp_path / "link") == b"content"
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="expected a regular file"):
            files.read_regular(path)
    with pytest.raises(FileNotFoundError):
        files.read_regular(tmp_path / "missing")
