"""Execute the notebooks and write each as a page of the documents: ``docs/notebooks/NAME.md``, with its pictures.

Run as ``EMOTONE_DATA=DIR python scripts/render_notebooks.py [NAME ...]``, where DIR holds ``ravdess/``; all notebooks
if none is named.  Features are kept where `emotone.features.store.default_folder` says.  The notebooks themselves stay
as they are, without outputs; each page ends with a digest of the notebook that it was made from.
"""

import argparse
import base64
import copy
import hashlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PAGES = ROOT / "docs" / "notebooks"
PARAMETERS = "parameters"  # tag of the cell whose values may be replaced
GIVEN = "given"  # id of the cell that replaces them
MOST_BYTES = 120_000  # of a picture
WIDTHS = (1200, 1080, 960, 860, 760)  # dots, tried one after the other until a picture is small enough
COLOURS = 256
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
_STYLE = re.compile(r"<style[^>]*>.*?</style>|<div>|</div>| (?:border|class|style)=\"[^\"]*\"", re.DOTALL)
_DIGEST = "<!-- made from the notebook with SHA-256 {} by scripts/render_notebooks.py -->"


class ThisPython(KernelSpecManager):
    """Starts kernels with the interpreter that runs this, whatever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the kernel of this interpreter."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


def read(path: Path) -> NotebookNode:
    """Read a notebook, and check that it is one."""
    notebook: NotebookNode = nbformat.read(path, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def digest(notebook: NotebookNode) -> str:
    """Hash the kind and source of every cell, but not its outputs."""
    content = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(content.encode()).hexdigest()


def with_parameters(notebook: NotebookNode, values: Mapping[str, Any]) -> NotebookNode:
    """Put a cell that sets values after the one tagged "parameters", and return a new notebook.

    Raises
    ------
    ValueError
        There is no such cell, or it does not set one of these names.
    """
    changed = copy.deepcopy(notebook)
    place = _parameters(changed)
    unknown = [name for name in values if not _sets(changed, name)]
    if unknown:
        raise ValueError(f"the cell tagged {PARAMETERS!r} does not set {unknown}; expected names that it sets")
    replacement = copy.deepcopy(changed.cells[place])
    replacement.id, replacement.source = GIVEN, "\n".join(f"{name} = {value!r}" for name, value in values.items())
    changed.cells.insert(place + 1, replacement)
    return changed


def execute(
    notebook: NotebookNode, *, environment: Mapping[str, str] | None = None, limit_s: int = 900
) -> NotebookNode:
    """Run every cell in a kernel of this interpreter, in the notebooks' folder; the result has the outputs.

    Nothing is read from or written to the user's folders for Jupyter and IPython.

    Parameters
    ----------
    environment
        Variables that are set for the kernel, besides this process' own.
    limit_s
        Seconds that one cell may take.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised; the message has its source and the traceback.
    """
    run = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory() as folder:
        own = {name: folder for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
        # sockets in a new folder: no port that another process may take or listen to
        manager = AsyncKernelManager(
            kernel_spec_manager=ThisPython(), connection_file=f"{folder}/kernel.json", transport="ipc", ip=f"{folder}/s"
        )
        client = NotebookClient(run, km=manager, timeout=limit_s, resources={"metadata": {"path": str(NOTEBOOKS)}})
        client.execute(cleanup_kc=True, env=dict(os.environ) | own | dict(environment or {}))
    return run


def page(notebook: NotebookNode, *, name: str) -> tuple[str, dict[str, bytes]]:
    """Write an executed notebook as Markdown.

    Parameters
    ----------
    notebook
        With its outputs.
    name
        Of the page, without suffix: its pictures are in ``NAME_files/``.

    Returns
    -------
    The page, and its pictures: name of the file -> bytes of a PNG.
    """
    pictures: dict[str, bytes] = {}
    shown = copy.deepcopy(notebook)
    shown.cells = [cell for cell in shown.cells if cell.id != GIVEN]
    for cell in shown.cells:
        for output in cell.get("outputs", []):
            _as_html(output, f"{name}_files", stem=cell.id, pictures=pictures)
    body, _ = MarkdownExporter().from_notebook_node(shown)  # type: ignore[no-untyped-call]
    lines = [line.rstrip() for line in body.strip().splitlines()]
    text = linked(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))
    return f"{text}\n\n{_DIGEST.format(digest(shown))}\n", pictures


def linked(text: str) -> str:
    """Change the links of a notebook so that they work from its page in docs/notebooks."""
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text).replace("](README.md)", "](../../notebooks/README.md)")
    return text.replace("](../docs/", "](../")


def small_png(content: bytes, *, most_bytes: int = MOST_BYTES) -> bytes:
    """Make a picture small: `COLOURS` colours, none of them far off, and as wide as ``most_bytes`` lets it be.

    Raises
    ------
    ValueError
        At the smallest of `WIDTHS` it still has more bytes.
    """
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    for width in WIDTHS:
        smaller = picture
        if picture.width > width:
            smaller = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        target = io.BytesIO()
        reduced = smaller.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        reduced.save(target, format="PNG", optimize=True)
        if target.tell() <= most_bytes:
            return target.getvalue()
    raise ValueError(f"a picture has {target.tell():,} bytes {width} dots wide; expected at most {most_bytes:,}")


def _as_html(output: NotebookNode, folder: str, *, stem: str, pictures: dict[str, bytes]) -> None:
    """Take the pictures out of one output, and what pages of the documents don't show."""

    def taken(content: bytes) -> str:
        number = sum(1 for file in pictures if file.startswith(f"{stem}-")) + 1
        file = f"{stem}-{number}.png"
        pictures[file] = small_png(content)
        return f"{folder}/{file}"

    data = output.get("data", {})
    if "image/png" in data:
        shape = output.get("metadata", {}).get("image/png", {})
        width = f' width="{shape["width"]}"' if "width" in shape else ""
        source = taken(base64.b64decode(data["image/png"]))
        output["data"] = {"text/html": f'<img src="{source}" alt="{shape.get("alt", "")}"{width}>'}
    elif "text/html" in data:
        html = _PICTURE.sub(lambda match: taken(base64.b64decode(match[1])), data["text/html"])
        one_line = re.sub(r">\s+<", "><", _STYLE.sub("", html).strip())  # a blank line would end the HTML
        output["data"] = {"text/html": re.sub(r"(?=<(?:tr|p|img|details)\b)", "\n", one_line).strip()}


