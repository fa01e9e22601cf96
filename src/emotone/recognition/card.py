"""The card of a bundle: reading ``card.json`` and checking its content."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotone.audio.trimming import MIN_DURATION_S
from emotone.emotions import EMOTIONS, class_name
from emotone.errors import BundleError, CorpusError
from emotone.files import read_regular
from emotone.recognition.versioned_json import check_object, parse, short

#: Format version of new bundles.  Bundles of this and older versions can be read.
FORMAT_VERSION = 1
#: The files of a bundle.
GRAPH, CARD, README = "model.onnx", "card.json", "README.md"
#: With them in the bundle of a model that adapts, see `emotone.recognition.adaptation`.
ADAPTATION = "adaptation.npz"
#: The optional inputs of a graph that adapts, float32: [1, e], the mean embedding of the speaker's clips, and [1], the
#: number of those clips.  0 clips, the default, means an unknown speaker.
SPEAKER, HEARD = "speaker", "heard"
#: The optional third output of a graph: the probability of speech.
SPEECH = "speech"

#: Every key of ``card.json`` and the JSON type of its value.
KEYS: dict[str, type] = {
    "format_version": int,
    "name": str,
    "emotions": list,
    "sample_rate": int,
    "extractor": dict,
    "features": int,
    "model": str,
    "parameters": dict,
    "versions": dict,
    "protocol": dict,
    "scores": dict,
    "calibration": dict,
    "training": dict,
    "preprocessing": dict,
    "sha256": str,
    "size_bytes": int,
    "created": str,
}
#: Optional: figures on corpora that the model was not trained on, see `check_elsewhere`.
ELSEWHERE = "elsewhere"
_TYPE_NAMES = {int: "a whole number", str: "text", list: "a list", dict: "an object"}
#: Numbers of clips to which a model was adapted.
_LEVEL = re.compile(r"[1-9][0-9]{0,5}|all")
_MOST_CLIPS = 10**9
_REMEDY = "get the bundle again, or train it again with 'emotone train'"


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
            "'model' folder of a training run"
        )
    try:
        content = read_regular(path)
    except FileNotFoundError as error:
        inner = folder / "model"
        hint = f"did you mean {str(inner)!r}?" if (inner / CARD).is_file() else _REMEDY
        raise BundleError(f"{str(folder)!r} is not a bundle: it holds no {CARD}; {hint}") from error
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); check the file and its permissions") from error
    return check(parse(content, where=str(path), remedy=_REMEDY), where=str(path))


def check(card: object, *, where: str) -> dict[str, Any]:
    """Check the values of a card on which predictions depend, and return the card; ``where`` names it in messages.

    Raises
    ------
    BundleError
        A key is missing, a value has the wrong type or is out of range, or the format is newer than this program.
    """
    checked = check_object(
        card, where=where, kind="the card of a bundle", keys=KEYS, newest=FORMAT_VERSION, remedy=_REMEDY
    )
    for key, kind in KEYS.items():
        is_kind = isinstance(checked[key], kind) and not isinstance(checked[key], bool)
        _require(is_kind, where, key, checked[key], _TYPE_NAMES[kind])
    _check_values(checked, where=where)
    if ELSEWHERE in checked:
        check_elsewhere(checked[ELSEWHERE], where=where)
    return checked


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
    figures = _object(value, where, ELSEWHERE)
    _require(_is_text(figures.get("protocol")), where, "elsewhere.protocol", figures.get("protocol"), "text")
    _check_scores(figures, where, ELSEWHERE)
    for name, keys, optional in (
        ("confident", ("from", "share"), ("right",)),
        ("unsure", ("coverage",), ("accuracy_above", "accuracy_below")),
    ):
        inner = f"{ELSEWHERE}.{name}"
        _check_shares(_object(figures.get(name), where, inner), where, inner, keys, optional)
    corpora = figures.get("corpora")
    has_corpora = isinstance(corpora, list) and len(corpora) > 0
    _require(has_corpora, where, "elsewhere.corpora", corpora, "a list of one corpus or more")
    for number, entry in enumerate(corpora or []):
        inner = f"{ELSEWHERE}.corpora[{number}]"
        corpus = _object(entry, where, inner)
        _require(_is_text(corpus.get("name")), where, f"{inner}.name", corpus.get("name"), "text")
        for key in ("clips", "speakers", "emotions"):
            is_count = isinstance(corpus.get(key), int) and _is_number(corpus[key], 0, _MOST_CLIPS)
            _require(is_count, where, f"{inner}.{key}", corpus.get(key), f"a whole number from 0 to {_MOST_CLIPS}")
        _check_scores(corpus, where, inner)
    return figures


def _check_scores(scores: Mapping[str, Any], where: str, name: str) -> None:
    """Check the scores of a corpus, or their means."""
    _check_shares(scores, where, name, ("uar", "accuracy", "ece"))
    adapted = _object(scores.get("adapted"), where, f"{name}.adapted")
    for level in adapted:
        _require(bool(_LEVEL.fullmatch(level)), where, f"a key of {name}.adapted", level, "a number of clips, or 'all'")
    _check_shares(adapted, where, f"{name}.adapted", tuple(adapted))


def _check_shares(
    table: Mapping[str, Any], where: str, name: str, keys: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Check that values are shares; those of ``optional`` keys may be null, but not missing."""
    for key in (*keys, *optional):
        can_be_null = key in optional and key in table
        is_share = _is_number(table.get(key), 0, 1) or (can_be_null and table[key] is None)
        expected = "a number from 0 to 1" + (", or null" if key in optional else "")
        _require(is_share, where, f"{name}.{key}", table.get(key), expected)


