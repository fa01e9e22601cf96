"""The npm package: its own tests, its types, and that it is of the same version as the Python package."""

import json
from pathlib import Path

import pytest

from emotone import __version__

WEB = Path(__file__).parents[2] / "web"


@pytest.mark.slow
def test_its_own_tests_pass(node):
    printed = node("--test", *sorted(str(path) for path in (WEB / "test").glob("*.test.js")))
    assert "# fail 0" in printed and "# skipped 0" in printed


@pytest.mark.slow
def test_typescript_accepts_the_types_and_refuses_wrong_uses(node):
    node("node_modules/typescript/bin/tsc", "--project", "types")


def test_its_version_is_that_of_emotone_and_others_are_exact():
    package = json.loads((WEB / "package.json").read_text())
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert package["version"] == lock["version"] == __version__
    others = package["dependencies"] | package["devDependencies"]
    assert others and all(version.replace(".", "").isdigit() for version in others.values())


def test_its_lock_file_names_no_host():
    text = (WEB / "package-lock.json").read_text()
    assert (
        '"integrity"' in text and '"resolved"' not in text and "://" not in text.replace("https://opencollective", "")
    )