def write(text: str, pictures: Mapping[str, bytes], *, name: str) -> Path:
    """Write a page and its pictures, and remove pictures that it no longer has."""
    PAGES.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=PAGES, prefix=f".{name}-"))
    try:
        for file, content in pictures.items():
            (staged / file).write_bytes(content)
        staged.chmod(0o755)
        folder = PAGES / f"{name}_files"
        shutil.rmtree(folder, ignore_errors=True)
        if pictures:
            staged.replace(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    target = PAGES / f"{name}.md"
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """Render the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description="Execute notebooks and write them as pages of the documents.")
    known = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)}; all if none is named")
    names = parser.parse_args(arguments).names or known
    for name in names:
        if name not in known:
            parser.error(f"there is no notebook {name!r}; expected some of {', '.join(known)}")
    if not os.environ.get("EMOTONE_DATA"):
        parser.error("EMOTONE_DATA is not set; expected the folder that holds ravdess/")
    for name in names:
        notebook = read(NOTEBOOKS / f"{name}.ipynb")
        with tempfile.TemporaryDirectory() as out:
            values = {"OUT": out} if _sets(notebook, "OUT") else {}
            text, pictures = page(execute(with_parameters(notebook, values)), name=name)
        print(f"{write(text, pictures, name=name).relative_to(ROOT)}: {len(pictures)} pictures", flush=True)


def _parameters(notebook: NotebookNode) -> int:
    tagged = [at for at, cell in enumerate(notebook.cells) if PARAMETERS in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"{len(tagged)} cells are tagged {PARAMETERS!r}; expected one")
    return tagged[0]


def _sets(notebook: NotebookNode, name: str) -> bool:
    return re.search(rf"^{name} = ", notebook.cells[_parameters(notebook)].source, re.MULTILINE) is not None


if __name__ == "__main__":
    main()
