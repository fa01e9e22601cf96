"""EMO-DB: its names, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from support.corpus_files import check_decoded, check_rejected, counts


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("wav/03a01Wa.wav", ("angry", "emodb-03", "male", "", "a01")),
        ("wav/16b10Lb.wav", ("boredom", "emodb-16", "female", "", "b10")),
        ("wav/08a07Ac.wav", ("fearful", "emodb-08", "female", "", "a07")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "emodb", path, expected)


@pytest.mark.parametrize(
    ("bad", "reason"), [("04a01Wa.wav", "speakers 03, 08"), ("03a01Xa.wav", "emotions W, L, E, A, F, T, N")]
)
def test_misfit_is_rejected_with_the_reason(tmp_path: Path, bad: str, reason: str) -> None:
    check_rejected(tmp_path, "emodb", "03a01Wa.wav", bad, reason)


@pytest.mark.corpus
def test_real_corpus(data: Path) -> None:
    corpus = load("emodb", data)
    assert (len(corpus), len(corpus.speakers), corpus.rejected) == (535, 10, ())
    assert counts(corpus) == {
        "angry": 127,
        "boredom": 81,
        "neutral": 79,
        "happy": 71,
        "fearful": 69,
        "sad": 62,
        "disgust": 46,
    }
    assert corpus.table["statement"].nunique() == 10
    assert corpus.table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"female": 5, "male": 5}


@pytest.mark.corpus
def test_real_recordings_have_their_full_length(data: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    seconds = [soundfile.info(path).duration for path in load("emodb", data).table["path"]]
    assert 1.2 < min(seconds) < 1.3 and 8.9 < max(seconds) < 9.1
