"""What was left out of a corpus, counted by kind of reason."""

from emotone.corpora import Rejected, count_groups
from emotone.corpora.rejected import UnusableError
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError
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
        "1 for other reasons (see rejected.csv), "
        "1 labelled 'gioia' (not in the vocabulary; if it means happy: --labels happy=gioia)"
    )
    assert left_out_text([]) == ""


def test_many_reasons_are_cut_short() -> None:
    text = left_out_text(count_groups([rejected(f"word {number}") for number in range(20)]))
    assert text.startswith("Left out 20 clips: 1 labelled") and text.endswith(", 8 for 8 other reasons")