def _object(value: object, where: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BundleError(f"{where}: {name} is {short(value)}, expected an object; {_REMEDY}")
    return value


def _is_text(value: object) -> bool:
    """Check for text that can be written to a file: JSON may hold halves of characters."""
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _check_values(card: Mapping[str, Any], *, where: str) -> None:
    emotions, extractor, threshold = card["emotions"], card["extractor"], card["calibration"].get("threshold")
    temperature = card["calibration"].get("temperature", 1.0)
    trim_db = card["preprocessing"].get("trim_db")
    shortest = card["preprocessing"].get("min_duration_s", MIN_DURATION_S)
    are_names = all(_is_class(emotion) for emotion in emotions) and 2 <= len(set(emotions)) == len(emotions)
    _require(are_names, where, "emotions", emotions, f"two or more different names, such as {', '.join(EMOTIONS)}")
    for key in ("adapts", "checks_speech"):
        _require(isinstance(card.get(key, False), bool), where, key, card.get(key), "true or false")
    is_extractor = isinstance(extractor.get("name"), str) and isinstance(extractor.get("graph"), bool)
    _require(is_extractor, where, "extractor", extractor, "its name, digest and graph")
    _require(card["sample_rate"] == 16_000, where, "sample_rate", card["sample_rate"], "16000")
    _require(_is_number(threshold, 0, 1), where, "calibration.threshold", threshold, "a number from 0 to 1")
    is_positive = _is_number(temperature, 0, 1e6) and temperature > 0
    _require(is_positive, where, "calibration.temperature", temperature, "a number above 0")
    rise, adapted = (card["calibration"].get(key, 1.0) for key in ("per_distance", "adapted_temperature"))
    _require(_is_number(rise, 0, 1e6), where, "calibration.per_distance", rise, "a number, 0 or more")
    is_positive = _is_number(adapted, 0, 1e6) and adapted > 0
    _require(is_positive, where, "calibration.adapted_temperature", adapted, "a number above 0")
    can_trim = trim_db is None or (_is_number(trim_db, 0, 200) and trim_db > 0)
    _require(can_trim, where, "preprocessing.trim_db", trim_db, "decibels above 0, at most 200, or null for no trim")
    has_range = _is_number(shortest, MIN_DURATION_S, 30)
    _require(has_range, where, "preprocessing.min_duration_s", shortest, f"{MIN_DURATION_S} to 30 s")


def _is_class(name: object) -> bool:
    """Check for the name of an emotion, or of an own class of the person who trained the model."""
    try:
        return isinstance(name, str) and class_name(name) == name
    except CorpusError:
        return False


def _require(is_valid: bool, where: str, name: str, value: object, expected: str) -> None:
    if not is_valid:
        raise BundleError(f"{where}: {name} is {short(value)}, expected {expected}; {_REMEDY}")


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
