"""TESS: its names, the shortened prefix, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.errors import CorpusError
from support.corpus_files import check_decoded, check_rejected, counts, plant


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("YAF_pleasant_surprised/YAF_back_ps.wav", ("surprised", "tess-YAF", "female", "", "back")),
        ("OAF_Fear/OAF_mob_fear.wav", ("fearful", "tess-OAF", "female", "", "mob")),
        ("OAF_neutral/OA_bite_neutral.wav", ("neutral", "tess-OAF", "female", "", "bite")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "tess", path, expected)


def test_misfit_is_rejected_with_the_reason(tmp_path: Path) -> None:
    check_rejected(tmp_path, "tess", "OAF_back_sad.wav", "XAF_back_sad.wav", "not of the form SPEAKER_word_emotion")


def test_corpus_without_song_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="tess has no clip of channel 'song'; it has: speech"):
        load("tess", plant(tmp_path / "tess", "OAF_back_sad.wav"), channel="song")


def test_the_oa_file_and_its_oaf_twin_are_one(tmp_path: Path) -> None:
    corpus = load("tess", plant(tmp_path / "tess", "a/OAF_bite_neutral.wav", "b/OA_bite_neutral.wav"))
    assert (len(corpus), len(corpus.rejected)) == (1, 1)


@pytest.mark.corpus
def test_real_corpus(data: Path) -> None:
    corpus = load("tess", data)
    assert (len(corpus), corpus.speakers, corpus.rejected) == (2800, ("tess-OAF", "tess-YAF"), ())
    assert counts(corpus) == dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 400)
    assert corpus.table["statement"].nunique() == 200
    assert set(corpus.table.groupby("statement").size()) == {14}
