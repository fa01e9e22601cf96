"""Numbers, times and settings as people read them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_REASONS = 12
#: Control characters of cells, which a terminal could take for commands; line ends are quoted in CSV.
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
#: What spreadsheets take for a formula, and texts that `csv_cell` made of it, so that `plain_cell` takes the apostrophe
#: away again; control characters stay escaped.
#: A lone hyphen, the name of standard input, is no formula.
_FORMULA = re.compile(r"'*(?:[=+@＝＋－＠]|-.)", re.DOTALL)
MINUS = "\N{MINUS SIGN}"  # as wide as the plus


def setting_text(value: Any) -> str:
    """Write a setting's value as a reader expects it.

    Examples
    --------
    >>> [setting_text(value) for value in (True, [], ["sad", "happy"], {"gioia": "happy"}, 0.5)]
    ['yes', 'none', 'sad, happy', 'gioia = happy', '0.5']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {item}" for name, item in value.items()) or "none"
    return str(value)


def percent(share: float, *, digits: int = 1, least: str = "") -> str:
    """Write a share as a percentage.

    Parameters
    ----------
    share
        In [0, 1], or a difference of such shares.
    digits
        Digits after the decimal point.
    least
        What is written for a share above 0 that would be rounded to 0, such as "< 1 %"; by default the 0.

    Examples
    --------
    >>> percent(0.6731), percent(0.6731, digits=0)
    ('67.3 %', '67 %')
    >>> percent(0.001, digits=0, least="< 1 %"), percent(0.0, digits=0, least="< 1 %")
    ('< 1 %', '0 %')
    """
    number = f"{100 * share:.{digits}f}"
    if not float(number):
        return least if least and share > 0 else f"{0:.{digits}f} %"  # not -0
    return f"{number} %"


def threshold_text(threshold: float) -> str:
    """Write a threshold, which may have tenths of a percent.

    Examples
    --------
    >>> threshold_text(0.435), threshold_text(0.5)
    ('43.5 %', '50 %')
    """
    return f"{100 * threshold:.3g} %"


def clock(seconds: float, *, decimals: int = 0, hours: bool = False) -> str:
    """Write a time or duration as minutes and seconds, with hours where there are any.

    Parameters
    ----------
    seconds
        0 or more.
    decimals
        Digits after the decimal point of the seconds.
    hours
        Whether hours are always written, and each part has two digits, as subtitles have it.

    Examples
    --------
    >>> clock(5.04), clock(65.95), clock(3600)
    ('0:05', '1:06', '1:00:00')
    >>> clock(65.95, decimals=1), clock(59.96, decimals=1), clock(61.5, decimals=3, hours=True)
    ('1:06.0', '1:00.0', '00:01:01.500')
    """
    steps = round(10**decimals * seconds)
    whole, fraction = divmod(steps, 10**decimals)
    tail = f"{whole % 60:02d}" + (f".{fraction:0{decimals}d}" if decimals else "")
    hour, minute = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hour:02d}:{minute:02d}:{tail}"
    return f"{hour}:{minute:02d}:{tail}" if hour else f"{minute}:{tail}"


def duration_text(seconds: float) -> str:
    """Write a duration in the unit that suits it.

    Examples
    --------
    >>> [duration_text(seconds) for seconds in (0.31, 42, 300, 9000, 400_000)]
    ['0.3 s', '42 s', '5.0 min', '2.5 hours', '4.6 days']
    """
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    unit, size = next(
        (unit, size)
        for unit, size, end in (("min", 60, 90), ("hours", 3600, 72), ("days", 86_400, math.inf))
        if seconds < size * end
    )
    return f"{seconds / size:,.1f} {unit}"


def size_text(n_bytes: float) -> str:
    """Write a number of bytes in the unit that suits it.

    Examples
    --------
    >>> [size_text(n_bytes) for n_bytes in (900, 45_000, 1_570_000, 3.2e12)]
    ['900 bytes', '45 kB', '1.6 MB', '3.2 TB']
    """
    if n_bytes < 1000:
        return f"{n_bytes:.0f} bytes"
    power = min(int(math.log10(n_bytes)) // 3, 4)
    number = f"{n_bytes / 1000**power:,.1f}".removesuffix(".0")
    return f"{number} {('', 'kB', 'MB', 'GB', 'TB')[power]}"


def left_out_text(groups: Sequence[Mapping[str, Any]]) -> str:
    """Write what was left out of a corpus, and why, as `emotone.corpora.count_groups` counts it; "" if nothing was.

    Examples
    --------
    >>> left_out_text([{"reason": "labelled 'fed up'", "clips": 20}, {"reason": "whose file is missing", "clips": 14}])
    "Left out 34 clips: 20 labelled 'fed up', 14 whose file is missing"
    """
    if not groups:
        return ""
    n_clips = sum(group["clips"] for group in groups)
    clips = "1 clip" if n_clips == 1 else f"{n_clips:,} clips"
    reasons = [f"{group['clips']:,} {group['reason']}" for group in groups[:_MAX_REASONS]]
    if rest := sum(group["clips"] for group in groups[_MAX_REASONS:]):
        reasons.append(f"{rest:,} for {len(groups) - _MAX_REASONS} other reasons")
    return f"Left out {clips}: {', '.join(reasons)}"


def csv_cell(value: Any) -> Any:
    r"""Return what a cell of CSV holds of a value: of a text no control characters, and nothing that is a formula.

    An apostrophe precedes texts that begin with ``=``, ``+``, ``-`` or ``@``, except for numbers and a lone ``-``.
    Values that are no texts are returned unchanged.

    Examples
    --------
    >>> [csv_cell(value) for value in ("=1+1", "-5.0", -5.0, "-", "Anna", "a\x1b[2J")]
    ["'=1+1", '-5.0', -5.0, '-', 'Anna', 'a\\x1b[2J']
    """
    if not isinstance(value, str):
        return value
    text = _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), value)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def plain_cell(text: str) -> str:
    """Return the text of a cell that `csv_cell` made.

    Examples
    --------
    >>> [plain_cell(text) for text in ("'=1+1", "-5.0", "'tis")]
    ['=1+1', '-5.0', "'tis"]
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
