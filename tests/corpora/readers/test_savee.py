"""SAVEE: both layouts of its names, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from support.corpus_files import check_decoded, check_rejected, counts, plant


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ALL/DC_a01.wav", ("angry", "savee-DC", "male", "", "")),
        ("AudioData/KL/sa15.wav", ("sad", "savee-KL", "male", "", "")),
        ("AudioData/JE/su03.wav", ("surprised", "savee-JE", "male", "", "")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "savee", path, expected)


def test_misfit_is_rejected_with_the_reason(tmp_path: Path) -> None:
    check_rejected(tmp_path, "savee", "DC_a01.wav", "a01.wav", "neither the name nor the folder says the speaker")


def test_copies_in_both_layouts_are_one(tmp_path: Path) -> None:
    corpus = load("savee", plant(tmp_path / "savee", "ALL/DC_a01.wav", "DC/a01.wav", "JK/a01.wav"))
    assert corpus.speakers == ("savee-DC", "savee-JK")
    assert [rejected.path for rejected in corpus.rejected] == ["DC/a01.wav"]


@pytest.mark.corpus
def test_real_corpus(data: Path) -> None:
    corpus = load("savee", data)
    assert (len(corpus), corpus.rejected) == (480, ())
    assert corpus.speakers == ("savee-DC", "savee-JE", "savee-JK", "savee-KL")
    others = ("happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert counts(corpus) == {"neutral": 120} | dict.fromkeys(others, 60)
    assert set(corpus.table.groupby("speaker").size()) == {120}
