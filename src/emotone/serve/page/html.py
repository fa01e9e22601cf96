"""What the page shows, as HTML: answers, problems, and how far the model can be trusted.

Every text that a client or a model card brought is escaped.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

from emotone._version import TAGLINE
from emotone.palette import COLOURS, OTHER, colour_of
from emotone.recognition.prediction import NO_SPEECH, UNSURE, Prediction
from emotone.serve.problems import ProblemError

#: From which confidence on it is called what.
_CERTAINTY = ((0.9, "very sure"), (0.7, "fairly sure"), (0.0, "not very sure"))
#: Code of a problem -> what was found, and what to do, for people; other problems tell it themselves.
_KINDLY = {
    "not_audio": (
        "This is no recording that can be read.",
        "Choose a sound or video file, such as WAV, MP3, M4A, FLAC, OGG or WebM.",
    ),
    "too_short": (
        "This recording is too short.",
        "Choose or record one with at least a word in it; one to five seconds are best.",
    ),
    "silent": (
        "This recording is silent.",
        "Check that the microphone is not muted, and record again.",
    ),
    "too_large": ("This file is too large.", "Send a shorter or compressed recording."),
    "too_long": ("This recording is too long.", "Cut it in parts, and send them one by one."),
    "busy": ("The service has its hands full.", "Try again in a few seconds."),
    "timeout": ("This took too long.", "Send a shorter recording, or try again later."),
    "bad_request": ("This recording is no longer here: uploads are deleted soon.", "Choose it, or record it, again."),
    "unanswerable": ("The model has no answer for this recording.", "Try another one."),
}
#: Ends a login.
LEAVE = '<form method="post" action="logout"><button type="submit" class="em-quiet">Log out</button></form>'
_FAILED = ("Something went wrong here.", "Try again; whoever runs this service finds the reason in its log.")


def percent(share: float) -> str:
    """Write a share in [0, 1] in per cent.

    Examples
    --------
    >>> percent(0.734), percent(0.001), percent(0.0)
    ('73 %', '< 1 %', '0 %')
    """
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def certainty(confidence: float) -> str:
    """Say in words how sure an answer is.

    Examples
    --------
    >>> certainty(0.93), certainty(0.7), certainty(0.44)
    ('very sure', 'fairly sure', 'not very sure')
    """
    return next(words for least, words in _CERTAINTY if confidence >= least)


def answer(one: Prediction, *, title: str, trust: str = "", level: int = 2) -> str:
    """Show a prediction: the emotion, how sure it is, and all probabilities.

    Parameters
    ----------
    one
        What the recognizer says.
    title
        What it is about, such as a file's name.
    trust
        See `trusted`; left out if empty.
    level
        Of the heading, 2 to 6.
    """
    label, best = one.label, one.ranking[0]
    if label == NO_SPEECH:
        sure = "Nobody speaks here, as far as the model can hear."
        note = "So it tells no emotion. Speak closer to the microphone, or choose another recording."
    elif label == UNSURE:
        sure = f"The best guess is <b>{escape(best)}</b>, at {percent(one.confidence)}."
        note = "The model is not sure enough to name an emotion."
    else:
        sure = f"<b>{percent(one.confidence)}</b>, {certainty(one.confidence)}"
        note = ""
    lines = [note, trust if label != NO_SPEECH else ""]
    return (
        f'<section class="em-result" data-label="{escape(label)}" style="--em-colour: {colour_of(label)}">'
        f'<p class="em-about">{escape(title)}, {one.end_s - one.start_s:.1f} s</p>'
        f'<h{level} class="em-word"><span class="em-swatch" aria-hidden="true"></span>{escape(label)}</h{level}>'
        f'<p class="em-sure">{sure}</p>'
        + "".join(f'<p class="em-note">{line}</p>' for line in lines if line)
        + ("" if label == NO_SPEECH else bars(one.scores))
        + "</section>"
    )


def bars(scores: Mapping[str, float]) -> str:
    """Show probabilities as a table with bars, the most probable first."""
    rows = "".join(
        f'<tr><th scope="row">{escape(emotion)}</th>'
        f'<td class="em-track" aria-hidden="true"><span style="--em-colour: {colour_of(emotion)}; '
        f'width: {100 * score:.2f}%"></span></td><td class="em-value">{percent(score)}</td></tr>'
        for emotion, score in sorted(scores.items(), key=lambda one: -one[1])
    )
    return f'<table class="em-bars"><caption>How probable each emotion is</caption><tbody>{rows}</tbody></table>'


def problem(error: ProblemError, *, title: str = "") -> str:
    """Show why there is no answer, and what to do."""
    found, remedy = _KINDLY.get(error.code, _FAILED)
    about = f'<p class="em-about">{escape(title)}</p>' if title else ""
    return (
        f'<section class="em-result em-problem" role="alert" data-problem="{escape(error.code)}">{about}'
        f'<h2 class="em-word">{escape(found)}</h2><p class="em-sure">{escape(remedy)}</p></section>'
    )


def in_words(error: ProblemError) -> str:
    """Say why there is no answer, and what to do, as text."""
    return " ".join(_KINDLY.get(error.code, _FAILED))


def hint(text: str) -> str:
    """Show what will appear here."""
    return f'<p class="em-hint">{escape(text)}</p>'


def trusted(card: Mapping[str, Any]) -> str:
    """Say in one line how far the model can be trusted, as its card tells; empty where it tells nothing."""
    scores, protocol = card.get("scores", {}), card.get("protocol", {})
    uar = scores.get("uar")
    if not isinstance(uar, int | float):
        return ""
    span = scores.get("interval")
    around = f", 95 % interval {100 * span['low']:.0f} to {100 * span['high']:.0f} %" if span else ""
    name = escape(str(protocol.get("name", "not told")))
    if protocol.get("speaker_disjoint"):
        on = "On voices that it has never heard it"
    else:
        on = "On recordings of voices that it may have heard before it"
    return f"{on} is right about {percent(uar)} of the time (UAR{around}; protocol {name})."


def compared(
    before: Prediction, after: Prediction, *, title: str, clips: int, skipped: Sequence[str], saved: str
) -> str:
    """Show the answers before and after adapting to a speaker side by side; ``saved`` is a link to the profile."""
    left_out = f"Left out, as nothing could be heard in them: {escape(', '.join(skipped))}." if skipped else ""
    heard = f"{clips} clip{'s' if clips != 1 else ''} of this voice"
    if before.label == after.label:
        change = f"The answer stays <b>{escape(after.label)}</b>"
    else:
        change = f"<b>{escape(before.label)}</b> becomes <b>{escape(after.label)}</b>"
    return (
        f'<section class="em-compared"><p class="em-change">{change} after hearing {heard}.</p>'
        f'<p class="em-note">{left_out}</p><div class="em-pair"><div><h2 class="em-side">Before</h2>'
        f"{answer(before, title=title, level=3)}</div>"
        f'<div><h2 class="em-side">After</h2>{answer(after, title=title, level=3)}</div></div>'
        f'<p class="em-downloads">{saved}<span class="em-note"> It holds numbers, and no sound.</span></p></section>'
    )


def lead(what: str, more: str = "") -> str:
    """Say what to do on a tab, in one sentence, and why in a smaller one."""
    return f'<p class="em-lead">{escape(what)}</p>' + (f'<p class="em-note">{escape(more)}</p>' if more else "")


def live(*, adapts: bool) -> str:
    """Show the live tab, which the page's script brings to life.

    Parameters
    ----------
    adapts
        Whether the model can get used to a voice.
    """
    written = (resources.files("emotone.serve.page") / "assets" / "live.html").read_text(encoding="utf-8")
    colours = escape(json.dumps({**COLOURS, **OTHER}))
    return Template(written).substitute(colours=colours, option_hidden="" if adapts else "hidden")


def header() -> str:
    """Show the page's name and what it is for."""
    return (
        '<header class="em-header"><h1 class="em-name">'
        '<svg viewBox="0 0 32 32" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="3" '
        'stroke-linecap="round"><path d="M4 13v6M10 8v16M16 4v24M22 10v12M28 14v4"/></g></svg>Emotone</h1>'
        f'<p class="em-claim">{TAGLINE}</p></header>'
    )


def about(card: Mapping[str, Any], *, threshold: float, kept_s: float) -> str:
    """Show what the answers mean, and what happens to recordings; the model's card follows it."""
    keys = [
        "Emotone listens to how a voice sounds, not to what it says. It names the emotion that the voice carries most "
        "probably; what a person feels is another matter.",
        trusted(card),
        f"Where no emotion reaches {100 * threshold:.3g} %, the answer is “{UNSURE}”: that is better than a guess."
        if threshold > 0
        else "",
    ]
    privacy = (
        "Sound is processed on the machine that runs this page, and nothing leaves it. An uploaded recording is "
        f"deleted after about {kept_s / 60:.0f} minutes; what the live tab hears is never written to a disk."
    )
    return (
        '<section class="em-text"><h2>What the answers mean</h2>'
        + "".join(f"<p>{line}</p>" for line in keys if line)
        + f"<h2>Your recordings</h2><p>{privacy}</p></section>"
    )
