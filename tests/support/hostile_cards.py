"""Cards of strangers: a full card, of which one value at a time is missing or something else."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from support import handmade, other_corpora

_GROUP = {"clips": 9, "speakers": 3, "emotions": 4, "uar": 0.5, "accuracy": 0.5, "low": 0.4, "high": None}
_SPREAD = {"lowest": 0.1, "median": 0.5, "highest": 0.9}
_INTERVAL = {"low": 0.4, "high": 0.6, "unit": "speaker"}
#: What a training writes beside the values of `handmade.card`.
_MORE = {
    "versions": {"emotone": "0.1.0", "numpy": "2.0"},
    "parameters": {"c": 1.0, "kernel": "rbf", "seed": 0},
    "protocol": {
        "name": "speaker-6fold",
        "words": "six folds",
        "description": "six folds of speakers",
        "warning": "",
        "speaker_disjoint": True,
        "n_folds": 6,
    },
    "scores": {
        "accuracy": 0.7,
        "uar": 0.7,
        "macro_f1": 0.6,
        "ece": 0.05,
        "n_clips": 100,
        "interval": _INTERVAL,
        "intervals": {"uar": _INTERVAL, "accuracy": _INTERVAL},
        "per_class": {"recall": {"sad": 0.5, "angry": 0.9}},
        "groups": {"gender": {"female": _GROUP, "male": _GROUP}},
        "speaker_range": {"speakers": 3, "uar": _SPREAD, "accuracy": _SPREAD},
    },
    "calibration": {
        "temperature": 1.1,
        "threshold": 0.5,
        "per_distance": 0.1,
        "adapted_temperature": 0.9,
        "coverage": 0.9,
        "accuracy_above": 0.8,
        "accuracy_below": 0.4,
        "ece": 0.03,
    },
    "training": {
        "corpora": [
            {
                "name": "mine",
                "title": "My Corpus",
                "clips": 100,
                "speakers": 3,
                "language": "en",
                "licence": "CC BY 4.0",
                "url": "https://example.org",
                "commercial_use": True,
            }
        ],
        "note": "a note",
        "recorded_sounds": True,
    },
    "preprocessing": {"trim_db": 40.0, "min_duration_s": 0.2, "high_pass_hz": 70.0, "trim": "sound"},
    "embedding": 1,
    "adapts": False,
    "checks_speech": True,
    "adaptation": {"sha256": "0" * 64},
    "elsewhere": other_corpora.figures(),
}
_DEEP: list[Any] = []
for _ in range(50):
    _DEEP = [_DEEP]
#: What stands in the place of a value, by its name.
OTHERS: dict[str, Any] = {
    "null": None,
    "true": True,
    "0": 0,
    "-1": -1,
    "half": 0.5,
    "7": 7,
    "1e308": 1e308,
    "-1e308": -1e308,
    "10**4000": 10**4000,
    "infinity": float("inf"),
    "NaN": float("nan"),
    "empty text": "",
    "text": "x",
    "number in text": "0.5",
    "a megabyte": "x" * 900_000,
    "half a character": "\ud800",
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "null byte": "a\0b",
    "right to left": "\u202egnp.exe",
    "Markdown and HTML": "|`<script>alert(1)</script>\n# x | [y](javascript:z)",
    "format": "{0.__class__} %s %n",
    "list": [],
    "list of lists": [[]],
    "object": {},
    "object of objects": {"a": {"": {}}},
    "50 levels": _DEEP,
}


def full_card(content: bytes) -> dict[str, Any]:
    """Return a card with every key that anything reads."""
    return copy.deepcopy(handmade.card(content, **_MORE))


def cards(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each card."""
    own = full_card(content)
    for path in other_corpora.places(own):
        name = ".".join(map(str, path))
        changed = copy.deepcopy(own)
        holder, key = other_corpora.at(changed, path)
        del holder[key]
        yield f"{name} is missing", json.dumps(changed)
        for word, other in OTHERS.items():
            holder, key = other_corpora.at(changed := copy.deepcopy(own), path)
            holder[key] = other
            yield f"{name} is {word}", json.dumps(changed)
    yield from _texts(json.dumps(own))


def _texts(own: str) -> Iterator[tuple[str, str]]:
    """Yield files that are not JSON, or not a card."""
    yield "empty", ""
    yield "half", own[: len(own) // 2]
    yield "twice", own + own
    yield "commas", own.replace(",", ",,")
    for value in ("null", "1", '"card"', "[]", "{}", "true", f"[{own}]"):
        yield f"only {value[:9]}", value
    for bracket in ("[", '{"a":', "[[{"):
        yield f"a hundred thousand {bracket}", bracket * 100_000
    for n_levels in (60, 200, 900, 990):
        yield f"{n_levels} levels", own[:-1] + ', "more": ' + "[" * n_levels + "]" * n_levels + "}"
        yield (
            f"{n_levels} levels of parameters",
            own.replace('"seed"', '"x": ' + '{"a":' * n_levels + "1" + "}" * n_levels + ', "seed"'),
        )
    yield "two megabytes", own[:-1] + ', "more": "' + "x" * 2_000_000 + '"}'
    yield "a number of 10,000 digits", own.replace('"size_bytes": ', '"size_bytes": ' + "9" * 10_000)
    yield "null bytes", own.replace(" ", "\0")
