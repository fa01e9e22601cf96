"""One reader a corpus, on small trees of files named as published."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emotone.corpora import CORPORA, Corpus, load
from emotone.errors import CorpusError

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Make files with a byte or so in them below a folder of the corpus's name, and return the data folder."""

    def make(corpus: str, *paths: str, content: bytes = b"RIFF") -> Path:
        for path in paths:
            file = tmp_path / corpus / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return tmp_path

    return make


def rows(corpus: Corpus, *columns: str) -> list[tuple[str, ...]]:
    return list(corpus.table[list(columns)].itertuples(index=False, name=None))


def names(corpus: Corpus) -> list[str]:
    return [Path(path).name for path in corpus.table["path"]]


SCHEMES = [
    ("ravdess", "Actor_01/03-01-01-01-01-01-01.wav", ("neutral", "ravdess-01", "male", "normal", "kids", "en")),
    ("ravdess", "Actor_24/03-01-08-02-02-02-24.wav", ("surprised", "ravdess-24", "female", "strong", "dogs", "en")),
    ("ravdess", "Actor_02/03-01-02-01-01-01-02.flac", ("calm", "ravdess-02", "female", "normal", "kids", "en")),
    ("tess", "YAF_pleasant_surprised/YAF_back_ps.wav", ("surprised", "tess-YAF", "female", "", "back", "en")),
    ("tess", "OAF_Fear/OAF_mob_fear.wav", ("fearful", "tess-OAF", "female", "", "mob", "en")),
    ("tess", "OAF_neutral/OA_bite_neutral.wav", ("neutral", "tess-OAF", "female", "", "bite", "en")),
    ("emodb", "wav/03a01Wa.wav", ("angry", "emodb-03", "male", "", "a01", "de")),
    ("emodb", "wav/16b10Lb.wav", ("boredom", "emodb-16", "female", "", "b10", "de")),
    ("emodb", "wav/08a07Ac.wav", ("fearful", "emodb-08", "female", "", "a07", "de")),
    ("cremad", "AudioWAV/1001_DFA_ANG_XX.wav", ("angry", "cremad-1001", "", "", "dfa", "en")),
    ("cremad", "AudioWAV/1091_IEO_HAP_HI.wav", ("happy", "cremad-1091", "", "strong", "ieo", "en")),
    ("cremad", "AudioWAV/1040_ITH_SAD_X.wav", ("sad", "cremad-1040", "", "", "ith", "en")),
    ("cremad", "AudioWAV/1002_IEO_FEA_MD.wav", ("fearful", "cremad-1002", "", "normal", "ieo", "en")),
    ("savee", "ALL/DC_a01.wav", ("angry", "savee-DC", "male", "", "", "en")),
    ("savee", "AudioData/KL/sa15.wav", ("sad", "savee-KL", "male", "", "", "en")),
    ("savee", "AudioData/JE/su03.wav", ("surprised", "savee-JE", "male", "", "", "en")),
    ("emovo", "f1/dis-f1-b1.wav", ("disgust", "emovo-f1", "female", "", "b1", "it")),
    ("emovo", "m3/gio-m3-n5.wav", ("happy", "emovo-m3", "male", "", "n5", "it")),
    ("emovo", "m2/rab-m2-d2.wav", ("angry", "emovo-m2", "male", "", "d2", "it")),
]


@pytest.mark.parametrize(("name", "path", "expected"), SCHEMES, ids=[path for _, path, _ in SCHEMES])
def test_file_name_is_decoded(plant: Plant, name: str, path: str, expected: tuple[str, ...]) -> None:
    data = plant(name, path)
    corpus = load([name], data)
    assert rows(corpus, "emotion", "speaker", "gender", "intensity", "statement", "language") == [expected]
    assert rows(corpus, "path", "start_s", "channel", "corpus") == [(str(data / name / path), 0.0, "speech", name)]
    assert corpus.table["end_s"].isna().all()


