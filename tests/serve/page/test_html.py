"""Predictions and problems as HTML."""

from dataclasses import replace
from html import unescape

import pytest

from emotone.recognition import trust
from emotone.recognition.profile import Profile
from emotone.serve.page import html
from emotone.serve.problems import KINDS, ProblemError
from support import handmade, other_corpora
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


def test_notes_are_shown_below_the_answer():
    noted = replace(prediction("happy", {"happy": 0.9, "sad": 0.1}), notes=("the channels <differ>",))
    shown = html.render("answer", prediction=noted, title="a", trust="")
    assert '<p class="em-note">The channels &lt;differ&gt;.</p>' in shown


@pytest.mark.parametrize(
    ("shares", "n_utterances", "n_clips", "expected"),
    [
        ((0.7, 0.2, 0.1), 5, 5, "Of your 5 clips, most seem to be neutral."),
        ((0.3, 0.5, 0.2), 5, 5, "Of your 5 clips, most seem to be sad or neutral."),
        ((0.35, 0.25, 0.2), 5, 5, "Of your 5 clips, most seem to be neutral or sad."),
        ((0.3, 0.29, 0.2), 5, 5, "Your 5 clips seem to have several emotions."),
        ((0.3, 0.29, 0.2), 8, 1, "The 8 utterances in your clip seem to have several emotions."),
        ((0.1, 0.2, 0.7), 8, 5, "Of the 8 utterances in your 5 clips, most seem to be angry."),
        ((0.1, 0.2, 0.7), 1, 1, "Your clip seems to be angry."),
        ((0.3, 0.29, 0.2), 1, 1, "Your clip seems to have no clear emotion."),
        ((), 5, 5, ""),
    ],
)
def test_the_composition_of_clips_in_words(shares, n_utterances, n_clips, expected):
    pairs = tuple(zip(("neutral", "sad", "angry"), shares, strict=False))
    profile = Profile((0.0,), n_utterances, "0" * 64, composition=pairs, answers=pairs)
    assert html.composition(profile, n_clips=n_clips) == expected


def test_every_problem_of_the_page_has_a_remedy():
    internal = html.problem_text(ProblemError("internal", "x"))
    assert internal == "The service failed. Try again. The service's log has the reason."
    pages = (
        "not_audio",
        "too_short",
        "silent",
        "too_large",
        "too_long",
        "busy",
        "timeout",
        "deleted",
        "unanswerable",
        "no_channel",
    )
    for code in pages:
        shown = html.problem(ProblemError(code, "detail of /a/path"), title="a<b>.wav")
        assert f"{KINDS[code].title}." in unescape(shown) and "a&lt;b&gt;.wav" in shown
        assert "/a/path" not in shown and internal[-20:] not in unescape(shown)


@pytest.mark.parametrize("elsewhere", [None, other_corpora.figures()])
def test_about_has_each_figure_for_both_kinds_of_recordings(elsewhere):
    card = handmade.card(
        b"",
        scores={"uar": 0.5, "ece": 0.037},
        protocol={"name": "p", "speaker_disjoint": True},
        calibration={"threshold": 0.435, "coverage": 0.9, "accuracy_above": 0.8, "accuracy_below": 0.35},
        **({"elsewhere": elsewhere} if elsewhere else {}),
    )
    known = trust.of_card(card)
    shown = unescape(html.render("about", trust=known, threshold=0.435, kept_s=60, learns=False))
    for statement in known.right:
        assert f"<li>{statement}</li>" in shown
    assert "reaches 43.5 %, the answer is “unsure” rather than a guess. On new speakers of the corpora" in shown
    assert shown.count("corpora it was not trained on: not measured") == (0 if elsewhere else 2)
    assert ("78 % are right" in shown) == bool(elsewhere)
    assert "unsure" not in html.render("about", trust=known, threshold=0, kept_s=60, learns=False)
