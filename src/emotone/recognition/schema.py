"""Describe parsed JSON: what each value must be.  The card of a bundle is checked with it.

A kind is a function that raises `MismatchError` for a value that is not of it.  Kinds are made of each other::

    COUNTS = fields({"clips": whole(0, 100)}, optional={"name": TEXT})
    COUNTS({"clips": 7}, "counts")
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

#: Check a value; the second argument is its name in messages.
Kind = Callable[[Any, str], None]
#: Longest line, and longest text.
LONGEST_LINE, LONGEST_TEXT = 2_000, 20_000
#: Longest part of a key in a message.
LONGEST_KEY = 60
#: Half characters, which can't be written, and control characters, which a terminal obeys.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class MismatchError(Exception):
    """A value is not of its kind: its name, the value, and what was expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(name, value, expected)
        self.name, self.value, self.expected = name, value, expected


def satisfying(expected: str, is_right: Callable[[Any], bool]) -> Kind:
    """Return the kind of values for which a function is true; it gets any JSON."""

    def check(value: Any, name: str) -> None:
        if not is_right(value):
            raise MismatchError(name, value, expected)

    return check


def number(low: float, high: float, *, expected: str = "", is_above: bool = False) -> Kind:
    """Return the kind of numbers from ``low``, or above it, to ``high``."""
    words = expected or f"a number {'above' if is_above else 'from'} {low:.12g} to {high:.12g}"
    return satisfying(words, lambda value: is_number(value, low, high) and not (is_above and value == low))


def whole(low: int, high: int) -> Kind:
    """Return the kind of whole numbers in this range."""
    expected = f"a whole number from {low} to {high}"
    return satisfying(expected, lambda value: isinstance(value, int) and is_number(value, low, high))


def nullable(kind: Kind) -> Kind:
    """Return the kind of null and of what another kind takes."""

    def check(value: Any, name: str) -> None:
        try:
            if value is not None:
                kind(value, name)
        except MismatchError as error:
            more = f"{error.expected}, or null" if error.name == name else error.expected
            raise MismatchError(error.name, error.value, more) from error

    return check


def both(first: Kind, second: Kind) -> Kind:
    """Return the kind of values that are of both kinds."""

    def check(value: Any, name: str) -> None:
        first(value, name)
        second(value, name)

    return check


def each(kind: Kind, *, least: int = 0, expected: str = "a list") -> Kind:
    """Return the kind of lists of at least so many values of a kind."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, list) or len(value) < least:
            raise MismatchError(name, value, expected)
        for place, inner in enumerate(value):
            kind(inner, f"{name}[{place}]")

    return check


def table(kind: Kind, *, key: Kind | None = None) -> Kind:
    """Return the kind of objects with any keys, or with keys of a kind, and values of a kind."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise MismatchError(name, value, "an object")
        for word, inner in value.items():
            if key is not None:
                key(word, f"a key of {name}")
            kind(inner, f"{name}.{word[:LONGEST_KEY]}" if name else word[:LONGEST_KEY])

    return check


def fields(needed: Mapping[str, Kind], *, optional: Mapping[str, Kind] | None = None) -> Kind:
    """Return the kind of objects with these keys, of which the optional ones may be missing; others may be there."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise MismatchError(name, value, "an object")
        for key, kind in {**needed, **(optional or {})}.items():
            full = f"{name}.{key}" if name else key
            if key in value or key in needed:
                kind(value.get(key), full)
            if key in needed and key not in value:  # its kind takes null, and it must still be there
                raise MismatchError(full, None, "a value, or null")

    return check


def is_number(value: object, low: float, high: float) -> bool:
    """Check for a finite number in this range; True is no number."""
    is_right_type = isinstance(value, int | float) and not isinstance(value, bool)
    return is_right_type and low <= value <= high and math.isfinite(value)  # type: ignore[operator, arg-type]


def is_text(value: object) -> bool:
    """Check for text with something to read in it, which can be written and printed."""
    return isinstance(value, str) and bool(value.strip()) and not _UNPRINTABLE.search(value)


def unprintable(value: object) -> str | None:
    """Return the first text in parsed JSON, key or value, that can't be written or printed; None without any."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str) and _UNPRINTABLE.search(inner):
            return inner
        if isinstance(inner, dict):
            waiting += [*inner, *inner.values()]
        elif isinstance(inner, list):
            waiting += inner
    return None


#: Any value.
ANY: Kind = satisfying("a value", lambda value: True)
FLAG: Kind = satisfying("true or false", lambda value: isinstance(value, bool))
SHARE: Kind = number(0, 1)
OBJECT: Kind = table(ANY)
LINE: Kind = satisfying(
    f"text of up to {LONGEST_LINE:,} letters", lambda value: is_text(value) and len(value) <= LONGEST_LINE
)
#: Text that may be empty.
TEXT: Kind = satisfying(
    f"text of up to {LONGEST_TEXT:,} letters", lambda value: isinstance(value, str) and len(value) <= LONGEST_TEXT
)
