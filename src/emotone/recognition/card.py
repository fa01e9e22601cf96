"""The card of a bundle: ``card.json``, what it must hold, and the model card in Markdown that is made from it.

Needs the standard library alone, since the recognizer reads it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotone.audio.trimming import MIN_DURATION_S
from emotone.emotions import EMOTIONS
from emotone.errors import BundleError

#: Of bundles written by this version; a reader takes this one and older ones.
FORMAT_VERSION = 1
#: The files of a bundle.
GRAPH, CARD, README = "model.onnx", "card.json", "README.md"
#: The optional inputs of a graph that adapts: float32 [1, e], the mean embedding of clips of the speaker, and float32
#: [1], how many those were; 0, as without it, for a speaker of whom nothing is known.
SPEAKER, HEARD = "speaker", "heard"
#: The graph's third output, where it has one: the probability that there is speech at all.
SPEECH = "speech"

#: Every key of ``card.json`` and the JSON type of its value.
KEYS: dict[str, type | tuple[type, ...]] = {
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
_REMEDY = "get the bundle again, or train it again with 'emotone train'"


def read(folder: Path) -> dict[str, Any]:
    """Read and check the card of a bundle.

    Parameters
    ----------
    folder
        The bundle, which holds `CARD`.

    Raises
    ------
    BundleError
        The folder or the card is missing or damaged, or the card does not pass `check`.
    """
    path = folder / CARD
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise BundleError(
            f"the bundle {str(folder)!r} {found}; expected a folder that holds {CARD} and {GRAPH}, such as the "
            "'model' folder of a training run"
        )
    try:
        card = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        inner = folder / "model"
        hint = f"; did you mean {str(inner)!r}?" if (inner / CARD).is_file() else f"; {_REMEDY}"
        raise BundleError(f"{str(folder)!r} is no bundle: it holds no {CARD}{hint}") from error
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is no JSON ({error}); {_REMEDY}") from error
    check(card, where=str(path))
    checked: dict[str, Any] = card
    return checked


def check(card: object, *, where: str) -> None:
    """Check what a card says, as far as predictions depend on it.

    Parameters
    ----------
    card
        The parsed JSON.
    where
        What to call it in messages.

    Raises
    ------
    BundleError
        A key is missing or of another type, a value is out of its range, or the format is newer than this program.
    """
    if not isinstance(card, dict):
        raise BundleError(f"{where} holds a {type(card).__name__}, expected a JSON object; {_REMEDY}")
    version = card.get("format_version")
    if type(version) is not int or version < 1:
        raise BundleError(f"{where}: format_version is {version!r}, expected a number from 1; {_REMEDY}")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{where}: the bundle has format {version}, and this version of Emotone reads up to {FORMAT_VERSION}: "
            "pip install --upgrade emotone"
        )
    missing = [key for key in KEYS if key not in card]
    if missing:
        raise BundleError(f"{where} lacks {', '.join(missing)}; {_REMEDY}")
    for key, kind in KEYS.items():
        if not isinstance(card[key], kind) or isinstance(card[key], bool):
            raise BundleError(f"{where}: {key} is {_short(card[key])}, expected {_words(kind)}; {_REMEDY}")
    _check_values(card, where=where)


def _check_values(card: Mapping[str, Any], *, where: str) -> None:
    emotions = card["emotions"]
    strange = [emotion for emotion in emotions if emotion not in EMOTIONS]
    if strange or len(emotions) < 2 or len(set(emotions)) < len(emotions):
        raise BundleError(
            f"{where}: emotions are {_short(emotions)}, expected two or more different ones of {', '.join(EMOTIONS)}; "
            f"{_REMEDY}"
        )
    for key in ("adapts", "checks_speech"):
        if not isinstance(card.get(key, False), bool):
            raise BundleError(f"{where}: {key} is {_short(card[key])}, expected true or false; {_REMEDY}")
    extractor, calibration, trim_db = card["extractor"], card["calibration"], card["preprocessing"].get("trim_db")
    if not isinstance(extractor.get("name"), str) or not isinstance(extractor.get("graph"), bool):
        raise BundleError(f"{where}: extractor is {_short(extractor)}, expected its name, digest and graph; {_REMEDY}")
    if card["sample_rate"] != 16_000:
        raise BundleError(f"{where}: sample_rate is {card['sample_rate']}, expected 16000; {_REMEDY}")
    if not _number(calibration.get("threshold"), low=0.0, high=1.0):
        raise BundleError(
            f"{where}: calibration.threshold is {_short(calibration.get('threshold'))}, expected a number from 0 to 1; "
            f"{_REMEDY}"
        )
    if trim_db is not None and not (_number(trim_db, low=0.0, high=200.0) and trim_db > 0):
        raise BundleError(
            f"{where}: preprocessing.trim_db is {_short(trim_db)}, expected decibels above 0, or null for no trim; "
            f"{_REMEDY}"
        )

    shortest = card["preprocessing"].get("min_duration_s", MIN_DURATION_S)
    if not _number(shortest, low=MIN_DURATION_S, high=30.0):
        raise BundleError(
            f"{where}: preprocessing.min_duration_s is {_short(shortest)}, expected {MIN_DURATION_S} to 30 s; {_REMEDY}"
        )


def _number(value: object, *, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _words(kind: type | tuple[type, ...]) -> str:
    names = {int: "a whole number", str: "text", list: "a list", dict: "an object"}
    return " or ".join(names[one] for one in (kind if isinstance(kind, tuple) else (kind,)))
