"""The model by which MLflow calls a bundle: its inputs, and its table."""

import subprocess
import sys

import pandas as pd
import pytest

from emotone.audio import write_wav
from emotone.errors import ConfigError
from emotone.integrations.mlflow import _load_pyfunc
from support import handmade


@pytest.fixture
def clips(tmp_path):
    paths = []
    for name, level in (("sad", 0.02), ("unsure", 0.1), ("angry", 0.18)):
        write_wav(tmp_path / f"{name}.wav", handmade.tone(level))
        paths.append(tmp_path / f"{name}.wav")
    return paths


def test_each_recording_is_a_row(tmp_path, clips):
    model = _load_pyfunc(str(handmade.write(tmp_path / "b")))
    table = model.predict(clips)
    assert list(table) == ["emotion", "label", "confidence", *(f"score_{name}" for name in handmade.EMOTIONS)]
    assert list(table["label"]) == ["sad", "unsure", "angry"] and table["emotion"].isna().tolist() == [0, 1, 0]
    assert table.equals(model.predict(pd.DataFrame({"path": map(str, clips), "more": 1}), params={}))
    assert model.predict([]).empty


@pytest.mark.parametrize("wrong", ["clip.wav", b"clip", 7, [7], {"path": ["clip.wav"]}])
def test_what_is_no_list_of_paths_says_what_is_expected(tmp_path, wrong):
    model = _load_pyfunc(str(handmade.write(tmp_path / "b")))
    with pytest.raises(ConfigError, match="expected a list of paths of recordings, or a table with a column 'path'"):
        model.predict(wrong)
    with pytest.raises(ConfigError, match=r"the table has the columns \['file'\]; expected 'path'"):
        model.predict(pd.DataFrame({"file": ["clip.wav"]}))


def test_the_module_imports_neither_mlflow_nor_pandas():
    code = "import sys, emotone.integrations.mlflow; print({'mlflow', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
