"""The model by which MLflow calls a bundle: its inputs, and its table."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from emotone.errors import ConfigError
from emotone.integrations.mlflow import _load_pyfunc
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="module")
def model():
    return _load_pyfunc(str(DEFAULT_FOLDER))


def test_each_recording_is_a_row_with_the_answer_of_the_recognizer(model):
    clips = [SAMPLES / "woman_lively.wav", SAMPLES / "man_plain.wav"]
    answers = list(Recognizer().predict_many(clips))
    table = model.predict(clips)
    scores = [f"score_{emotion}" for emotion in answers[0].scores]
    assert list(table) == ["emotion", "label", "confidence", *scores]
    assert list(table["label"]) == [answer.label for answer in answers]
    assert list(table["emotion"].fillna("")) == [answer.emotion or "" for answer in answers]
    assert table[scores].to_numpy().tolist() == [list(answer.scores.values()) for answer in answers]
    assert table.equals(model.predict(pd.DataFrame({"path": map(str, clips), "more": 1}), params={}))
    assert model.predict([]).empty


@pytest.mark.parametrize("wrong", ["clip.wav", b"clip", 7, [7], {"path": ["clip.wav"]}])
def test_what_is_no_list_of_paths_says_what_is_expected(model, wrong):
    with pytest.raises(ConfigError, match="expected a list of paths of recordings, or a table with a column 'path'"):
        model.predict(wrong)


def test_a_table_without_paths_says_which_column_it_lacks(model):
    with pytest.raises(ConfigError, match=r"the table has the columns \['file'\]; expected 'path'"):
        model.predict(pd.DataFrame({"file": ["clip.wav"]}))


def test_the_module_imports_neither_mlflow_nor_pandas():
    code = "import sys, emotone.integrations.mlflow; print({'mlflow', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
