"""How far a model can be trusted: every figure comes with its recordings, and never only the better of two."""

import pytest

from emotone.errors import BundleError
from emotone.recognition import trust
from support import handmade, other_corpora

SCORES = {"uar": 0.734, "accuracy": 0.72, "ece": 0.037, "interval": {"low": 0.636, "high": 0.79}}
CALIBRATION = {"threshold": 0.435, "coverage": 0.9, "accuracy_above": 0.797, "accuracy_below": 0.354}
DISJOINT = {"name": "speaker-6fold", "words": "six folds", "speaker_disjoint": True}
NEAR = "new speakers of the corpora it was trained on"
FAR = "corpora it was not trained on"


def known(**changes):
    """The trust in the model of a card."""
    return trust.of_card(
        handmade.card(b"", **{"scores": SCORES, "calibration": CALIBRATION, "protocol": DISJOINT, **changes})
    )


def every_text(told):
    return (*told.right, told.calibration, told.reaching, told.confident, told.of_answer(0.99), told.of_answer(0.1))


def test_both_kinds_of_recordings_have_their_figures():
    told = known(elsewhere=other_corpora.figures())
    assert told.right == (
        f"On {NEAR}, the model is right about 73 % of the time (UAR, 95 % interval 64 to 79 %; protocol "
        "speaker-6fold).",
        f"On {FAR}, the model is right about 55 % of the time (UAR, mean of 2 corpora, 50 to 60 %). "
        "After adaptation to the speaker without labels: 63 % with 5 clips, 72 % with all clips.",
    )
    assert told.calibration == (
        f"On {NEAR}, confidence differs from accuracy by 3.7 points on average; on {FAR}, by 8.4 points on average."
    )
    assert told.reaching == (
        f"On {NEAR}, 90 % of the answers reach the threshold of 43.5 %: 80 % of them are right, and 35 % of the "
        f"others; on {FAR}, 70 % of the answers reach it: 66 % of them are right, and 40 % of the others."
    )
    assert told.confident == f"On {FAR}, 21 % of the answers have a confidence of 80 % or more: 78 % are right."
    assert told.tested == NEAR


def test_figures_on_other_corpora_alone_are_whole_sentences():
    told = known(scores={}, calibration={"threshold": 0.435}, elsewhere=other_corpora.figures())
    assert told.calibration == (
        f"On {NEAR}: not measured; on {FAR}, confidence differs from accuracy by 8.4 points on average."
    )
    assert told.reaching.startswith(
        f"On {NEAR}: not measured; on {FAR}, 70 % of the answers reach the threshold of 43.5 %: 66 %"
    )


def test_what_was_not_measured_on_other_corpora_is_said_with_every_figure():
    told = known()
    assert told.right[1].startswith(f"On {FAR}: not measured. ") and "emotone evaluate" in told.right[1]
    assert told.calibration.endswith(f" 3.7 points on average; on {FAR}: not measured.")
    assert told.reaching.endswith(f" 35 % of the others; on {FAR}: not measured.")
    assert told.of_answer(0.99) == (f"On {NEAR}, the model is right about 73 % of the time. On {FAR}: not measured.")
    assert told.confident == ""


@pytest.mark.parametrize("elsewhere", [None, other_corpora.figures(), other_corpora.figures(adapts=False)])
@pytest.mark.parametrize("protocol", [DISJOINT, {"name": "random-80-20", "speaker_disjoint": False}, {}])
@pytest.mark.parametrize("scores", [SCORES, {}])
def test_no_text_has_the_figure_of_new_speakers_alone(elsewhere, protocol, scores):
    told = known(protocol=protocol, scores=scores, **({"elsewhere": elsewhere} if elsewhere else {}))
    assert FAR in told.right[1] and told.tested in told.right[0]
    for text in (told.calibration, told.reaching, told.of_answer(0.99), told.of_answer(0.1)):
        assert told.tested in text and FAR in text
    assert ("not measured" in told.right[1]) == (elsewhere is None)
    assert ("not measured" in told.right[0]) == (not scores)


def test_only_confident_answers_are_compared_with_confident_ones():
    told = known(elsewhere=other_corpora.figures())
    assert told.confident in told.of_answer(0.8) and told.confident not in told.of_answer(0.79)
    assert "about 55 % of the time" in told.of_answer(0.79)


def test_model_that_shares_speakers_with_its_test_is_not_said_to_know_new_ones():
    told = known(protocol={"name": "random-80-20", "speaker_disjoint": False})
    assert told.right[0].startswith("On speakers that may be in its training data, the model is right about 73 %")
    assert not any(NEAR in text for text in every_text(told))


def test_scores_of_the_cross_corpus_protocol_are_those_on_other_corpora():
    cross = {"name": "cross-corpus", "speaker_disjoint": True}
    told = known(protocol=cross)
    assert told.tested == FAR and told.right == (
        f"On {NEAR}: not measured.",
        f"On {FAR}, the model is right about 73 % of the time (UAR, 95 % interval 64 to 79 %; protocol cross-corpus).",
    )
    assert f"On {NEAR}: not measured; on {FAR}, 90 % of the answers reach the threshold of 43.5 %" in told.reaching
    assert "about 55 % of the time" in known(protocol=cross, elsewhere=other_corpora.figures()).right[1]


