"""Run a notebook with other parameters, and read what its cells show."""

import json
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import render_notebooks as rendering  # noqa: E402

NAMES = ("01_explore", "02_features_happy_sad", "03_train_tune_compare", "04_your_voice")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: An absolute path of a machine: usual names of the root folder, but not part of a web address.
MACHINE = re.compile(r"(?<![\w./:])/(?:bin|data|etc|home|mnt|opt|private|root|srv|tmp|usr|var|work|Users)/|[A-Z]:\\")


def source(name):
    return rendering.NOTEBOOKS / f"{name}.ipynb"


def run_notebook(name, ask, *, cache, **parameters):
    """Execute a notebook with other parameters; return the values of expressions at its end, and the notebook."""
    notebook = rendering.with_parameters(rendering.read(source(name)), parameters)
    expressions = ", ".join(f"{key!r}: {expression}" for key, expression in ask.items())
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({{{expressions}}}))", id="asked"))
    environment = {"EMOTONE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    executed = rendering.execute(notebook, environment=environment, limit_s=600)
    outputs = [(cell.id, output) for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output for _, output in outputs if output.get("name") == "stderr"] == []  # no warnings
    # a kernel may send what a cell prints in several parts
    return json.loads("".join(output.text for cell, output in outputs if cell == "asked")), executed


def outputs_of(notebook, cell_id):
    """Return the outputs of a cell: MIME type -> data."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return [output.data for output in cell.outputs if "data" in output]


def new_notebook(*cells):
    """Return a notebook with the metadata of the stored ones."""
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata.update(METADATA)
    return notebook
