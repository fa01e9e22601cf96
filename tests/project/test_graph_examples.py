"""The programs of docs/how-to/graph.md: the files in docs/examples, run on a sample, give the scores of Python."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import emotone
from support.browser_page import missing

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import run_examples  # noqa: E402

pytestmark = pytest.mark.slow
#: Where Debian's package libonnxruntime-dev has its headers, and where .ci/run puts them.
HEADERS = (Path("/usr/include/onnxruntime"), Path("/usr/local/include/onnxruntime"))
#: How far a score of WebAssembly may be from that of Python: products of 8 bits round in other ways (docs/web.md).
OF_WASM = 0.02


def distance(scores: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(scores, run_examples.scores_in_python(), strict=True))


def test_the_javascript_runs_with_the_runtime_of_browsers(tmp_path: Path) -> None:
    """The very file: its package `onnxruntime-node` is here a package that hands on onnxruntime-web."""
    node = shutil.which("node") or missing("node")
    runtime = ROOT / "web" / "node_modules" / "onnxruntime-web"
    if not runtime.is_dir():
        missing("onnxruntime-web ('make web' gets it)")
    package = tmp_path / "node_modules" / "onnxruntime-node"
    package.mkdir(parents=True)
    (tmp_path / "node_modules" / "onnxruntime-web").symlink_to(runtime.resolve())
    (package / "package.json").write_text(json.dumps({"name": "onnxruntime-node", "main": "index.mjs"}))
    (package / "index.mjs").write_text('export * from "onnxruntime-web";\n')
    program = shutil.copy(run_examples.EXAMPLES / "emotion.mjs", tmp_path)
    scores = run_examples.scores_of([node, str(program)])
    assert sum(scores) == pytest.approx(1, abs=1e-4)
    assert distance(scores) < OF_WASM


def test_the_cpp_is_compiled_without_a_warning_and_runs(tmp_path: Path) -> None:
    include = next((folder for folder in HEADERS if (folder / "onnxruntime_cxx_api.h").is_file()), None)
    if include is None or shutil.which("g++") is None:
        pytest.skip("needs g++ and the headers of ONNX Runtime (package libonnxruntime-dev of Debian 13)")
    program = run_examples.compiled(tmp_path, include=include, library=run_examples.library_of_python())
    assert distance(run_examples.scores_of([str(program)], library=tmp_path)) < run_examples.TOLERANCE


def test_scores_without_preparation_are_as_near_to_those_of_emotone_as_the_page_says() -> None:
    prepared = list(emotone.Recognizer().predict(run_examples.SAMPLE).scores.values())
    page = (ROOT / "docs/how-to/graph.md").read_text(encoding="utf-8")
    (most,) = re.findall(r"their scores are up to (0\.\d\d) away", page)
    assert round(distance(prepared), 2) <= float(most)


@pytest.mark.parametrize("distant", [False, True])
def test_the_script_fails_if_a_program_has_other_scores(monkeypatch, tmp_path, capsys, distant) -> None:
    expected = run_examples.scores_in_python()
    monkeypatch.setattr(run_examples, "scores_of", lambda command: [score + 0.1 * distant for score in expected])
    monkeypatch.setattr(sys, "argv", ["run_examples.py", "--node", str(tmp_path)])
    assert run_examples.main() == int(distant)
    assert "JavaScript: 8 scores" in capsys.readouterr().out and not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", ["run_examples.py"])
    assert run_examples.main() == 1, "no program was run"
