"""Every block of README and docs is run, in order, and prints what the document says; or it says why it is not run."""

import contextlib
import csv
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import emotone
from emotone.cli.main import app
from support.document_blocks import DOCUMENTS, ROOT, Block, blocks_of, commands_of, differences, reader

BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
#: Words of README.md, as `wc -w` counts them.
MOST_WORDS = 1_200


def ids(block: Block) -> str:
    return block.place


def test_readme_is_short_enough_to_be_read() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= MOST_WORDS, f"README.md has {len(words)} words; move what only some readers need to docs/"


def test_the_readme_names_the_shortest_way_to_a_first_answer() -> None:
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    assert recipe is not None and recipe[1] == "\t$(BIN)/emotone predict samples/*.wav\n"
    assert "`make demo` installs and predicts" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_terms_of_the_readme_are_explained_where_they_are_first_used() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for term, explained in (
        ("UAR", "unweighted average recall (**UAR**)"),
        ("bundle", "A trained model is a **bundle**"),
    ):
        first = text.index(term)
        assert text[: first + len(term)].endswith(explained.removesuffix(")").removesuffix("**")), term


def test_the_contents_of_readme_and_guide_are_their_headings() -> None:
    for document in ("README.md", "docs/guide.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.M)
        assert re.findall(r"^- \[(.+?)\]\(#[^)]+\)$", text, flags=re.M) == headings, document


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_reader_who_runs_every_block_sees_what_the_document_shows(document: str, tmp_path: Path) -> None:
    with reader(tmp_path) as following:
        for block in blocks_of(document):
            if not (block.not_run or block.run_by or block.is_install):
                following.run(block)


@pytest.mark.slow
def test_the_csv_of_the_readme_has_the_answers_of_the_table_above_it(tmp_path: Path) -> None:
    blocks = [block for block in blocks_of("README.md") if not block.is_install]
    (at,) = [n for n, block in enumerate(blocks) if block.text == "emotone predict samples/*.wav\n"]
    (block,) = [block for block in blocks if "--format csv" in block.text]
    with reader(tmp_path) as following:
        following.run(block)
    rows = list(csv.DictReader((tmp_path / "emotions.csv").open(encoding="utf-8", newline="")))
    written = [f"{row['file']} {row['label']} {100 * float(row['confidence']):.0f} %" for row in rows]
    table = [re.sub(r" [━─]+ ", " ", line) for line in blocks[at + 1].text.splitlines() if line.startswith("samples/")]
    shown = [" ".join(line.partition("%")[0].split()) + " %" for line in table]
    assert not differences("\n".join(written), "\n".join(shown))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.run_by], ids=ids)
def test_the_test_that_runs_a_block_names_its_document(block: Block) -> None:
    file = ROOT / block.run_by
    assert file.is_file(), f"{block.place}: {block.run_by} does not exist"
    helpers = [
        ROOT / "tests" / "support" / f"{name}.py" for name in re.findall(r"support import (\w+)", file.read_text())
    ]
    texts = [path.read_text(encoding="utf-8") for path in (file, *filter(Path.is_file, helpers))]
    assert any(Path(block.document).name in text for text in texts), f"{block.place}: {block.run_by} does not read it"


@pytest.mark.parametrize("block", [block for block in BLOCKS if commands_of(block)], ids=ids)
def test_every_command_has_only_options_and_values_that_exist(block: Block, tmp_path, monkeypatch) -> None:
    """Also of the blocks that are not run."""
    monkeypatch.chdir(ROOT)
    group = typer.main.get_command(app)
    for words in commands_of(block):
        command = group.get_command(typer.Context(group), words[0])
        assert command is not None, f"{block.place}: emotone {words[0]} is no command"
        with contextlib.suppress(FileNotFoundError):  # the user's own files
            command.make_context(f"emotone {words[0]}", list(words[1:]))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.is_install], ids=ids)
def test_what_is_installed_exists_and_is_constrained(block: Block) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in re.findall(r"^pip install (.+)$", block.text, flags=re.MULTILINE):
        constraints, target = re.fullmatch(r"-c (\S+) '?(\.[^']*)'?", line).groups()
        assert (ROOT / constraints).is_file(), f"{block.place}: {constraints} does not exist"
        named = target.strip(".[]").split(",") if target != "." else []
        assert set(named) <= extras.keys(), f"{block.place}: {target} names an extra that pyproject.toml lacks"


def test_no_block_shows_a_prompt() -> None:
    prompts = [block.place for block in BLOCKS if re.search(r"^\s*[$>] ", block.text, flags=re.MULTILINE)]
    assert not prompts, f"commands can't be pasted with a prompt: {', '.join(prompts)}"


def test_every_language_of_a_block_is_known() -> None:
    known = {"bash", "python", "py", "json", ""}
    wrong = [block.place for block in BLOCKS if block.language not in known and not (block.not_run or block.run_by)]
    assert not wrong, f"blocks of another language than {known}: {', '.join(wrong)}"


def test_the_table_of_extras_is_that_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [\d.,]+ [MG]B", (ROOT / "docs/guide.md").read_text(), flags=re.M)
    assert sorted(rows) == sorted(extras.keys() - {"dev", "docs", "notebooks"})
    readme = re.findall(r"^\| `(\w+)` \| .+? \| [\d.,]+ [MG]B \|$", (ROOT / "README.md").read_text(), flags=re.M)
    assert readme and set(readme) <= set(rows)


@pytest.mark.parametrize(
    ("printed", "written", "differs"),
    [
        ("a  b ━━━─── 66 %\n", "a b ━━━━── 68 %\n\n", False),
        ("a 66 %\n", "a 71 %\n", True),
        ("angry 66 %\n", "happy 66 %\n", True),
        ("a 66 %\nb 1\n", "a 66 %\n", True),
        ("a 66 %\n", "a 66 %\nb 1\n", True),
        ("a 6 6 %\n", "a 66 %\n", True),
    ],
)
def test_output_is_compared_in_words_and_within_the_spread_of_figures(printed, written, differs) -> None:
    assert bool(differences(printed, written)) == differs


def test_the_event_of_the_guide_has_the_keys_of_an_event() -> None:
    stream = emotone.Recognizer().stream(rate=16_000)
    events = stream.push(emotone.load_audio(ROOT / "samples" / "woman_plain.wav")) + stream.finish()
    event = next(event for event in events if event.kind == "emotion")
    (block,) = [
        block for block in blocks_of("docs/guide.md") if block.run_by == "tests/project/test_document_blocks.py"
    ]
    written = json.loads(block.text)
    assert list(written) == list(event.to_dict())
    assert all(type(written[key]) is type(event.to_dict()[key]) for key in ("time_s", "scores", "adapted", "notes"))


@pytest.mark.slow
def test_a_block_that_fails_is_an_error(tmp_path: Path) -> None:
    wrong = {
        "bash": "emotone predict gone.wav\n",
        "python": "import emotone\nemotone.load_audio('gone.wav')\n",
        "": "something else\n",
    }
    with reader(tmp_path) as following:
        following.run(Block("README.md", 1, "bash", "echo something\n", ""))
        for language, text in wrong.items():
            with pytest.raises((AssertionError, ValueError)):
                following.run(Block("README.md", 1, language, text, ""))
    assert sys.modules["emotone"]
