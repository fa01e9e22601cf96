"""Figures of a model on corpora that it was not trained on, as its card holds them."""

import copy

PROTOCOL = "leave-one-corpus-out: each corpus in turn was predicted by a model of the others"
_FIGURES = {
    "protocol": PROTOCOL,
    "uar": 0.55,
    "accuracy": 0.56,
    "ece": 0.084,
    "adapted": {"5": 0.63, "all": 0.72},
    "confident": {"from": 0.8, "share": 0.21, "right": 0.78},
    "unsure": {"coverage": 0.7, "accuracy_above": 0.66, "accuracy_below": 0.4},
    "corpora": [
        {"name": "first", "clips": 1440, "speakers": 24, "emotions": 8, "uar": 0.5, "accuracy": 0.51, "ece": 0.1},
        {"name": "second", "clips": 90, "speakers": 2, "emotions": 6, "uar": 0.6, "accuracy": 0.61, "ece": 0.068},
    ],
}


def figures(*, adapts=True):
    """Return the object ``elsewhere`` of a card; of a model that does not adapt, without figures after adaptation."""
    told = copy.deepcopy(_FIGURES)
    for number, corpus in enumerate(told["corpora"]):
        corpus["adapted"] = {"5": 0.58 + 0.1 * number, "all": 0.67 + 0.1 * number} if adapts else {}
    return told if adapts else told | {"adapted": {}}


def places(value, *above):
    """Yield the path of every value inside the object, from its keys."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from places(inner, *above, key)


def at(value, path):
    """Return the container of a path's value, and its key."""
    *above, key = path
    for step in above:
        value = value[step]
    return value, key
