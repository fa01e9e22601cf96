"""A report of the benchmark as the cells of a table."""

from collections.abc import Mapping
from typing import Any

headers = ("what", "Emotone", "beside", "time", "times as fast", "required", "hoped for")


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a row of a report says, one text a column of `headers`.

    Examples
    --------
    >>> cells({"what": "a", "peer": "b", "ours_ms": 2.0, "required": None, "hoped": None})
    ('a', '2.0 ms', 'b', '', '', '', '')
    """
    ratio = f"{row['ratio']:.1f} ({row['ratio_low']:.1f} to {row['ratio_high']:.1f})" if "ratio" in row else ""
    return (
        row["what"],
        _milliseconds(row, "ours_ms"),
        row["peer"],
        _milliseconds(row, "theirs_ms"),
        ratio,
        *("" if row[name] is None else f"{row[name]:g}" for name in ("required", "hoped")),
    )


def _milliseconds(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return ""
    return f"{row[name]:.1f} ms" if row[name] < 100 else f"{row[name]:.0f} ms"
