"""The times of a table: which columns hold a start, an end or a duration, and what their texts mean in seconds.

A time that is not understood is an error and never a guess: a wrong segment gives its label to other sound.
"""

import math
import re
from dataclasses import dataclass

from emotone.corpora.readers._table_file import TableFile
from emotone.errors import CorpusError

_START, _END, _DURATION = "start", "end", "duration"
#: Word in the name of a column -> what the column holds.
_ROLES = {
    **dict.fromkeys(("start", "begin", "beginning", "onset", "tmin", "xmin"), _START),
    **dict.fromkeys(("end", "ending", "stop", "finish", "tmax", "xmax"), _END),
    **dict.fromkeys(("duration", "dur", "length", "len"), _DURATION),
}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 0.001),
}
# Words that add nothing: start_time, segment_end, "clip duration (s)".
_FILLERS = {"time", "timestamp", "timecode", "t", "ts", "segment", "seg", "clip", "utterance", "in", "at"}
# Words of columns that may hold times, and whose meaning is not sure.
_SUSPICIOUS = {
    *(*_ROLES, "offset", "time", "times", "timestamp", "timestamps", "timecode", "timecodes", "from", "to", "until"),
    *_UNITS.keys() - {"s", "second"},
}
_ONE_WORD = re.compile(rf"({'|'.join(_ROLES)}|offset)(time|timestamp)?({'|'.join(_UNITS)})?")
_STARTS_LIKE_A_TIME = ("start", "begin", "onset", "offset", "duration")
#: Cells that say nothing, in lower case.
MISSING = {"", "nan", "nat", "none", "null", "<na>", "n/a", "na"}
_NUMBER = re.compile(r"([+-]?)(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?\s*([a-z]*)", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+) days? )?(?:(\d+):)?(\d+):(\d\d?(?:[.,]\d+)?)", re.IGNORECASE)
_ISO = re.compile(r"P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_EXPECTED = "seconds (1.5), h:mm:ss (0:00:01.5), mm:ss (0:01.5) or '0 days 00:00:01.5'"
#: Seconds by which an end and start + duration may differ.
_TOLERANCE_S = 0.05


class _UnclearError(ValueError):
    """A number that could have a thousands separator or a decimal sign."""


@dataclass(frozen=True)
class _Column:
    """A column of times: its place, its name as written, what it holds, and the seconds in its unit."""

    place: int
    name: str
    role: str
    unit_s: float


@dataclass(frozen=True)
class _Signs:
    """The signs that numbers of a table certainly use.

    ``has_semicolons``: semicolons separate its cells, as Excel writes where the comma is the decimal sign.
    """

    decimal: frozenset[str] = frozenset()
    grouping: frozenset[str] = frozenset()
    has_semicolons: bool = False


class Times:
    """Reads the segment of each row of a table.

    Parameters
    ----------
    table
        Its columns are found by name: ``start``, ``end`` and ``duration``, synonyms such as ``begin`` and ``stop``,
        with a unit such as ``start_ms``.

    Raises
    ------
    CorpusError
        Two columns hold the same, or a column looks like a time and its name is not understood.
    """

    def __init__(self, table: TableFile) -> None:
        self._path = table.path
        names = {place: _words(name) for place, name in enumerate(table.header)}
        columns = [
            _Column(place, table.header[place], role, unit_s)
            for place, words in names.items()
            for role, unit_s in [_meaning(words)]
            if role
        ]
        columns = [self._decided(column, {other.role for other in columns}) for column in columns]
        self._columns = {column.role: column for column in columns}
        if len(self._columns) < len(columns):
            twice = [column.name for column in columns if self._columns[column.role] is not column]
            same = self._columns[next(column.role for column in columns if column.name == twice[0])]
            raise CorpusError(
                f"{str(self._path)!r} has two columns of {same.role}s, {twice[0]!r} and {same.name!r}; delete one"
            )
        understood = {column.place for column in columns}
        for place, words in names.items():
            if place not in understood and _is_suspicious(words):
                self._refuse_times(table, place)
        self._signs = _signs_of(
            [cells[place] for _, cells in table.rows for place in understood if place < len(cells)],
            has_semicolons=table.separator == ";",
        )

    @property
    def has_columns(self) -> bool:
        """Whether the table has a column of times; without, each row is a whole file."""
        return bool(self._columns)

    def segment(self, line: int, cells: tuple[str, ...]) -> tuple[float, float]:
        """Return start and end of a row in seconds; NaN is the end of the file.

        Raises
        ------
        CorpusError
            A time is not understood, or the end is not start + duration.
        """
        values = {role: self._seconds(line, column, cells) for role, column in self._columns.items()}
        start_s, end_s, duration_s = (values.get(role, math.nan) for role in (_START, _END, _DURATION))
        start_s = 0.0 if math.isnan(start_s) else start_s
        if not math.isnan(duration_s):
            if abs(start_s + duration_s - end_s) > _TOLERANCE_S:
                raise CorpusError(
                    f"line {line} of {str(self._path)!r}: the end is {end_s:g} s, and start + duration is "
                    f"{start_s + duration_s:g} s; expected the same: correct the row, or delete one of the columns"
                )
            end_s = start_s + duration_s if math.isnan(end_s) else end_s
        return start_s, end_s

    def _decided(self, column: _Column, roles: set[str]) -> _Column:
        """Decide what a column ``offset`` is: the end after an onset, or the start of a duration."""
        if column.role != "offset":
            return column
        if _START not in roles and _DURATION not in roles:
            raise CorpusError(
                f"column {column.name!r} of {str(self._path)!r} can be the start or the end of a segment; rename it to "
                "'start' or 'end'"
            )
        return _Column(column.place, column.name, _END if _START in roles else _START, column.unit_s)

    def _refuse_times(self, table: TableFile, place: int) -> None:
        """Refuse a column that looks like a time and whose name is not understood, unless its cells are no times."""
        for line, cells in table.rows:
            text = cells[place] if place < len(cells) else ""
            try:
                is_time = text.lower() not in MISSING and _parsed(text, 1.0, _Signs()) is not None
            except _UnclearError:
                is_time = True
            if is_time:
                name = table.header[place]
                raise CorpusError(
                    f"column {name!r} of {str(self._path)!r} looks like a time ({text!r} in line {line}), and its name "
                    "is not understood; expected start, end or duration in seconds, or start_ms and so on in "
                    "milliseconds: rename the column, or delete it if it is no time of a segment"
                )

    def _seconds(self, line: int, column: _Column, cells: tuple[str, ...]) -> float:
        text = cells[column.place] if column.place < len(cells) else ""
        if text.lower() in MISSING:
            return math.nan
        where = f"line {line} of {str(self._path)!r}, column {column.name!r}: "
        try:
            seconds = _parsed(text, column.unit_s, self._signs)
        except _UnclearError as error:
            raise CorpusError(f"{where}{text!r} {error}; write the number without thousands separators") from error
        if seconds is None or not math.isfinite(seconds):
            raise CorpusError(
                f"{where}time {text!r} is not understood; expected {_EXPECTED}; correct it, or leave it empty"
            )
        return seconds


def _words(name: str) -> tuple[str, ...]:
    """Split the name of a column into lower-case words.

    >>> _words("startTime (ms)"), _words("endtime")
    (('start', 'time', 'ms'), ('end', 'time'))
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words: list[str] = []
    for word in re.findall(r"[^\W_]+", spaced.lower()):
        compound = _ONE_WORD.fullmatch(word)
        words += [part for part in compound.groups() if part] if compound else [word]
    return tuple(words)


def _meaning(words: tuple[str, ...]) -> tuple[str, float]:
    """Return what a column holds ("" if it is not understood as a time) and the seconds in its unit."""
    rest = [word for word in words if word not in _FILLERS]
    roles = [_ROLES.get(word, "offset") for word in rest if word in _ROLES or word == "offset"]
    units = [_UNITS[word] for word in rest if word in _UNITS]
    if len(roles) != 1 or len(units) > 1 or len(rest) != len(roles) + len(units):
        return "", 1.0
    return roles[0], units[0] if units else 1.0


def _is_suspicious(words: tuple[str, ...]) -> bool:
    return any(word in _SUSPICIOUS or word.startswith(_STARTS_LIKE_A_TIME) for word in words)


def _parsed(text: str, unit_s: float, signs: _Signs) -> float | None:
    """Return the seconds of a text, None if it is no time; raise _UnclearError if it can mean two.

    >>> [_parsed(text, 1.0, _Signs()) for text in ("0,5", "00:00:01,500", "0 days 00:01:01.5", "1:30", "2ms", "soon")]
    [0.5, 1.5, 61.5, 90.0, 0.002, None]
    """
    clock = _CLOCK.fullmatch(text) or _ISO.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in clock.groups())
        is_overfull = clock.re is _CLOCK and (seconds >= 60 or (clock[2] is not None and minutes >= 60))
        return (
            None
            if is_overfull or text.upper() in ("PT", "P0DT")
            else ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        )
    number = _NUMBER.fullmatch(text)
    if number is None or (number[4] and number[4].lower() not in _UNITS):
        return None
    if number[4]:
        unit_s = _UNITS[number[4].lower()]
    digits = _plain(number[2], signs, in_seconds=unit_s == 1.0)
    return None if digits is None else float(f"{number[1]}{digits}{number[3] or ''}") * unit_s


def _plain(digits: str, signs: _Signs, *, in_seconds: bool) -> str | None:
    """Write digits with a decimal point and without thousands separators; None if they are no number."""
    used = sorted(set(digits) & {".", ","}, key=digits.rfind)
    if not used:
        return digits
    grouping, decimal = (used[0], used[1]) if len(used) == 2 else (used[0], "")
    if decimal or digits.count(grouping) > 1:
        whole, _, fraction = digits.rpartition(decimal) if decimal else (digits, "", "")
        if digits.count(decimal or " ") > 1 or not re.fullmatch(rf"\d{{1,3}}(\{grouping}\d{{3}})+", whole):
            return None
        return f"{whole.replace(grouping, '')}.{fraction or '0'}"
    sign, (whole, fraction) = used[0], digits.split(used[0])
    if not fraction:
        return None
    if not _is_unclear(whole, fraction) or sign in signs.decimal - signs.grouping:
        return f"{whole or '0'}.{fraction}"
    if sign in signs.grouping - signs.decimal:
        return whole + fraction
    is_usual = (in_seconds or not signs.has_semicolons) if sign == "." else (in_seconds and signs.has_semicolons)
    if is_usual and not signs.decimal:
        return f"{whole}.{fraction}"
    raise _UnclearError(f"can be {whole}.{fraction} or {whole}{fraction}")


def _is_unclear(whole: str, fraction: str) -> bool:
    return len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")


def _signs_of(texts: list[str], *, has_semicolons: bool) -> _Signs:
    """Find out which signs are decimal or separate thousands, from the numbers that leave no doubt."""
    decimal, grouping = set(), set()
    for text in texts:
        number = _NUMBER.fullmatch(text)
        digits = number[2] if number else ""
        used = sorted(set(digits) & {".", ","}, key=digits.rfind)
        if len(used) == 2:
            grouping.add(used[0])
            decimal.add(used[1])
        elif used and digits.count(used[0]) > 1:
            grouping.add(used[0])
        elif used and not _is_unclear(*digits.split(used[0])):
            decimal.add(used[0])
    return _Signs(frozenset(decimal), frozenset(grouping), has_semicolons)
