"""The JavaScript of docs/web.md and web/README.md runs as it stands there, with the package and a written page."""

import shutil
import subprocess

import pytest

from emotone.cli import web_folder
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER
from support.browser_page import SAMPLES, missing
from support.document_blocks import blocks_of

pytestmark = pytest.mark.slow
#: The reader's recordings, by their names in the documents.
RECORDINGS = {
    "clip.wav": "woman_lively.wav",
    "anna1.wav": "woman_plain.wav",
    "anna2.wav": "woman_subdued.wav",
    "meeting.wav": "man_plain.wav",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, runtime):
    """What a reader has: the installed package, a written page, recordings."""
    made = tmp_path_factory.mktemp("reader")
    web_folder.write(made / "site", bundle=DEFAULT_FOLDER, runtime=runtime)
    (made / "node_modules").mkdir()
    (made / "node_modules" / "emotone").symlink_to(runtime.parents[2])
    for name, sample in RECORDINGS.items():
        shutil.copy(SAMPLES / sample, made / name)
    return made


@pytest.mark.parametrize("document", ["docs/web.md", "web/README.md"])
def test_the_javascript_of_a_document_runs(folder, document):
    path = shutil.which("node") or missing("node")
    (block,) = [block for block in blocks_of(document) if block.language == "js"]
    program = folder / "program.mjs"
    program.write_text(block.text, encoding="utf-8")
    done = subprocess.run([path, program], cwd=folder, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    if document == "docs/web.md":
        expected = Recognizer().predict(folder / "clip.wav")
        assert done.stdout.startswith(f"{expected.label} 0.") and "WEBVTT" in done.stdout
        assert all(emotion in done.stdout for emotion in expected.scores)
