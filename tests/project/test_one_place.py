"""One concept, one place: what has a single definition in the package is not defined a second time beside it."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from emotone._version import TAGLINE
from emotone.recognition.timeline_formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "emotone"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def modules_with(pattern: str) -> set[str]:
    """The modules whose text has a pattern."""
    return {name for name, text in SOURCES.items() if re.search(pattern, text, flags=re.MULTILINE)}


def texts(name: str) -> list[str]:
    """The texts in a module, without its docstrings."""
    tree = ast.parse(SOURCES[name])
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    docstrings = {id(node.body[0].value) for node in nodes if node.body and isinstance(node.body[0], ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return [node.value for node in found if isinstance(node.value, str)]


@pytest.mark.parametrize(
    ("function", "module"),
    [
        ("clock", "formatting.py"),
        ("percent", "formatting.py"),
        ("holm", "metrics/significance.py"),
        ("in_order", "emotions.py"),
        ("claim_folder", "files.py"),
        ("replacing", "files.py"),
    ],
)
def test_a_function_that_many_need_is_defined_once(function: str, module: str) -> None:
    assert modules_with(rf"^def _?{function}\(") == {module}


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"\bimport seaborn|\bfrom seaborn", set()),
        # the store keeps features; tracking looks whether a database of MLflow can be written, and keeps nothing
        (r"\bimport sqlite3", {"features/store_file.py", "experiment/tracking.py"}),
        (r"joblib\.Parallel", {"parallel/local.py"}),
        (r"\"macro_f1\"", {"metrics/scores.py", "metrics/__init__.py", "experiment/api.py"}),
        (r"f['\"]+<(?:p|div|span|table|tr|td|h\d|img|li|ul)\b|^import html\b", set()),
        (r"os\.replace\(temporary", {"files.py"}),
    ],
)
def test_only_one_module_does_it(pattern: str, allowed: set[str]) -> None:
    assert modules_with(pattern) <= allowed


@pytest.mark.slow
def test_names_and_suffixes_of_timeline_formats_are_in_their_table_alone() -> None:
    words = {".vtt", ".srt", ".TextGrid", ".eaf", "vtt", "srt", "audacity", "textgrid", "elan"}
    assert words <= {word for form in FORMATS.values() for word in (form.name, form.suffix)}
    assert {name for name in SOURCES if words & set(texts(name))} == {"recognition/timeline_formats.py"}


@pytest.mark.slow
def test_the_sentence_that_says_what_emotone_is_is_the_same_everywhere() -> None:
    assert {name for name in SOURCES if any(TAGLINE.rstrip(".") in text for text in texts(name))} == {"_version.py"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == TAGLINE
    assert SOURCES["__init__.py"].startswith(f'"""{TAGLINE}\n')
    others = ("README.md", "Dockerfile", "mkdocs.yml", "web/page/index.html", "web/page/manifest.webmanifest")
    for name in (*others, "web/README.md", "web/package.json", "CITATION.cff"):
        assert TAGLINE.rstrip(".") in (ROOT / name).read_text(encoding="utf-8"), name