@pytest.mark.parametrize(
    ("unsure", "said"),
    [
        ({"coverage": 1.0, "accuracy_above": 0.8, "accuracy_below": None}, "of 43.5 %: 80 % of them are right; on"),
        ({"coverage": 0.0, "accuracy_above": None, "accuracy_below": 0.3}, "43.5 %: 30 % of the others are right; on"),
        (
            {"coverage": 0.5, "accuracy_above": None, "accuracy_below": None},
            "50 % of the answers reach the threshold of 43.5 %; on",
        ),
        ({}, f"On {NEAR}: not measured; on {FAR}: not measured."),
        ({"coverage": "0.9"}, f"On {NEAR}: not measured; on {FAR}: not measured."),
    ],
)
def test_threshold_that_leaves_answers_on_one_side(unsure, said):
    assert said in known(calibration={"threshold": 0.435, **unsure}).reaching


def test_model_without_a_threshold_has_no_text_about_it():
    assert known(calibration={"threshold": 0}).reaching == ""


@pytest.mark.parametrize("scores", [{"uar": "high"}, {"uar": True}, {"uar": float("nan")}, {"uar": None}, {"uar": 73}])
def test_figure_that_is_no_share_counts_as_not_measured(scores):
    assert known(scores=scores).right[0] == f"On {NEAR}: not measured."


@pytest.mark.parametrize("interval", ["0.4 to 0.6", {"low": 0.4}, {"low": None, "high": 0.6}, [0.4, 0.6], 1, {}])
def test_interval_of_another_form_is_left_out(interval):
    for scores in ({"interval": interval}, {"intervals": interval}, {"intervals": {"uar": interval}}):
        right = known(scores={"uar": 0.5, **scores}).right[0]
        assert right.endswith("right about 50 % of the time (UAR; protocol speaker-6fold).")


def test_one_corpus_and_few_confident_answers():
    figures = other_corpora.figures(adapts=False)
    figures |= {"corpora": figures["corpora"][:1], "confident": {"from": 0.8, "share": 0.0, "right": None}}
    told = known(elsewhere=figures)
    assert told.right[1].endswith("55 % of the time (UAR, 1 corpus).")
    assert told.confident == "" and "confidence of" not in told.of_answer(0.99)


def test_table_has_a_row_for_each_corpus_and_the_means():
    figures = other_corpora.figures()
    head, rows = trust.corpora_table(figures)
    assert head == [
        *("corpus", "UAR %", "with 5 clips", "with all clips", "accuracy %", "ECE, points"),
        *("clips", "speakers", "emotions"),
    ]
    assert rows == [
        ["first", "50.0", "58.0", "67.0", "51.0", "10.0", "1,440", "24", "8"],
        ["second", "60.0", "68.0", "77.0", "61.0", "6.8", "90", "2", "6"],
        ["mean", "55.0", "63.0", "72.0", "56.0", "8.4", "", "", ""],
    ]
    note = trust.table_note(figures)
    assert note.startswith(f"Protocol: {other_corpora.PROTOCOL}. The means") and "'with 5 clips', 'with all" in note
    del figures["corpora"][1]["adapted"]["5"]
    assert trust.corpora_table(figures)[1][1][1:4] == ["60.0", "–", "77.0"]


def test_table_of_a_model_that_does_not_adapt_has_no_columns_for_it():
    figures = other_corpora.figures(adapts=False)
    head, rows = trust.corpora_table(figures)
    assert {len(row) for row in rows} == {len(head)} == {7} and "adaptation" not in trust.table_note(figures)


def test_comparison_says_on_which_recordings_its_models_were_tested():
    assert trust.comparison_note([DISJOINT, {"name": "random"}, DISJOINT]) == (
        f"Each model was tested on {NEAR} and on speakers that may be in its training data; "
        f"on {FAR}: not measured here."
    )
    both = trust.comparison_note([DISJOINT, {"name": "cross-corpus"}])
    assert both == f"Each model was tested on {NEAR} and on {FAR}."


def test_a_run_has_the_same_texts_as_its_card():
    run = {"test": SCORES, "protocol": DISJOINT, "unsure": CALIBRATION, "elsewhere": other_corpora.figures()}
    assert every_text(trust.of_run(run, where="metrics.json")) == every_text(known(elsewhere=run["elsewhere"]))
    # where corpora were left out, the temperatures of the folds are others than that of the bundle
    exported = {**run, "unsure": CALIBRATION | {"coverage": 1.0, "accuracy_below": None}}
    exported |= {"as_exported": CALIBRATION | {"ece": SCORES["ece"]}, "test": SCORES | {"ece": 0.001}}
    assert every_text(trust.of_run(exported, where="metrics.json")) == every_text(known(elsewhere=run["elsewhere"]))
    assert trust.of_run({"test": SCORES, "protocol": DISJOINT}, where="metrics.json").reaching == ""
    with pytest.raises(BundleError, match=r"metrics\.json: elsewhere is \[\], expected an object"):
        trust.of_run({**run, "elsewhere": []}, where="metrics.json")
