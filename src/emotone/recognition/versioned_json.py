"""Check JSON files that state their format version: the card of a bundle and the profile of a speaker."""

from collections.abc import Iterable
from typing import Any

from emotone import files
from emotone.errors import BundleError, how_to_update

#: Keys of another file that an error names.
_SHOWN_KEYS = 5


def parse(content: bytes, *, where: str, remedy: str, allow_nan: bool = False) -> object:
    """Parse JSON; raise `BundleError` if it is not valid, or has NaN or infinity, which only some files may have."""
    try:
        return files.parse_json(content, allow_nan=allow_nan)
    except ValueError as error:
        raise BundleError(f"{where} is not valid JSON ({error}); {remedy}") from error


def check_object(
    value: object, *, where: str, kind: str, keys: Iterable[str], newest: int, remedy: str
) -> dict[str, Any]:
    """Return parsed JSON if it is an object with all ``keys`` and a format version up to ``newest``.

    The file ``where`` should hold ``kind``; both are for messages, and so is the ``remedy`` for a damaged file.

    Raises
    ------
    BundleError
        The value is not an object, lacks a key, or has an invalid or newer format version.
    """
    if not isinstance(value, dict):
        raise BundleError(f"{where} holds a {type(value).__name__}, expected {kind}; {remedy}")
    version = value.get("format_version", newest)
    if type(version) is not int or version < 1:
        raise BundleError(f"{where}: format_version is {short(version)}, expected a whole number from 1; {remedy}")
    if version > newest:
        raise BundleError(
            f"{where} has format version {short(version)}, and this version of Emotone reads up to {newest}: "
            f"{how_to_update()}"
        )
    missing = [key for key in keys if key not in value]
    if missing:
        others = ", ".join(map(str, list(value)[:_SHOWN_KEYS])) + (", ..." if len(value) > _SHOWN_KEYS else "")
        raise BundleError(
            f"{where} has {others or 'no keys'} and lacks {', '.join(missing)}; expected {kind}: {remedy}"
        )
    return value


def short(value: object) -> str:
    """Return the ``repr`` of a value, at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
