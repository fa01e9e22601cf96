"""Which corpora are known, and where in a data folder each is found."""

from pathlib import Path

import pytest

from emotone.corpora import CORPORA, load, readers
from emotone.corpora.registry import READERS
from emotone.emotions import in_order
from emotone.errors import CorpusError
from support.corpus_files import plant


@pytest.mark.parametrize("folder", ["emodb", "EmoDB", "EMO-DB", "emo_db", "."])
@pytest.mark.parametrize("name", ["emodb", "EMO-DB"])
def test_data_holds_the_corpus_by_name_or_is_it(tmp_path: Path, folder: str, name: str) -> None:
    plant(tmp_path / folder, "wav/03a01Wa.wav")
    corpus = load([name], tmp_path)
    assert (corpus.name, list(corpus.table["path"])) == ("emodb", [str(tmp_path / folder / "wav/03a01Wa.wav")])


def test_the_folder_of_the_exact_name_comes_first(tmp_path: Path) -> None:
    plant(tmp_path, "emodb/03a01Wa.wav", "EMO-DB/03a01Fa.wav", "03a01Na.wav")
    assert load("emodb", tmp_path).emotions == ("angry",)


def test_missing_corpus_says_where_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        load("ravdess", tmp_path)
    text = str(caught.value)
    assert f"no clip of ravdess in '{tmp_path}'" in text
    assert "there is no recording in it or its subfolders" in text
    assert "03-01-05-02-01-01-01.wav" in text
    assert f"emotone fetch ravdess --to {tmp_path}" in text
    (tmp_path / "tess.zip").write_bytes(b"")
    plant(tmp_path, "talk.wav")
    with pytest.raises(CorpusError, match=r"1 recordings do not fit \(talk.wav: .*unpack tess.zip.*CC BY-NC-ND 4.0"):
        load("tess", tmp_path)
    with pytest.raises(CorpusError, match="no folder '.*absent' to read emodb from"):
        load("emodb", tmp_path / "absent")


def test_every_corpus_states_its_licence_and_source() -> None:
    assert {name: (info.licence, info.commercial_use) for name, info in CORPORA.items()} == {
        "ravdess": ("CC BY-NC-SA 4.0", False),
        "tess": ("CC BY-NC-ND 4.0", False),
        "nemo": ("CC BY-NC-SA 4.0", False),
        "emodb": ("free use", False),
        "cremad": ("Open Database License (ODbL) 1.0", True),
        "savee": ("free for research", False),
        "emovo": ("free for research", False),
        "ased": ("free for research", False),
    }
    for name, info in CORPORA.items():
        assert info.url.startswith("http") and info.name == name and info.citation
        assert info.emotions == in_order(info.emotions)
        assert info.source is None or sum(archive.n_clips for archive in info.source.archives) == info.n_clips


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ravdess", "tess", "emodb", "savee", "ased"])
def test_real_corpora_are_what_their_description_says(name: str, data: Path) -> None:
    info = CORPORA[name]
    corpus = load(name, data, channel="all")
    n_missing = 3 if name == "ravdess" else 0  # the copy lacks three songs
    assert len(corpus) + n_missing == info.n_clips
    assert (len(corpus.speakers), corpus.emotions) == (info.n_speakers, info.emotions)
    assert set(corpus.table["language"]) == {info.language}


def test_guide_lists_every_corpus() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
    for info in CORPORA.values():
        counts = f"{info.n_clips:,} | {info.n_speakers} | {len(info.emotions)}"
        row = f"| `{info.name}` | [{info.title}]({info.url}) | {info.language} | {counts} | {info.licence} |"
        assert row in guide


def test_every_reader_is_listed() -> None:
    folder = Path(readers.__file__).parent
    formats = {"manifest", "audformat_database", "audiofolder"}
    modules = {path.stem for path in folder.glob("[a-z]*.py")} - formats
    assert modules == set(CORPORA) == {reader.__name__.rpartition(".")[2] for reader in READERS.values()}
