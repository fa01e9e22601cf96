"""Predictions and problems as HTML."""

import re
from dataclasses import replace
from html import unescape
from importlib import resources

import pytest

from emotone.palette import OTHER
from emotone.recognition import trust
from emotone.recognition.model_card import Corpus
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
        *("not_audio", "too_short", "silent", "too_large", "too_long", "busy", "timeout", "deleted", "unanswerable"),
        *("no_channel", "not_profile", "bad_request", "idle"),
    )
    for code in pages:
        shown = html.problem(ProblemError(code, "the <reason>"), title="a<b>.wav")
        assert f"{KINDS[code].title}." in unescape(shown) and "a&lt;b&gt;.wav" in shown
        assert internal[-20:] not in unescape(shown)


def test_a_problem_has_its_reason_unless_it_is_in_the_service_itself():
    for code in KINDS:
        shown = html.problem(ProblemError(code, "a.wav: the <reason>; do something"))
        is_inside = code in ("internal", "bad_model", "busy", "too_many_streams")
        assert ("a.wav: the &lt;reason&gt;; do something." in shown) == (not is_inside), code


def test_greys_are_variables_since_a_dark_page_needs_darker_ones():
    assert html.colour("unsure") == "var(--em-unsure)" and html.colour("sad") == "#332288"
    style = (resources.files("emotone.serve.page") / "assets" / "page.css").read_text()
    light, dark = (
        dict(re.findall(r"(--em-unsure|--em-no-speech): (#\w+);", part)) for part in style.split("@media", 2)[:2]
    )
    assert light == {f"--em-{label.replace(' ', '-')}": colour.lower() for label, colour in OTHER.items()}
    assert light.keys() == dark.keys() and set(light.values()).isdisjoint(dark.values())


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
    shown = about(known, threshold=0.435)
    for statement in known.right:
        assert f"<li>{statement}</li>" in shown
    assert "reaches 43.5 %, the answer is “unsure” rather than a guess. On new speakers of the corpora" in shown
    assert shown.count("corpora it was not trained on: not measured") == (0 if elsewhere else 2)
    assert "<dt>On new speakers of the corpora it was trained on</dt><dd>50 %</dd>" in shown
    assert ("<dt>On corpora it was not trained on</dt><dd>not measured</dd>" in shown) == (not elsewhere)
    assert ("78 % are right" in shown) == bool(elsewhere)
    assert "unsure" not in about(known, threshold=0)


def test_about_has_the_licence_and_what_not_to_do():
    known = trust.of_card(handmade.card(b""))
    corpora = [Corpus("A <corpus>", "CC BY-NC 4.0", False), Corpus("Another", "CC0", True)]
    shown = about(known, threshold=0, corpora=corpora)
    assert (
        "<strong>no commercial use</strong> is known to be allowed:</p>\n<ul>\n<li>A <corpus>: CC BY-NC 4.0</li>"
        in shown
    )
    assert "<li>Another: CC0</li>" in shown and "Not for decisions about people" in shown
    assert '<a href="page/card">' in shown and "names no recordings" not in shown
    assert "names no recordings" in about(known, threshold=0)


def about(known, *, threshold, corpora=()):
    return unescape(
        html.render(
            "tab_about",
            trust=known,
            threshold=threshold,
            learns=False,
            has_key=False,
            emotions=["sad", "happy"],
            by_emotion="",
            corpora=corpora,
        )
    )
