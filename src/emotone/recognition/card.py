"""The card of a bundle: reading ``card.json`` and checking its content."""

import re
from pathlib import Path
from typing import Any

from emotone import hub
from emotone.audio.trimming import MIN_DURATION_S
from emotone.emotions import EMOTIONS, class_name
from emotone.errors import BundleError, CorpusError
from emotone.files import read_regular
from emotone.metrics import SCORES
from emotone.preprocessing import TRIMS
from emotone.recognition.schema import (
    ANY,
    FLAG,
    LINE,
    OBJECT,
    SHARE,
    TEXT,
    Kind,
    MismatchError,
    both,
    each,
    fields,
    is_text,
    nullable,
    number,
    satisfying,
    table,
    unprintable,
    whole,
)
from emotone.recognition.versioned_json import check_object, parse, short

#: Format version of new bundles.  Bundles of this and older versions can be read.
FORMAT_VERSION = 1
#: The files of a bundle.
GRAPH, CARD, README = "model.onnx", "card.json", "README.md"
#: Notices of the licences of what the built-in model was made from; other bundles may have one.
NOTICE = "NOTICE"
#: With them in the bundle of a model that adapts, see `emotone.recognition.adaptation`.
ADAPTATION = "adaptation.npz"
#: The optional inputs of a graph that adapts, float32: [1, e], the mean embedding of the speaker's clips, and [1], the
#: number of those clips.  0 clips, the default, means an unknown speaker.
SPEAKER, HEARD = "speaker", "heard"
#: The optional third output of a graph: the probability of speech.
SPEECH = "speech"

#: Optional: figures on corpora that the model was not trained on, see `check_elsewhere`.
ELSEWHERE = "elsewhere"
#: Largest card, in bytes; that of the built-in model has 11,000.
MOST_BYTES = 1 << 20
_MOST_CLIPS = 10**9
_REMEDY = "get the bundle again, or train it again with 'emotone train'"

_COUNT = whole(0, _MOST_CLIPS)
_MAYBE_SHARE = nullable(SHARE)
_DIGEST = satisfying(
    "text of 64 hexadecimal digits", lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))
)
#: Numbers of clips to which a model was adapted.
_LEVEL = satisfying("a number of clips, or 'all'", lambda level: bool(re.fullmatch(r"[1-9][0-9]{0,5}|all", level)))
_CORPUS_SCORES = {"uar": SHARE, "accuracy": SHARE, "ece": SHARE, "adapted": table(SHARE, key=_LEVEL)}
_INTERVAL = fields({}, optional={"low": _MAYBE_SHARE, "high": _MAYBE_SHARE, "unit": nullable(TEXT)})
_SIZE = {"clips": _COUNT, "emotions": _COUNT}
_GROUP = fields({**_SIZE, "uar": SHARE, "accuracy": SHARE, "low": _MAYBE_SHARE, "high": _MAYBE_SHARE})
_SPREAD = fields({"lowest": SHARE, "median": SHARE, "highest": SHARE})


def _are_emotions(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_class, value)) and 2 <= len(set(value)) == len(value)


def _is_extractor(value: Any) -> bool:
    return isinstance(value, dict) and is_text(value.get("name")) and isinstance(value.get("graph"), bool)


#: What ``elsewhere`` of a card must be, see `check_elsewhere`.
_ELSEWHERE = fields(
    {
        "protocol": satisfying("text", is_text),
        **_CORPUS_SCORES,
        "confident": fields({"from": SHARE, "share": SHARE, "right": _MAYBE_SHARE}),
        "unsure": fields({"coverage": SHARE, "accuracy_above": _MAYBE_SHARE, "accuracy_below": _MAYBE_SHARE}),
        "corpora": each(
            fields({"name": satisfying("text", is_text), **_SIZE, "speakers": _COUNT, **_CORPUS_SCORES}),
            least=1,
            expected="a list of one corpus or more",
        ),
    }
)
_NEEDED: dict[str, Kind] = {
    "format_version": ANY,  # see `check_object`
    "name": LINE,
    "emotions": satisfying(f"two or more different names, such as {', '.join(EMOTIONS)}", _are_emotions),
    "sample_rate": satisfying("16000", lambda value: type(value) is int and value == 16_000),
    "extractor": both(
        satisfying("its name, digest and graph", _is_extractor),
        fields({"name": LINE}, optional={"digest": nullable(TEXT), "sequence": FLAG}),
    ),
    "features": whole(1, 10**7),
    "model": LINE,
    "parameters": OBJECT,
    "versions": table(TEXT),
    "protocol": fields(
        {},
        optional={
            **dict.fromkeys(("name", "words", "description", "warning", "source"), TEXT),
            "speaker_disjoint": FLAG,
        },
    ),
    "scores": fields(
        {},
        optional={
            **dict.fromkeys((*SCORES, "ece"), SHARE),
            "interval": nullable(_INTERVAL),
            "intervals": table(nullable(_INTERVAL)),
            "n_clips": _COUNT,
            "per_class": fields({}, optional={"recall": table(SHARE)}),
            "groups": table(table(_GROUP)),
            "speaker_range": nullable(fields({"speakers": _COUNT, "uar": _SPREAD, "accuracy": _SPREAD})),
        },
    ),
    "calibration": fields(
        {"threshold": SHARE},
        optional={
            **dict.fromkeys(
                ("temperature", "adapted_temperature"), number(0, 1e6, expected="a number above 0", is_above=True)
            ),
            "per_distance": number(0, 1e6, expected="a number, 0 or more"),
            **dict.fromkeys(("coverage", "accuracy_above", "accuracy_below", "ece"), _MAYBE_SHARE),
        },
    ),
    "training": fields(
        {},
        optional={
            "corpora": each(
                fields(
                    {},
                    optional={
                        **dict.fromkeys(("name", "title", "language", "licence", "url"), nullable(TEXT)),
                        **dict.fromkeys(("clips", "speakers"), nullable(_COUNT)),
                        "commercial_use": nullable(FLAG),
                    },
                )
            ),
            "note": nullable(TEXT),
            "recorded_sounds": FLAG,
        },
    ),
    "preprocessing": fields(
        {},
        optional={
            "trim_db": nullable(
                number(0, 200, expected="decibels above 0, at most 200, or null for no trim", is_above=True)
            ),
            "min_duration_s": number(MIN_DURATION_S, 30, expected=f"{MIN_DURATION_S} to 30 s"),
            "high_pass_hz": nullable(number(20, 300)),
            "trim": satisfying(" or ".join(TRIMS), lambda value: isinstance(value, str) and value in TRIMS),
        },
    ),
    "sha256": _DIGEST,
    "size_bytes": whole(0, 10**12),
    "created": LINE,
}
#: Every key that ``card.json`` needs.
KEYS = tuple(_NEEDED)
#: What a card must be.  Other keys may be there; nothing reads them.
_CARD = fields(
    _NEEDED,
    optional={
        "embedding": whole(1, 65_536),
        "adapts": FLAG,
        "checks_speech": FLAG,
        "adaptation": nullable(fields({"sha256": _DIGEST})),
        ELSEWHERE: _ELSEWHERE,
    },
)


