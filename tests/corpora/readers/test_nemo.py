"""nEMO: its table of labels joined with its files, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.errors import CorpusError
from support.corpus_files import plant, rows

TABLE = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    'EB0_fear_1.wav\tfear\t"Tak, 5 dni.\ttak pięć dni\t        EB0\tfemale\t27\n'
    "WR0_happiness_2.wav\thappiness\tNie.\tnie\t        WR0\tmale\t23\n"
    "WR0_anger_3.wav\tanger\tNie.\tnie\t        WR0\tmale\t23\n"
)


def test_table_and_files_are_joined(tmp_path: Path) -> None:
    plant(tmp_path / "nemo", "data.tsv", content=TABLE.encode())
    clips = ("samples/EB0_fear_1.ogg", "samples/WR0_happiness_2.wav", "samples/XX0_fear_1.ogg")
    corpus = load("nemo", plant(tmp_path / "nemo", *clips))
    assert rows(corpus, "emotion", "speaker", "gender", "statement", "language") == [
        ("fearful", "nemo-EB0", "female", "tak pięć dni", "pl"),
        ("happy", "nemo-WR0", "male", "nie", "pl"),
    ]
    assert [(rejected.path, rejected.reason) for rejected in corpus.rejected] == [
        ("WR0_anger_3", "data.tsv lists it, but there is no such recording"),
        ("samples/XX0_fear_1.ogg", "data.tsv does not list 'XX0_fear_1'"),
    ]


def test_missing_or_cut_table(tmp_path: Path) -> None:
    data = plant(tmp_path / "nemo", "samples/EB0_fear_1.ogg")
    with pytest.raises(CorpusError, match=r"there is no data.tsv.*github.com/amu-cai/nEMO"):
        load("nemo", data)
    plant(tmp_path / "nemo", "data.tsv", content=b"file_id\temotion\nEB0_fear_1.wav\tfear\n")
    with pytest.raises(CorpusError, match="line 2 of .* has no normalized_text"):
        load("nemo", data)


@pytest.mark.corpus
def test_real_corpus(data: Path) -> None:
    corpus = load("nemo", data)
    assert (len(corpus), corpus.rejected) == (2067, ())
    assert corpus.speakers == ("nemo-EB0", "nemo-MK0", "nemo-TP0", "nemo-WR0")
    assert corpus.emotions == ("neutral", "happy", "sad", "angry", "fearful", "surprised")
    assert corpus.table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"female": 2, "male": 2}
    assert corpus.table["statement"].nunique() == 90
