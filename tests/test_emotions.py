"""The vocabulary, and what a user's own words mean in it."""

import unicodedata

import pytest

from emotone.emotions import Vocabulary, canonical, class_name, class_names, in_order
from emotone.errors import CorpusError, UnknownEmotionError


def test_own_classes_follow_the_emotions() -> None:
    assert class_names(["stressed", "Anger", "Stressed", " fed  up ", "joy"]) == (
        "happy",
        "angry",
        "fed up",
        "stressed",
    )
    assert in_order(["tense", "sad"], unknown_last=True) == ("sad", "tense")
    with pytest.raises(CorpusError, match="unknown emotion 'tense'"):
        in_order(["tense"])


@pytest.mark.parametrize("name", ["", " ", "unsure", "No Speech", "[red]x", "a,b", "a=b", "x" * 41, "a\x00b", "a/b"])
def test_what_is_no_name_of_a_class(name: str) -> None:
    with pytest.raises(CorpusError, match="can't be the name of a class; expected a word"):
        class_name(name)


@pytest.mark.parametrize("name", ["müde", "खुश", "怒り", "злой", "don't care", "level 3.5 (high)", "fed-up"])
def test_names_of_classes_in_any_script(name: str) -> None:
    assert class_name(name) == name


def test_spellings_of_a_word() -> None:
    vocabulary = Vocabulary({"wütend": "anger", "fed up": "boredom"}, classes=("Stressed",))
    decomposed = unicodedata.normalize("NFD", "Wütend")  # as macOS writes names of folders
    assert [vocabulary.resolve(word) for word in (decomposed, "WÜTEND", "Fed_Up", "fed-up", "STRESSED", "Fear")] == [
        "angry",
        "angry",
        "boredom",
        "boredom",
        "Stressed",
        "fearful",
    ]


def test_a_mapping_comes_before_the_vocabulary() -> None:
    assert Vocabulary({"calm": "neutral"}).resolve("calm") == "neutral"
    assert Vocabulary({"sad": "tense", "fear": "tense"}, classes=("tense",)).resolve("fear") == "tense"
    assert Vocabulary({"sad": "tense", "fear": "tense"}, classes=("tense",)).resolve("fearful") == "fearful"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"gioia": "hapy"}, r"labels map 'gioia' to 'hapy', which is no emotion \(did you mean 'happy'\?\); expected"),
        ({"happy": "gioia"}, r"which is no emotion \(in --labels the emotion comes first: happy=gioia\)"),
        ({"tense": "stressed"}, "or a class that --emotions names"),
        ({" ": "happy"}, "expected words that are not empty"),
        ({"Gioia": "happy", "gioia": "sad"}, "labels map 'gioia' to 'sad'; expected words .* each once"),
    ],
)
def test_wrong_mappings(labels: dict[str, str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Vocabulary(labels)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("gioia", "happy"),
        ("Fröhlich", "happy"),
        ("colere", "angry"),
        ("złość", "angry"),
        ("hapy", "happy"),
        ("tired", ""),
    ],
)
def test_words_of_other_languages_are_suggested_and_not_guessed(word: str, nearest: str) -> None:
    with pytest.raises(UnknownEmotionError, match=f"--labels .*{nearest or 'EMOTION'}={word}") as caught:
        Vocabulary().resolve(word)
    assert (caught.value.word, caught.value.nearest) == (word, nearest)
    with pytest.raises(UnknownEmotionError):
        canonical(word)