def read(folder: Path) -> dict[str, Any]:
    """Read and check the card of a bundle.

    Raises
    ------
    BundleError
        The folder or the card is missing or damaged, or the card does not pass `check`.
    """
    path = folder / CARD
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise BundleError(
            f"the bundle {str(folder)!r} {problem}; expected a folder that holds {CARD} and {GRAPH}, such as the "
            f"'model' folder of a training run{'' if folder.exists() else hub.suggestion(folder.as_posix())}"
        )
    try:
        content = read_regular(path, most_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        inner = folder / "model"
        hint = f"did you mean {str(inner)!r}?" if (inner / CARD).is_file() else _REMEDY
        raise BundleError(f"{str(folder)!r} is not a bundle: it holds no {CARD}; {hint}") from error
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); check the file and its permissions") from error
    # a key that nothing reads may have them; the others are checked
    parsed = parse(content, where=str(path), remedy=_REMEDY, allow_nan=True)
    return check(parsed, where=str(path))


def check(card: object, *, where: str) -> dict[str, Any]:
    """Check every value of a card that anything reads, and return the card; ``where`` names it in messages.

    Raises
    ------
    BundleError
        A key is missing, a value has the wrong type or is out of range, or the format is newer than this program.
    """
    checked = check_object(
        card, where=where, kind="the card of a bundle", keys=KEYS, newest=FORMAT_VERSION, remedy=_REMEDY
    )
    text = unprintable(checked)
    if text is not None:
        raise BundleError(f"{where} has the text {short(text)}, expected characters that can be printed; {_REMEDY}")
    return _matching(checked, _CARD, where=where, name="")


def check_elsewhere(value: object, *, where: str) -> dict[str, Any]:
    """Check the figures on corpora that a model was not trained on, and return them; ``where`` names the file.

    Each share is a number from 0 to 1.

    - ``protocol``: how they were measured.
    - ``uar``, ``accuracy``, ``ece``: means over the corpora.
    - ``adapted``: number of unlabelled clips of the speaker, or "all" -> UAR after adaptation to them.  It is empty if
      the model does not adapt.
    - ``confident``: the ``share`` of the answers whose confidence is at least ``from``, and the share of them that is
      ``right``, which is null if no answer is so confident.
    - ``unsure``: the share that reaches the threshold of the card (``coverage``), and the shares of right answers
      above and below it, which are null if there are no such answers.
    - ``corpora``: ``name``, ``clips``, ``speakers``, ``emotions`` (their numbers) and scores of each corpus.

    Raises
    ------
    BundleError
        A key is missing, or a value has the wrong type or is out of range.
    """
    return _matching(value, _ELSEWHERE, where=where, name=ELSEWHERE)


def _matching(value: object, kind: Kind, *, where: str, name: str) -> dict[str, Any]:
    """Return an object of this kind; raise `BundleError` if it is not."""
    try:
        kind(value, name)
    except MismatchError as error:
        problem = f"{error.name} is {short(error.value)}, expected {error.expected}"
        raise BundleError(f"{where}: {problem}; {_REMEDY}") from error
    assert isinstance(value, dict)
    return value


def _is_class(name: object) -> bool:
    """Check for the name of an emotion, or of an own class of the person who trained the model."""
    try:
        return isinstance(name, str) and class_name(name) == name
    except CorpusError:
        return False
