"""The application as a whole."""

import subprocess
import sys

import pytest

from support import handmade


@pytest.mark.slow
def test_without_the_page_gradio_is_not_imported(tmp_path):
    bundle = handmade.write(tmp_path / "b")
    script = (
        "import sys; from emotone import Recognizer; from emotone.serve import create_app; "
        f"create_app(Recognizer({str(bundle)!r})); print([one for one in sys.modules if one.startswith('gradio')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
