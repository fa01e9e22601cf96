"""ASED: its names, the sex of its speakers, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from support.corpus_files import check_decoded, check_rejected, counts, names, plant, rows


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("05Angry/a5-03-01-02-50.wav", ("angry", "ased-50", "male", "", "a03")),  # the example of its authors
        ("01Neutral/n1-01-01-01-01.wav", ("neutral", "ased-01", "female", "", "01")),
        ("02Fearful/f2-02-02-02-65.opus", ("fearful", "ased-65", "male", "", "02")),
        ("03Happy/h3-07-02-01-62.wav", ("happy", "ased-62", "female", "", "h07")),
        ("04Sad/S4-04-02-01-29.wav", ("sad", "ased-29", "female", "", "s04")),  # the only capital letter as published
        ("04Sad/s4-04-01-02-23.wav", ("sad", "ased-23", "female", "", "s04")),  # published with the code of a man
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "ased", path, expected)


@pytest.mark.parametrize(
    "bad",
    [
        "a4-03-01-02-50.wav",  # the letter and the number of the folder disagree
        "a5-08-01-02-50.wav",  # sentence
        "a5-00-01-02-50.wav",
        "a5-03-03-02-50.wav",  # repetition
        "a5-03-01-03-50.wav",  # sex
        "a5-03-01-02-66.wav",  # speaker
        "a5-03-01-02-00.wav",
        "a5-03-01-02.wav",
    ],
)
def test_misfit_is_rejected_with_the_reason(tmp_path: Path, bad: str) -> None:
    check_rejected(tmp_path, "ased", "a5-03-01-02-50.wav", bad, "the name is not of the form EF-SS-RR-GG-PP")


def test_copies_in_two_folders_are_one(tmp_path: Path) -> None:
    corpus = load("ASED", plant(tmp_path / "ased", "04Sad/s4-01-01-01-01.wav", "copy/S4-01-01-01-01.wav"))
    assert names(corpus) == ["s4-01-01-01-01.wav"]
    assert rows(corpus, "language") == [("am",)]
    assert corpus.rejected[0].reason == "a copy of 04Sad/s4-01-01-01-01.wav"


@pytest.mark.corpus
def test_real_corpus(data: Path) -> None:
    corpus = load("ased", data)
    assert (len(corpus), len(corpus.speakers), corpus.rejected) == (2474, 65, ())
    assert counts(corpus) == {"neutral": 522, "fearful": 510, "happy": 486, "angry": 486, "sad": 470}
    table = corpus.table
    assert table.groupby("speaker")["gender"].nunique().max() == 1
    assert table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"male": 40, "female": 25}
    emotions = table.groupby("statement")["emotion"].nunique()
    assert emotions[emotions > 1].to_dict() == {"01": 5, "02": 5}
    assert len(emotions) == 27
