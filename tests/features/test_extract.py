"""Features of a corpus as a table."""

import numpy as np
import pandas as pd
import pytest

from emotone import audio, corpora
from emotone.errors import ConfigError
from emotone.features import FeatureStore, extract_features
from emotone.parallel import LocalPool
from support import toy_experiment


@pytest.fixture
def corpus(tmp_path, monkeypatch, make_voice):
    toy_experiment.install(monkeypatch)
    rows = []
    for number, emotion in enumerate(["sad", "happy", "sad", "angry"]):
        audio.write_wav(tmp_path / f"{number}.wav", make_voice(seconds=0.4, seed=number))
        rows.append({"file": f"{number}.wav", "emotion": emotion, "speaker": f"s{number % 2}"})
    pd.DataFrame(rows).to_csv(tmp_path / "toy.csv", index=False)
    return corpora.load([str(tmp_path / "toy.csv")], tmp_path)


def test_one_row_per_clip_and_one_named_column_per_feature(corpus, tmp_path):
    frame = extract_features(corpus, "bands", cache=tmp_path / "cache", workers=1)
    expected = FeatureStore(tmp_path / "cache").compute(corpus, toy_experiment.Bands(), pool=LocalPool(1))
    assert list(frame.columns) == list(expected.names)
    assert list(frame.index) == [str(path) for path in corpus.table["path"]]
    assert frame.index.name == "path"
    assert frame.attrs == {"rejected": {}, "rows": list(range(len(corpus)))}
    np.testing.assert_array_equal(frame.to_numpy(), expected.values)


def test_labels_are_in_the_table_of_the_corpus(corpus, tmp_path):
    (tmp_path / "1.wav").write_bytes(b"not audio at all")
    frame = extract_features(corpus, "bands", cache=tmp_path / "cache", workers=1)
    labels = corpus.table.loc[frame.attrs["rows"]]
    assert labels["path"].tolist() == list(frame.index) and len(labels) == len(corpus) - 1


def test_clips_that_cannot_be_read_are_left_out_and_listed(corpus, tmp_path):
    (tmp_path / "1.wav").write_bytes(b"not audio at all")
    frame = extract_features(corpus, "bands", cache=tmp_path / "cache", workers=1)
    paths = [str(path) for path in corpus.table["path"]]
    broken = next(path for path in paths if path.endswith("1.wav"))
    assert list(frame.index) == [path for path in paths if path != broken]
    assert list(frame.attrs["rejected"]) == [broken]
    assert "1.wav" in frame.attrs["rejected"][broken]
    assert np.isfinite(frame.to_numpy()).all()


@pytest.mark.parametrize("name", ["log-mel", "whisper-base@3:frames"])
def test_sequences_are_refused(corpus, name):
    with pytest.raises(ConfigError, match=f"extractor '{name}' gives a sequence of frames per clip, expected one row"):
        extract_features(corpus, name)


def test_an_unknown_extractor_is_refused(corpus):
    with pytest.raises(ConfigError, match="unknown extractor 'mfcc'; known: functionals"):
        extract_features(corpus, "mfcc")
