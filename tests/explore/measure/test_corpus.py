"""Measures of a corpus, and their cache."""

import sqlite3

import numpy as np
import pandas as pd
import pytest

from emotone import audio, corpora
from emotone.errors import FeatureError, StoreWarning
from emotone.explore.measure import clip, measure_corpus
from support.exploring import RATE, sine, write_manifest


def test_second_time_reads_no_audio(load, voices, monkeypatch):
    first = load(voices)

    def refuse(*args, **kwargs):
        raise AssertionError("audio is read")

    monkeypatch.setattr(clip, "IsolatedSource", refuse)
    second = load(voices)
    pd.testing.assert_frame_equal(first.clips, second.clips)
    np.testing.assert_array_equal(first.log_mel, second.log_mel)


def test_changed_file_and_changed_code_are_measured_again(load, voices, tmp_path, monkeypatch):
    load(voices)
    audio.write_wav(tmp_path / voices[0]["file"], sine(300, seconds=0.7))
    row = [path.endswith(voices[0]["file"]) for path in load(voices).clips["path"]]
    assert load(voices).clips.loc[row, "duration_s"].tolist() == [0.7]
    calls = []
    real = clip.measure_clip
    monkeypatch.setattr(clip, "measure_clip", lambda *args, **kwargs: calls.append(args) or real(*args, **kwargs))
    monkeypatch.setattr("emotone.explore.measure.corpus.source_digest", lambda *parts: "another")
    load(voices)
    assert len(calls) == len(voices)


def test_damaged_cache_is_renamed_and_begun_anew(load, voices, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "measures.sqlite").write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.warns(StoreWarning, match="now called measures.sqlite.damaged-1, which you can delete"):
        first = load(voices)
    pd.testing.assert_frame_equal(first.clips, load(voices).clips)


@pytest.mark.slow
def test_processes_give_the_same_as_one(tmp_path, make_voice):
    rows = []
    for number in range(32):
        audio.write_wav(tmp_path / f"{number}.wav", make_voice(seconds=0.3, seed=number))
        rows.append({"file": f"{number}.wav", "emotion": ("happy", "sad")[number % 2], "speaker": "a"})
    corpus = corpora.load([str(write_manifest(tmp_path, rows))], tmp_path)
    many = measure_corpus(corpus, cache=tmp_path / "many", workers=2)
    one = measure_corpus(corpus, cache=tmp_path / "one", workers=1)
    pd.testing.assert_frame_equal(many.clips, one.clips)
    np.testing.assert_allclose(many.log_mel, one.log_mel, atol=1e-3)
    with sqlite3.connect(tmp_path / "many" / "measures.sqlite") as database:
        assert database.execute("SELECT COUNT(*) FROM measures").fetchone() == (32,)


def test_not_one_clip_that_can_be_read(load, voices, tmp_path):
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    with pytest.raises(FeatureError, match="none of 1 clips"):
        load([{**voices[0], "file": "silent.wav"}])
