"""Warnings in processes of a pool: they belong to the process that started the work, not on the workers' stderr."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
#: What was issued, so that Python prints a warning of a place once, however many items it came from.
_ISSUED: dict[Any, Any] = {}


class Warned(NamedTuple):
    """A warning: its text, category, and the place in the code."""

    text: str
    category: type[Warning]
    filename: str
    line: int


def recorded(work: Callable[[Item], Result], item: Item) -> tuple[Result, list[Warned]]:
    """Call a function with an item; return its result, and the warnings that it would have printed."""
    with warnings.catch_warnings(record=True) as caught:
        result = work(item)
    return result, [Warned(str(each.message), each.category, each.filename, each.lineno) for each in caught]


def issued(done: tuple[Any, Sequence[Warned]]) -> Any:
    """Issue the warnings of `recorded` in this process; return the result."""
    result, caught = done
    for each in caught:
        warnings.warn_explicit(each.text, each.category, each.filename, each.line, registry=_ISSUED)
    return result
