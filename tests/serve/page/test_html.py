"""Predictions and problems as HTML."""

from emotone.serve.page import html
from emotone.serve.problems import KINDS, ProblemError
from support.serving import prediction


def test_unsure_and_no_speech_are_shown_as_such():
    scores = {"happy": 0.4, "sad": 0.35, "angry": 0.25}
    unsure = html.render("answer", prediction=prediction(None, scores), title="a", trust="right about 73 %")
    assert 'data-label="unsure"' in unsure and "The best guess is <b>happy</b>, at 40 %" in unsure
    assert "not sure enough" in unsure and unsure.index("happy") < unsure.index("sad")
    silent = html.render("answer", prediction=prediction(None, scores, speech=0.1), title="a", trust="right about 73 %")
    assert 'data-label="no speech"' in silent and "happy" not in silent and "73" not in silent
    sure = html.render("answer", prediction=prediction("happy", scores), title="<a>", trust="right about 73 %")
    assert "not very sure" in sure and "&lt;a&gt;" in sure and "<a>" not in sure and "73 %" in sure


def test_every_problem_of_the_page_has_words():
    for code in ("not_audio", "too_short", "silent", "too_large", "too_long", "busy", "timeout", "unanswerable"):
        assert code in KINDS
        told = html.problem(ProblemError(code, "detail of /a/path"), title="a.wav")
        assert "/a/path" not in told and "Something went wrong" not in told
    assert "Something went wrong" in html.problem(ProblemError("internal", "x"))


def test_trust_is_told_as_the_card_has_it():
    card = {"scores": {"uar": 0.5}, "protocol": {"name": "p", "speaker_disjoint": True}}
    assert html.trust(card) == (
        "For speakers that are not in its training data, the model is right about 50 % of the time (UAR; protocol p)."
    )
    leaking = html.trust({**card, "protocol": {"name": "random", "speaker_disjoint": False}})
    assert "speakers that may be in its training data" in leaking
    assert html.trust({"scores": {}}) == ""
