"""`load`: one or several names or paths, a channel, some emotions."""

from pathlib import Path

import pandas as pd
import pytest

from emotone.corpora import load
from emotone.errors import CorpusError
from support.corpus_files import plant


def test_relative_data_folder_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "emodb", "03a01Wa.wav")
    monkeypatch.chdir(tmp_path)
    assert list(load("emodb", Path(".")).table["path"]) == [str(tmp_path / "emodb/03a01Wa.wav")]


def test_several_corpora_and_a_manifest_make_one(tmp_path: Path) -> None:
    plant(tmp_path, "emodb/03a01Wa.wav", "emodb/03a01La.wav", "tess/OAF_back_ps.wav", "calls/x.wav")
    (tmp_path / "calls/calls.csv").write_text("file,emotion,speaker,gender\nx.wav,joy,anna,f\n")
    corpus = load(["tess", "emodb", "calls/calls.csv"], tmp_path)
    assert corpus.name == "tess+emodb+calls"
    assert corpus.emotions == ("happy", "angry", "surprised", "boredom")
    assert corpus.speakers == ("calls-anna", "emodb-03", "tess-OAF")
    # An emotion that only one of them has may be asked for; one that none has may not.
    assert len(load(["tess", "emodb"], tmp_path, emotions=["boredom", "ps"])) == 2
    with pytest.raises(CorpusError, match="has no clip of emotion 'calm'"):
        load(["tess", "emodb"], tmp_path, emotions=["calm", "ps"])
    with pytest.raises(CorpusError, match="two corpora are called 'emodb'"):
        load(["emodb", "EMO-DB"], tmp_path)


def test_unknown_corpus_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"unknown corpus 'ravdes': .*ravdess, tess, nemo.*did you mean 'ravdess'\?"):
        load("ravdes", tmp_path)
    with pytest.raises(CorpusError, match="no corpus is named"):
        load([], tmp_path)


def test_one_name_or_several(tmp_path: Path) -> None:
    plant(tmp_path / "emodb", "03a01Wa.wav")
    corpus = load("emodb", tmp_path)
    for corpora in (["emodb"], ("EMO-DB",)):
        pd.testing.assert_frame_equal(load(corpora, str(tmp_path)).table, corpus.table)


@pytest.mark.corpus
def test_union_of_real_corpora(data: Path) -> None:
    corpus = load(["ravdess", "tess", "nemo", "emodb"], data, emotions=["neutral", "happy", "sad", "angry", "fear"])
    assert len(corpus.speakers) == 24 + 2 + 4 + 10
    assert corpus.table.groupby("corpus", sort=False).size().to_dict() == {
        "ravdess": 96 + 4 * 192,
        "tess": 5 * 400,
        "nemo": 4 * 360 + 359,
        "emodb": 79 + 71 + 62 + 127 + 69,
    }


def test_data_folder_that_does_not_exist_is_an_error_also_for_a_path(tmp_path: Path) -> None:
    plant(tmp_path, "calls/x.wav")
    manifest = tmp_path / "calls" / "calls.csv"
    manifest.write_text("file,emotion\nx.wav,joy\n")
    assert len(load(manifest, tmp_path)) == len(load(manifest, Path())) == 1
    with pytest.raises(CorpusError, match=r"no folder '.*missing'; give a folder that exists as data, or leave data"):
        load(manifest, tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "message"), [("https://example.org/calls.csv", "is an address"), ("-", "- is standard input")]
)
def test_addresses_and_standard_input_are_named_as_such(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(CorpusError, match=f"{message}, and corpora are read from files"):
        load(name, tmp_path)
