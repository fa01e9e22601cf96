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


@pytest.mark.parametrize("brackets", [50_000, 900, files.MOST_LEVELS + 1], ids=str)
def test_json_and_toml_of_many_levels_are_refused(brackets):
    text = "[" * brackets + "1" + "]" * brackets
    with pytest.raises(ValueError, match="brackets are nested on more than 64 levels"):
        files.parse_json(text)
    with pytest.raises(ValueError, match="brackets are nested on more than 64 levels"):
        files.parse_toml(f"a = {text}")
    with pytest.raises(ValueError, match="more than 64 levels"):
        files.parse_json('{"a":' * brackets + "1" + "}" * brackets)


def test_json_and_toml_of_few_levels_are_read():
    text = "[" * files.MOST_LEVELS + "]" * files.MOST_LEVELS
    assert str(files.parse_json(text)) == text
    assert str(files.parse_toml(f"a = {text[1:-1]}")["a"]) == text[1:-1]
    assert str(files.parse_json(text.replace("[]", "[1]"))) == text.replace("[]", "[1]")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_json_has_finite_numbers_only(number):
    with pytest.raises(ValueError, match=f"{number} is not finite"):
        files.parse_json(f'{{"a": {number}}}')


def test_no_more_is_read_than_the_limit(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)
    with pytest.raises(OSError, match="it has 67,108,865 bytes, expected at most 67,108,864"):
        files.read_regular(path)
    path.write_bytes(b"12345")
    assert files.read_regular(path, most_bytes=5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, expected at most 4"):
        files.read_regular(path, most_bytes=4)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_that_the_system_writes_while_it_is_read_is_refused(tmp_path):
    with pytest.raises(OSError, match="changes, or is no file on a disk"):
        files.read_regular(Path("/proc/self/status"))
