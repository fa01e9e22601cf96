"""What was left out of a corpus, counted by kind of reason."""

import warnings

import pytest

from emotone.corpora import Rejected, count_groups, warn_of
from emotone.corpora.rejected import UnusableError, labels_hint
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError, CorpusWarning
from emotone.formatting import left_out_text


def rejected(word: str) -> Rejected:
    try:
        Vocabulary().resolve(word)
    except CorpusError as error:
        return Rejected.of("a.wav", error, where="line 2: ")
    raise AssertionError(word)


def test_reasons_are_counted_and_said_in_a_sentence() -> None:
    items = [rejected("fed up"), rejected("fed up"), rejected("gioia"), Rejected("b.wav", "broken")]
    items += [Rejected.of("c.wav", UnusableError("no such file: c.wav", group="whose file is missing"))] * 3
    assert items[0].reason.startswith("line 2: unknown emotion 'fed up'")
    assert left_out_text(count_groups(items)) == (
        "Left out 7 clips: 3 whose file is missing, 2 labelled 'fed up' (not in the vocabulary; see --labels), "
        "1 for other reasons, "
        "1 labelled 'gioia' (not in the vocabulary; if it means happy: --labels happy=gioia)"
    )
    assert left_out_text([]) == ""


def test_many_reasons_are_cut_short() -> None:
    text = left_out_text(count_groups([rejected(f"word {number}") for number in range(20)]))
    assert text.startswith("Left out 20 clips: 1 labelled") and text.endswith(", 8 for 8 other reasons")


def test_hint_on_labels_has_options_to_paste_the_most_frequent_first() -> None:
    items = [rejected("2"), rejected("fed up"), rejected("2"), rejected("gioia"), Rejected("b.wav", "broken")]
    text = labels_hint(items)
    assert text.startswith("Say what your labels mean: --labels EMOTION=2 --labels 'EMOTION=fed up' --labels happy=gio")
    assert ", where EMOTION is neutral, calm, " in text and "name all classes with --emotions" in text
    assert "EMOTION" not in labels_hint(items[3:4]) and labels_hint(items[4:]) == ""
    assert "--emotions" not in labels_hint(items, can_add=False)
    many = labels_hint([rejected(str(number)) for number in range(9)])
    assert "EMOTION=3 and so on, where" in many and "EMOTION=4" not in many
    (nameless,) = count_groups([rejected(" ")])
    assert nameless["reason"] == "without an emotion" and labels_hint([rejected(" ")]) == ""


def test_warning_says_how_many_are_left_out_and_used() -> None:
    with pytest.warns(CorpusWarning) as seen:
        warn_of([rejected("2"), rejected("2")], n_used=1)
    first, second = str(seen[0].message).split("\n")
    assert first == "Left out 2 clips: 2 labelled '2' (not in the vocabulary; see --labels). 1 clip is used"
    assert second == labels_hint([rejected("2")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of([], n_used=3)
