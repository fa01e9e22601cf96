"""The pages of the notebooks, and `scripts/render_notebooks.py`, which makes them."""

import io
import re
import sys

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

from emotone.report.figures.style import canvas, png
from support.notebooks import MACHINE, NAMES, new_notebook, rendering, source

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# The rendered pages in docs/notebooks.


@pytest.mark.parametrize("name", NAMES)
def test_page_was_made_from_the_notebook_as_it_is(name):
    text = (rendering.PAGES / f"{name}.md").read_text(encoding="utf-8")
    notebook = rendering.read(source(name))
    assert f"SHA-256 {rendering.digest(notebook)} " in text.splitlines()[-1], "render it again: make notebooks"
    for cell in notebook.cells:
        assert "\n".join(line.rstrip() for line in rendering.linked(cell.source).splitlines()) in text
    targets = re.findall(r"\]\((?!https://)([^)]+)\)", text)
    assert all((rendering.PAGES / target).is_file() for target in targets)


@pytest.mark.parametrize("name", NAMES)
def test_page_shows_its_pictures_and_no_folder_of_a_machine(name):
    text = (rendering.PAGES / f"{name}.md").read_text(encoding="utf-8")
    named = set(re.findall(rf'src="({name}_files/[^"]+)"', text))
    assert len(re.findall(r"<img ", text)) == len(named) > 0
    files = {f"{name}_files/{path.name}" for path in (rendering.PAGES / f"{name}_files").iterdir()}
    assert files == named
    assert all((rendering.PAGES / file).stat().st_size <= rendering.MOST_BYTES for file in named)
    assert MACHINE.search(text) is None
    assert "data:image" not in text and "Traceback" not in text


def test_pages_are_small():
    files = [path for path in rendering.PAGES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


# The script.


def test_parameters_replace_what_the_tagged_cell_sets_and_nothing_else():
    tagged = nbformat.v4.new_code_cell("A = 1\nB = 2", id="p", metadata={"tags": ["parameters"]})
    notebook = new_notebook(tagged, nbformat.v4.new_code_cell("print(A, B)", id="c"))
    changed = rendering.with_parameters(notebook, {"A": "x"})
    assert [cell.source for cell in changed.cells] == ["A = 1\nB = 2", "A = 'x'", "print(A, B)"]
    assert len(notebook.cells) == 2
    with pytest.raises(ValueError, match=r"does not set \['C'\]"):
        rendering.with_parameters(notebook, {"C": 1})
    with pytest.raises(ValueError, match="0 cells are tagged 'parameters'"):
        rendering.with_parameters(new_notebook(), {})


def test_digest_is_of_the_cells_and_not_of_their_outputs():
    cell = nbformat.v4.new_code_cell("1 + 1", id="c")
    before = rendering.digest(new_notebook(cell))
    cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="2")], 1
    assert rendering.digest(new_notebook(cell)) == before
    cell.source = "1 + 2"
    assert rendering.digest(new_notebook(cell)) != before


def test_a_page_has_separate_pictures_and_no_replaced_parameters():
    html = f'<div><style scoped>p {{}}</style><p class="x">Words</p>\n\n<img src="data:image/png;base64,{PIXEL}"></div>'
    code = nbformat.v4.new_code_cell("draw()", id="drawn")
    code.outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": "thing"}),
        nbformat.v4.new_output(
            "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"width": 30, "alt": "a dot"}}
        ),
    ]
    tagged = nbformat.v4.new_code_cell("OUT = 'runs'", id="p", metadata={"tags": ["parameters"]})
    notebook = new_notebook(nbformat.v4.new_markdown_cell("# Title", id="t"), tagged, code)
    text, pictures = rendering.page(rendering.with_parameters(notebook, {"OUT": "/tmp/somewhere"}), name="page")
    assert text.splitlines() == [
        *("# Title", "", "```python", "OUT = 'runs'", "```", "", "```python", "draw()", "```", ""),
        *("<p>Words</p>", '<img src="page_files/drawn-1.png">', ""),
        *('<img src="page_files/drawn-2.png" alt="a dot" width="30">', ""),
        f"<!-- made from the notebook with SHA-256 {rendering.digest(notebook)} by scripts/render_notebooks.py -->",
    ]
    assert sorted(pictures) == ["drawn-1.png", "drawn-2.png"]
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())


def test_writing_a_page_replaces_its_pictures_and_leaves_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "PAGES", tmp_path / "pages")
    rendering.write("old", {"a-1.png": b"a", "b-1.png": b"b"}, name="page")
    target = rendering.write("new", {"a-1.png": b"c"}, name="page")
    assert target.read_text() == "new"
    written = {path.relative_to(target.parent).as_posix() for path in target.parent.rglob("*")}
    assert written == {"page.md", "page_files", "page_files/a-1.png"}
    assert (target.parent / "page_files" / "a-1.png").read_bytes() == b"c"
    rendering.write("none", {}, name="page")
    assert [path.name for path in target.parent.iterdir()] == ["page.md"]


def test_what_cannot_be_rendered_is_refused_before_anything_runs(monkeypatch, capsys):
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    for arguments, reason in ((["05_none"], "there is no notebook '05_none'"), ([], "EMOTONE_DATA is not set")):
        with pytest.raises(SystemExit):
            rendering.main(arguments)
        assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_pictures_are_made_small_and_keep_their_colours():
    rng = np.random.default_rng(0)
    figure = canvas(width_inch=12, height_inch=6)
    axes = figure.add_subplot()
    axes.imshow(rng.normal(size=(150, 300)), cmap="magma", interpolation="bilinear")
    content = png(figure)
    small = rendering.small_png(content, most_bytes=300_000)
    assert len(small) <= 300_000 < len(content)

    def colours(png_bytes):
        with Image.open(io.BytesIO(png_bytes)) as picture:
            return np.asarray(picture.convert("RGB").resize((600, 300), Image.Resampling.BOX)).astype(float)

    difference = np.abs(colours(small) - colours(content))
    assert np.median(difference) < 3 and difference[0, 0].max() == 0  # white stays white
    with pytest.raises(ValueError, match="expected at most 500"):
        rendering.small_png(content, most_bytes=500)


@pytest.mark.slow
def test_a_cell_that_fails_raises():
    with pytest.raises(CellExecutionError, match="no such thing"):
        rendering.execute(new_notebook(nbformat.v4.new_code_cell("raise ValueError('no such thing')", id="c")))


@pytest.mark.slow
def test_kernels_are_this_interpreter_and_leave_the_users_folders_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    executed = rendering.execute(
        new_notebook(nbformat.v4.new_code_cell("import sys, os\nprint(sys.executable, os.getcwd())"))
    )
    assert executed.cells[0].outputs[0].text.split() == [sys.executable, str(rendering.NOTEBOOKS)]
    assert list(tmp_path.rglob("*")) == []