@pytest.mark.parametrize(
    ("name", "good", "bad", "reason"),
    [
        ("ravdess", "03-01-01-01-01-01-01.wav", "03-01-01-01-01-01-25.wav", "actor 25; expected 01 to 24"),
        ("ravdess", "03-01-01-01-01-01-01.wav", "03-01-09-01-01-01-01.wav", "emotion code 09; expected 01, 02"),
        ("ravdess", "03-01-01-01-01-01-01.wav", "01-01-01-01-01-01-01.wav", "modality 01 is video"),
        ("ravdess", "03-01-01-01-01-01-01.wav", "03-01-01-01-01-01-01 (1).wav", "not of the form MM-CC-EE"),
        ("tess", "OAF_back_sad.wav", "XAF_back_sad.wav", "not of the form SPEAKER_word_emotion"),
        ("emodb", "03a01Wa.wav", "04a01Wa.wav", "speakers 03, 08"),
        ("emodb", "03a01Wa.wav", "03a01Xa.wav", "emotions W, L, E, A, F, T, N"),
        ("cremad", "1001_DFA_ANG_XX.wav", "1092_DFA_ANG_XX.wav", "actors 1001 to 1091"),
        ("savee", "DC_a01.wav", "a01.wav", "neither the name nor the folder says the speaker"),
        ("emovo", "dis-f1-b1.wav", "dis-f4-b1.wav", "not of the form dis-f1-b1"),
    ],
)
def test_misfit_is_listed_with_the_reason(plant: Plant, name: str, good: str, bad: str, reason: str) -> None:
    corpus = load([name], plant(name, good, bad))
    assert names(corpus) == [good]
    assert [rejected.path for rejected in corpus.rejected] == [bad]
    assert reason in corpus.rejected[0].reason


def test_channels_of_ravdess(plant: Plant) -> None:
    data = plant("ravdess", "Song/03-02-03-01-01-01-01.wav", "Speech/03-01-03-01-01-01-01.wav")
    assert names(load(["ravdess"], data)) == ["03-01-03-01-01-01-01.wav"]
    assert names(load(["ravdess"], data, channel="song")) == ["03-02-03-01-01-01-01.wav"]
    assert rows(load(["ravdess"], data, channel="all"), "channel") == [("song",), ("speech",)]
    with pytest.raises(CorpusError, match="unknown channel 'sung'; expected one of speech, song, all"):
        load(["ravdess"], data, channel="sung")


def test_corpus_without_song_says_what_it_has(plant: Plant) -> None:
    with pytest.raises(CorpusError, match="tess has no clip of channel 'song'; it has: speech"):
        load(["tess"], plant("tess", "OAF_back_sad.wav"), channel="song")


def test_junk_is_neither_clip_nor_rejected(plant: Plant) -> None:
    clip = "03-01-01-01-01-01-01.wav"
    data = plant(
        "ravdess",
        f"Actor_01/{clip}",
        f"Actor_01/._{clip}",
        f"__MACOSX/Actor_01/{clip}",
        f".cache/{clip}",
        "Actor_01/.DS_Store",
        "Actor_01/Thumbs.db",
        "Actor_01/desktop.ini",
        "README.txt",
    )
    corpus = load(["ravdess"], data)
    assert (names(corpus), corpus.rejected) == ([clip], ())


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".Flac", ".ogg", ".mp3", ".m4a", ".opus", ".aiff"])
def test_any_audio_suffix_in_any_case(plant: Plant, suffix: str) -> None:
    assert names(load(["emodb"], plant("emodb", f"03a01Wa{suffix}"))) == [f"03a01Wa{suffix}"]


def test_second_copy_of_every_actor_is_left_out(plant: Plant) -> None:
    clips = [f"Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav" for actor in (1, 2) for emotion in (1, 5)]
    data = plant("ravdess", *clips, *(f"audio_speech_actors_01-24/{clip}" for clip in clips))
    corpus = load(["ravdess"], data)
    assert [Path(path).relative_to(data / "ravdess").as_posix() for path in corpus.table["path"]] == clips
    assert [(one.path, one.reason) for one in corpus.rejected] == [
        (f"audio_speech_actors_01-24/{clip}", f"a copy of {clip}") for clip in clips
    ]


def test_of_two_formats_the_lossless_one_is_kept(plant: Plant) -> None:
    data = plant("cremad", "AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1001_DFA_ANG_XX.wav")
    corpus = load(["cremad"], data)
    assert names(corpus) == ["1001_DFA_ANG_XX.wav"]
    assert corpus.rejected[0].reason == "a copy of AudioWAV/1001_DFA_ANG_XX.wav"


def test_copies_in_both_layouts_of_savee_are_one(plant: Plant) -> None:
    corpus = load(["savee"], plant("savee", "ALL/DC_a01.wav", "DC/a01.wav", "JK/a01.wav"))
    assert corpus.speakers == ("savee-DC", "savee-JK")
    assert [one.path for one in corpus.rejected] == ["DC/a01.wav"]


