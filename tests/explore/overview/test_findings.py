"""Counts, checks and summaries of a small corpus."""

from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest

from emotone import audio, corpora
from emotone.corpora import Corpus, Rejected
from emotone.explore import overview, signal
from emotone.explore.measure import measure_corpus
from emotone.explore.signal import choose_example
from support.exploring import RATE, sine


def test_counts_are_those_of_the_labels(load, voices):
    measured = load(voices)
    by_emotion = overview.counts_by_emotion(measured).table.set_index("emotion")
    assert by_emotion["clips"].to_dict() == {"neutral": 4, "happy": 6, "sad": 8}
    assert by_emotion["share_percent"].sum() == pytest.approx(100, abs=0.02)
    assert by_emotion["minutes"].tolist() == pytest.approx([0.03, 0.05, 0.07], abs=0.004)
    found = overview.counts_by_speaker(measured)
    table = found.table.set_index("speaker")
    assert table.loc["toy-b", ["sex", "neutral", "happy", "sad", "all"]].tolist() == ["male", 2, 2, 4, 8]
    assert "Every speaker has every emotion" in found.text
    kinds = overview.counts_by_kind(measured).table.set_index(["kind", "level"])
    assert kinds.loc[("intensity", "strong")].tolist() == [0, 3, 4]
    assert kinds.loc[("sex", "female")].tolist() == [2, 4, 4]
    assert kinds.loc[("statement", "dogs")].tolist() == [2, 2, 4]


def test_association_is_cramers_v(load, voices):
    from scipy.stats.contingency import association

    grid = pd.crosstab(load(voices).clips["intensity"], load(voices).clips["emotion"])
    expected = association(grid.to_numpy(), method="cramer")
    assert f"intensity 2 (V {expected:.2f})" in overview.counts_by_kind(load(voices)).text


def test_corpus_without_sex_intensity_statement_or_speaker(load, voices):
    measured = load([{key: row[key] for key in ("file", "emotion")} for row in voices])
    kinds = overview.counts_by_kind(measured)
    assert kinds.figure is None and kinds.table.empty
    assert "does not say: sex, intensity, statement" in kinds.text
    assert "The speaker of 18 clips is not known" in overview.counts_by_speaker(measured).text
    example = choose_example(measured)
    assert set(example.rows) == {"neutral", "happy", "sad"}
    assert "The words are not known" in example.text
    assert [finding.name for finding in signal.all_findings(measured)][-1] == "mean-mfcc"


def test_rejected_files_are_listed_with_the_reason(load, voices, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEnothing of use")
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    more = [{**voices[0], "file": name} for name in ("broken.wav", "silent.wav", "absent.wav")]
    more.append({**voices[0], "file": voices[1]["file"], "emotion": "hungry"})
    measured = load([*voices, *more])
    assert len(measured.clips) == len(measured.log_mel) == len(measured.corpus) == len(voices)
    table = overview.left_out(measured).table.set_index("path")["reason"]
    assert "silent" in table["silent.wav"]
    assert "damaged" in table["broken.wav"]
    assert table.index.tolist().count("absent.wav") == 1
    assert "hungry" in " ".join(table)
    assert not any(str(tmp_path) in reason for reason in table[["silent.wav", "broken.wav"]])


def test_duplicates_are_found_by_sound(load, voices, tmp_path):
    assert overview.duplicates(load(voices)).table.empty
    (tmp_path / "copy.wav").write_bytes((tmp_path / voices[0]["file"]).read_bytes())
    found = overview.duplicates(load([*voices, {**voices[0], "file": "copy.wav", "emotion": "sad"}]))
    assert found.table[["group", "path", "emotion"]].to_numpy().tolist() == [
        [1, voices[0]["file"], "neutral"],
        [1, "copy.wav", "sad"],
    ]
    assert "Of these, 1 have different" in found.text


def test_checks_count_what_is_wrong(load, voices, tmp_path):
    audio.write_wav(tmp_path / "clipped.wav", np.clip(sine(200, amplitude=3), -1, 1))
    audio.write_wav(tmp_path / "offset.wav", sine(200, amplitude=0.2) + np.float32(0.1))
    audio.write_wav(tmp_path / "soft.wav", sine(200, amplitude=0.002))
    names = ("clipped.wav", "offset.wav", "soft.wav")
    table = overview.checks(load([*voices, *({**voices[0], "file": name} for name in names)])).table
    counts = table.set_index("check")["clips"]
    assert counts["over 0.1 % of samples at full scale (clipped)"] == 1
    assert counts["mean over 1 % of full scale (DC offset)"] == 1
    assert counts["level under -50 dB (very soft)"] == 1
    assert counts["longer than 30 s"] == 0
    assert table.set_index("check")["such_as"]["level under -50 dB (very soft)"] == "soft.wav"


def test_summaries_are_quantiles(load, voices):
    measured = load(voices)
    table = overview.levels(measured).table.set_index(["measure", "emotion"])
    values = measured.clips.loc[measured.clips["emotion"] == "sad", "peak_db"]
    assert table.loc[("peak_db", "sad"), "median"] == pytest.approx(values.median(), abs=1e-4)
    assert table.loc[("peak_db", "sad"), "p95"] == pytest.approx(values.quantile(0.95), abs=1e-4)
    assert table.loc[("peak_db", "all"), "clips"] == len(voices)


@pytest.mark.corpus
def test_two_actors_of_ravdess(data, tmp_path):
    whole = corpora.load(["ravdess"], data)
    table = whole.table
    table = table[table["speaker"].isin(["ravdess-07", "ravdess-08"])]
    corpus = Corpus(table, "ravdess", [Rejected("one.wav", "left out by hand")])
    measured = measure_corpus(corpus, cache=tmp_path, workers=1)
    assert len(measured.clips) == 120
    assert overview.counts_by_emotion(measured).table["clips"].tolist() == [8, *[16] * 7]
    # published with the same sound under two names
    twice = [PurePath(path).stem for path in overview.duplicates(measured).table["path"]]
    assert twice == ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]
    assert overview.left_out(measured).table["path"].tolist() == ["one.wav"]
    active = measured.clips.groupby("emotion")["active_db"].median()
    assert active["angry"] > active["calm"] + 10
    example = choose_example(measured)
    chosen = measured.clips.loc[list(example.rows.values())]
    assert chosen[["speaker", "statement", "intensity"]].drop_duplicates().to_numpy().tolist() == [
        ["ravdess-07", "dogs", "normal"]
    ]
    mel = signal.mean_log_mel(measured).table
    level = mel.groupby("emotion")["mean_db"].mean()
    assert level["angry"] > level["calm"] + 8
