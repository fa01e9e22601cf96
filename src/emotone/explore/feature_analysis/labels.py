"""Labels of figures: names short enough for an axis, and the order of emotions."""

from collections.abc import Iterable

from emotone.emotions import EMOTIONS

__all__ = ["in_order", "short", "short_speakers"]


def short(name: str, *, length: int = 30) -> str:
    """Cut the middle out of a long name, so that an axis stays readable.

    Examples
    --------
    >>> short("F0semitoneFrom27.5Hz_sma3nz_percentile20.0", length=20)
    'F0semitone…ile20.0'
    """
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[len(name) - length // 2 + 3 :]}"


def in_order(emotions: Iterable[str]) -> list[str]:
    """Distinct emotions in the order of every table; a label that is no known emotion comes after them, by name.

    Examples
    --------
    >>> in_order(["tense", "sad", "happy", "sad"])
    ['happy', 'sad', 'tense']
    """
    found = set(emotions)
    return [name for name in EMOTIONS if name in found] + sorted(found - set(EMOTIONS))


def short_speakers(names: Iterable[str]) -> list[str]:
    """Speakers without the beginning that all share, up to its last hyphen.

    Examples
    --------
    >>> short_speakers(["ravdess-01", "ravdess-02"]), short_speakers(["anna", "ben"])
    (['01', '02'], ['anna', 'ben'])
    """
    listed = list(names)
    starts = {name.rpartition("-")[0] for name in listed}
    if len(starts) != 1 or not next(iter(starts)):
        return listed
    return [name.rpartition("-")[2] for name in listed]