def test_the_oa_file_and_its_oaf_twin_are_one(plant: Plant) -> None:
    corpus = load(["tess"], plant("tess", "a/OAF_bite_neutral.wav", "b/OA_bite_neutral.wav"))
    assert (len(corpus), len(corpus.rejected)) == (1, 1)


def test_files_that_are_no_recordings_are_rejected(plant: Plant) -> None:
    plant("cremad", "1001_DFA_ANG_XX.wav")
    plant("cremad", "1002_DFA_ANG_XX.wav", content=b"")
    data = plant("cremad", "1003_DFA_ANG_XX.wav", content=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    corpus = load(["cremad"], data)
    assert names(corpus) == ["1001_DFA_ANG_XX.wav"]
    assert [one.path for one in corpus.rejected] == ["1002_DFA_ANG_XX.wav", "1003_DFA_ANG_XX.wav"]
    assert "empty (0 bytes)" in corpus.rejected[0].reason
    assert "git lfs pull" in corpus.rejected[1].reason


def test_empty_copy_does_not_hide_the_whole_one(plant: Plant) -> None:
    plant("emodb", "a/03a01Wa.wav", content=b"")
    corpus = load(["emodb"], plant("emodb", "b/03a01Wa.wav"))
    assert [Path(path).parent.name for path in corpus.table["path"]] == ["b"]


def test_sex_of_cremad_from_its_demographics(plant: Plant) -> None:
    data = plant(
        "cremad", "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_ANG_XX.wav", "AudioWAV/1003_DFA_ANG_XX.wav"
    )
    table = (
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,Caucasian,Not Hispanic\n"
    )
    plant("cremad", "VideoDemographics.csv", content=table.encode())
    assert rows(load(["cremad"], data), "speaker", "gender") == [
        ("cremad-1001", "male"),
        ("cremad-1002", "female"),
        ("cremad-1003", ""),
    ]
    plant("cremad", "VideoDemographics.csv", content=b"a,b\n1,2\n")
    with pytest.raises(CorpusError, match=r"VideoDemographics.csv.*expected CREMA-D's table with ActorID and Sex"):
        load(["cremad"], data)


NEMO_TABLE = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    'EB0_fear_1.wav\tfear\t"Tak, 5 dni.\ttak pięć dni\t        EB0\tfemale\t27\n'
    "WR0_happiness_2.wav\thappiness\tNie.\tnie\t        WR0\tmale\t23\n"
    "WR0_anger_3.wav\tanger\tNie.\tnie\t        WR0\tmale\t23\n"
)


def test_nemo_joins_its_table_and_its_files(plant: Plant) -> None:
    plant("nemo", "data.tsv", content=NEMO_TABLE.encode())
    data = plant("nemo", "samples/EB0_fear_1.ogg", "samples/WR0_happiness_2.wav", "samples/XX0_fear_1.ogg")
    corpus = load(["nemo"], data)
    assert rows(corpus, "emotion", "speaker", "gender", "statement", "language") == [
        ("fearful", "nemo-EB0", "female", "tak pięć dni", "pl"),
        ("happy", "nemo-WR0", "male", "nie", "pl"),
    ]
    assert [(one.path, one.reason) for one in corpus.rejected] == [
        ("WR0_anger_3", "data.tsv lists it, but there is no such recording"),
        ("samples/XX0_fear_1.ogg", "data.tsv does not list 'XX0_fear_1'"),
    ]


def test_nemo_without_its_table_or_with_a_cut_one(plant: Plant) -> None:
    data = plant("nemo", "samples/EB0_fear_1.ogg")
    with pytest.raises(CorpusError, match=r"there is no data.tsv.*github.com/amu-cai/nEMO"):
        load(["nemo"], data)
    plant("nemo", "data.tsv", content=b"file_id\temotion\nEB0_fear_1.wav\tfear\n")
    with pytest.raises(CorpusError, match="line 2 of .* has no normalized_text"):
        load(["nemo"], data)


def test_every_corpus_states_licence_and_source() -> None:
    assert {name: (info.licence, info.commercial_use) for name, info in CORPORA.items()} == {
        "ravdess": ("CC BY-NC-SA 4.0", False),
        "tess": ("CC BY-NC-ND 4.0", False),
        "nemo": ("CC BY-NC-SA 4.0", False),
        "emodb": ("free use", False),
        "cremad": ("Open Database License (ODbL) 1.0", True),
        "savee": ("free for research", False),
        "emovo": ("free for research", False),
    }
    assert all(info.url.startswith("http") and info.name == name for name, info in CORPORA.items())
