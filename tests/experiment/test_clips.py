"""A finished run is not the answer of a command on other clips."""

import os
import shutil
import sys
from dataclasses import replace

import pandas as pd
import pytest

from emotone.errors import ConfigError, CorpusWarning
from emotone.experiment import compare, run
from support import toy_experiment as toy

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def first(tmp_path_factory, make_voice):
    """The folder of a corpus, and a finished run on it."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        run(toy.config(toy.write_corpus(folder, make_voice), folder / "run", model="knn"))
    return folder


@pytest.fixture
def again(first, tmp_path):
    """The experiment; its folder is restored afterwards, with the times of the files."""
    shutil.copytree(first, tmp_path / "kept")
    yield toy.config(first / "toy.csv", first / "run", model="knn")
    shutil.rmtree(first)
    shutil.copytree(tmp_path / "kept", first)


def edit(config, change):
    path = config.data / "toy.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)


def without_four(table):
    return table.iloc[4:]


def with_other_labels(table):
    return table.replace({"emotion": {"happy": "sad"}})


def with_other_speakers(table):
    return table.replace({"speaker": {"s0": "s9"}})


def with_times(table):
    return table.assign(end=0.3)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (without_four, "a finished run on 54 clips, and there are 50 now; give another folder with --out"),
        (with_other_labels, "on these 54 clips with other labels, speakers, times or recordings; give another"),
        (with_other_speakers, "on these 54 clips with other labels"),
        (with_times, "on these 54 clips with other labels"),
    ],
)
def test_another_table_is_refused_and_the_run_stays(again, change, finding):
    before = (again.out / "metrics.json").read_bytes()
    edit(again, change)
    with pytest.raises(ConfigError, match=finding):
        run(again)
    assert (again.out / "metrics.json").read_bytes() == before


def test_another_recording_is_refused(again):
    shutil.copy(again.data / "0-happy-0.wav", again.data / "0-angry-0.wav")
    with pytest.raises(ConfigError, match="on these 54 clips with other labels, speakers, times or recordings"):
        run(again)


def test_recordings_that_swapped_their_names_are_refused(again):
    first, second = again.data / "0-happy-0.wav", again.data / "0-angry-0.wav"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(ConfigError, match="on these 54 clips with other labels, speakers, times or recordings"):
        run(again)


@pytest.mark.parametrize("content", ["{}", "[1]", "no JSON"])
def test_a_damaged_description_of_the_clips_is_not_compared(again, content):
    (again.out / "clips.json").write_text(content)
    assert run(again).folder == again.out


def test_files_that_were_copied_are_the_same_clips(again, monkeypatch):
    for path in again.data.glob("*.wav"):
        os.utime(path, (1_000_000, 1_000_000))
    monkeypatch.setattr(sys.modules["emotone.experiment.run"], "_run_group", None)  # nothing is trained
    assert run(again).folder == again.out


def test_the_folder_of_the_corpora_may_be_another(again, monkeypatch, tmp_path):
    """`EMOTONE_DATA` names one for every command, and a table has its recordings beside it."""
    monkeypatch.setattr(sys.modules["emotone.experiment.run"], "_run_group", None)
    assert run(replace(again, data=tmp_path)).folder == again.out


def test_a_run_without_its_clips_and_one_of_an_older_version_are_returned(again, monkeypatch):
    monkeypatch.setattr(sys.modules["emotone.experiment.run"], "_run_group", None)
    (again.data / "toy.csv").rename(again.data / "other.csv")
    with pytest.warns(CorpusWarning, match="its clips can't be read any more: .*toy.csv"):
        assert run(again).folder == again.out
    (again.data / "other.csv").rename(again.data / "toy.csv")
    (again.out / "clips.json").unlink()
    edit(again, without_four)
    assert run(again).folder == again.out


def test_models_of_a_comparison_are_of_the_same_clips(again, tmp_path):
    config = replace(again, out=tmp_path / "compared")
    compare(config, ["knn"])
    edit(config, with_other_labels)
    with pytest.raises(ConfigError, match="on these 54 clips with other labels"):
        compare(config, ["knn", "logistic-regression"])
