"""The documents: every path, link, `make` verb and package that they name exists."""

import ast
import re
from pathlib import Path

import pytest

from emotone.cli.main import COMMANDS
from emotone.recognition.timeline_formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "emotone"
#: Folders that a path in a document may start from.
BASES = (ROOT, PACKAGE, ROOT / "tests")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/concepts/*.md",
        "docs/how-to/*.md",
        "samples/*.md",
        "benchmarks/*.md",
        "notebooks/*.md",
    )
    for path in ROOT.glob(pattern)
)
#: Documents whose paths are those of the repository; a changelog also names paths of earlier versions.
WITH_PATHS = [name for name in DOCUMENTS if name != "CHANGELOG.md"]
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:[\w-]+/)+[\w.-]+\.(?:py|md|ipynb|toml|j2|js|css)")
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s#]*)(#[^)\s]+)?\)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
ROW = re.compile(r"^\| \d \| (?P<rooms>[^|]+) \| (?P<contents>[^|]+) \|$", re.MULTILINE)


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def exists(path: str) -> bool:
    return any((base / path).exists() for base in BASES)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", WITH_PATHS)
def test_every_path_exists(document: str) -> None:
    named = {path for code in CODE.findall(read(document)) for path in PATH.findall(code)}
    named = {path for path in named if not path.startswith(("runs/", "data/")) and "NAME" not in path}  # users' own
    missing = sorted(path for path in named if not exists(path))
    assert not missing, f"{document} names {', '.join(missing)}, which is neither in the repository nor in src/emotone"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    dead = []
    for path, anchor in LINK.findall(read(document)):
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(path + anchor)
    assert not dead, f"{document} links to {', '.join(dead)}, which does not exist"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_of_every_document_compiles_and_its_imports_of_emotone_exist(document: str) -> None:
    for block in PYTHON.findall(read(document)):
        for node in ast.walk(ast.parse(block, document)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("emotone."):
                continue
            file = PACKAGE.parent / Path(*node.module.split("."))
            sources = [path for path in (file.with_suffix(".py"), file / "__init__.py") if path.is_file()]
            assert sources, f"{document} imports {node.module}, which does not exist"
            names = {word for path in sources for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
            assert {alias.name for alias in node.names} <= names, f"{document} imports what {node.module} has not"


@pytest.mark.parametrize("document", [*DOCUMENTS, "Makefile"])
def test_every_make_verb_exists(document: str) -> None:
    verbs = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), flags=re.MULTILINE))
    text = read(document)
    named = {verb for code in CODE.findall(text) for verb in re.findall(r"^make ([a-z-]+)", code)}
    named |= set(re.findall(r"^(?:    )?make ([a-z-]+)", text, flags=re.MULTILINE))
    assert named <= verbs, f"{document} names make {', '.join(sorted(named - verbs))}; Makefile has no such verb"


def test_the_map_names_every_package_and_only_modules_that_exist() -> None:
    rows = list(ROW.finditer(read("docs/architecture.md")))
    rooms = {room.rstrip("/") for row in rows for room in CODE.findall(row["rooms"])}
    there = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")} - {"data", "py.typed"}
    assert rooms == there, f"the map and src/emotone differ in {', '.join(sorted(rooms ^ there))}"
    missing = []
    for row in rows:
        (room, *others) = CODE.findall(row["rooms"])
        for name in CODE.findall(row["contents"]):
            if not others and re.fullmatch(r"[a-z_]+/?", name):
                file, folder = PACKAGE / room / f"{name}.py", PACKAGE / room / name
                missing += [f"{room}{name}"] if not (file.is_file() or folder.is_dir()) else []
    assert not missing, f"the map names {', '.join(missing)}, which src/emotone has not"


def test_a_row_of_the_map_that_names_modules_names_all() -> None:
    missing = []
    for row in ROW.finditer(read("docs/architecture.md")):
        (room, *others) = CODE.findall(row["rooms"])
        named, folder = set(CODE.findall(row["contents"])), PACKAGE / room
        modules = {path.stem for path in folder.glob("[a-z]*.py")} - (COMMANDS.keys() if room == "cli/" else set())
        if not others and named & modules:
            missing += [f"{room}{name}" for name in modules - named]
    assert not missing, f"the map lacks {', '.join(sorted(missing))}"


def test_there_is_a_test_folder_for_every_package_and_no_other() -> None:
    tested = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    }
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    extra = tested - packages - {"fuzz", "project", "support", "web"}
    assert not extra, f"tests/ has folders for no package: {', '.join(sorted(extra))}"
    assert not packages - tested, f"packages without a folder in tests/: {', '.join(sorted(packages - tested))}"


def test_the_guide_lists_every_timeline_format() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\.[\w.]+)` \| .+ \| (yes|no) \|$", read("docs/guide.md"), flags=re.MULTILINE)
    forms = [form for form in FORMATS.values() if form.name != "json"]
    assert rows == [(form.name, form.suffix, "no" if form.is_single else "yes") for form in forms]
    (line,) = re.findall(r"^timeline\.save\(.+$", read("docs/api.md"), flags=re.MULTILINE)
    assert all(form.suffix in line for form in FORMATS.values())
