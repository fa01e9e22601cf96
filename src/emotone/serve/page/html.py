"""The page's HTML: Jinja2 templates that escape every value, and the remedies of problems."""

import base64
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from emotone.formatting import clock, percent, threshold_text
from emotone.palette import OTHER, colour_of
from emotone.recognition.profile import Profile
from emotone.serve.problems import ProblemError

if TYPE_CHECKING:
    import jinja2

#: Writes a share in [0, 1] as a whole percentage.
whole_percent = functools.partial(percent, digits=0, least="< 1 %")
#: Smallest confidence -> its description.
_CERTAINTY = ((0.9, "very sure"), (0.7, "fairly sure"), (0.0, "not very sure"))
#: Emotions are those of most clips if they have at least this share together.
_MOST = 0.6
#: Code of a problem -> its remedy, for a person at the page.
_REMEDIES = {
    "bad_request": "Load the page again, and try once more.",
    "not_audio": "Choose a sound or video file, such as WAV, MP3, M4A, FLAC, OGG or WebM.",
    "not_profile": "Choose a file that this page has saved, or add clips of the person.",
    "too_short": "Choose or record at least one word; one to five seconds are best.",
    "no_channel": "Choose other speakers than one per channel, or a recording with two channels.",
    "silent": "Check that the microphone is not muted, and record again.",
    "too_large": "Send a compressed recording, such as MP3 or M4A, or a part of it.",
    "too_long": "Cut it into parts, and send each part.",
    "busy": "Try again in a few seconds.",
    "too_many_streams": "Try again in a few seconds.",
    "timeout": "Send a shorter recording, or try again later.",
    "idle": "Check the connection, and try again.",
    "deleted": "Send the recording again.",
    "unanswerable": "Try another recording.",
    "bad_model": "The service's log has the reason.",
    "internal": "Try again. The service's log has the reason.",
}
#: Codes of problems whose detail is not for a person at the page.
_WITHOUT_REASON = ("internal", "bad_model", "busy", "too_many_streams")


def render(template: str, /, **values: Any) -> str:
    """Return the HTML of a template, such as ``answer`` for ``answer.html.j2``."""
    return _environment().get_template(f"{template}.html.j2").render(values)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2  # not with this module: a missing extra is reported by the import of gradio, which needs jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("emotone.serve.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": whole_percent, "certainty": certainty, "colour": colour, "clock": clock}
    environment.filters["threshold"] = threshold_text
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    return environment


def colour(label: str, among: Iterable[str] = ()) -> str:
    """Return the colour of a label for CSS; the greys are variables, since a dark page needs darker ones.

    Examples
    --------
    >>> colour("angry"), colour("no speech")
    ('#882255', 'var(--em-no-speech)')
    """
    return f"var(--em-{label.replace(' ', '-')})" if label in OTHER else colour_of(label, among)


def certainty(confidence: float) -> str:
    """Describe a confidence in [0, 1] in words.

    Examples
    --------
    >>> certainty(0.93), certainty(0.7), certainty(0.44)
    ('very sure', 'fairly sure', 'not very sure')
    """
    return next(words for least, words in _CERTAINTY if confidence >= least)


def composition(profile: Profile, *, n_clips: int) -> str:
    """Say which emotions the clips of a profile seem to have; empty if it is not known.

    Parameters
    ----------
    n_clips
        Number of recordings; a profile counts the utterances in them.

    Examples
    --------
    >>> shares = (("neutral", 0.7), ("calm", 0.2), ("sad", 0.1))
    >>> profile = Profile(mean=(0.0,), n_clips=5, model="0" * 64, composition=shares, answers=shares)
    >>> composition(profile, n_clips=5), composition(profile, n_clips=2)
    ('Of your 5 clips, most seem to be neutral.', 'Of the 5 utterances in your 2 clips, most seem to be neutral.')
    """
    if not profile.composition:
        return ""
    (first, share), (second, other), *_ = sorted(profile.composition, key=lambda pair: -pair[1])
    most = first if share >= _MOST else f"{first} or {second}" if share + other >= _MOST else ""
    if profile.n_clips == 1:
        return f"Your clip seems to be {most}." if most else "Your clip seems to have no clear emotion."
    clips = "your clip" if n_clips == 1 else f"your {n_clips} clips"
    clips = clips if profile.n_clips == n_clips else f"the {profile.n_clips} utterances in {clips}"
    return f"Of {clips}, most seem to be {most}." if most else f"{clips.capitalize()} seem to have several emotions."


def problem(error: ProblemError, *, title: str = "") -> str:
    """Return the HTML of a problem with its reason and remedy; ``title`` names the recording."""
    reason = "" if error.code in _WITHOUT_REASON else f"{error.detail}."
    finding, remedy = f"{error.title}.", _remedy(error)
    return render("problem", code=error.code, finding=finding, reason=reason, remedy=remedy, title=title)


def problem_text(error: ProblemError) -> str:
    """Return a problem and its remedy as plain text."""
    return f"{error.title}. {_remedy(error)}"


def _remedy(error: ProblemError) -> str:
    return _REMEDIES.get(error.code, _REMEDIES["internal"])
