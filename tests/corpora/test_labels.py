"""Mappings of labels from the command line: texts and tables."""

from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.corpora.labels import parse_labels
from emotone.errors import CorpusError
from support.corpus_files import counts, plant


@pytest.mark.parametrize(
    "texts",
    [
        ["happy=gioia,felice", "sad=triste"],
        ["happy=gioia, felice ; sad = triste;"],
        ["happy=gioia", "happy=felice;sad=triste"],
    ],
)
def test_texts(texts: list[str]) -> None:
    assert parse_labels(texts) == {"gioia": "happy", "felice": "happy", "triste": "sad"}


def test_tables_in_any_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\nEmotion;Label\nhappy;gioia, allegria\n", encoding="utf-16")
    (tmp_path / "b=c.jsonl").write_text('{"label": "triste", "emotion": "sad"}\n')
    texts = [str(tmp_path / "a.csv"), str(tmp_path / "b=c.jsonl"), "angry=rabbia"]
    assert parse_labels(texts) == {"gioia, allegria": "happy", "triste": "sad", "rabbia": "angry"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words.csv", "labels are 'words.csv', which is neither a mapping nor a file; expected EMOTION=WORD,WORD"),
        ("happy=", "'happy=' is no mapping; expected EMOTION=WORD"),
        ("=gioia", "'=gioia' is no mapping"),
        ("happy=gioia;triste", "'triste' is no mapping"),
        ("happy=gioia;sad=gioia", "labels give 'gioia' two meanings, happy and sad; keep one"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        parse_labels([text])


def test_incomplete_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    for text, message in (
        ("gioia,happy\n", "has no single column 'label', but gioia, happy"),
        ("label,emotion\ngioia,\n", "line 2 of .* lacks a label or its emotion"),
    ):
        path.write_text(text)
        with pytest.raises(CorpusError, match=message):
            parse_labels([str(path)])


def test_labels_apply_to_every_kind_of_corpus(tmp_path: Path) -> None:
    plant(tmp_path, "emodb/03a01Wa.wav", "emodb/03a01La.wav", "mine/Gioia/x.wav", "mine/stressed/y.wav", "t/z.wav")
    (tmp_path / "t/t.csv").write_text("file,emotion\nz.wav,gioia\n")
    labels = {"gioia": "joy", "boredom": "neutral", "angry": "stressed"}
    corpus = load(["emodb", "mine", "t/t.csv"], tmp_path, labels=labels, classes=["stressed"])
    assert counts(corpus) == {"happy": 2, "stressed": 2, "neutral": 1}
    assert counts(load("mine", tmp_path, labels={"gioia": "happy"})) == {"happy": 1}
    assert counts(load("mine", tmp_path, emotions=["stressed"])) == {"stressed": 1}
    with pytest.raises(CorpusError, match="to 'stressed', which is no emotion"):
        load("emodb", tmp_path, labels=labels)
    with pytest.raises(CorpusError, match="emotions is the text 'happy'"):
        load("emodb", tmp_path, emotions="happy")
