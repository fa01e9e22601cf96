"""Who speaks when, as RTTM files have it: the format of NIST that pyannote, NeMo and others write.

Format: https://catalog.ldc.upenn.edu/docs/LDC2004T12/RTTM-format-v13.pdf
"""

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from emotone import files
from emotone.errors import ConfigError
from emotone.recognition.speaker_names import UNKNOWN, plain_text, written_names

if TYPE_CHECKING:
    from emotone.recognition.timeline import Timeline

#: Id of a recording without a name.
_NO_NAME = "recording"
#: Types of records besides SPEAKER, which say nothing of turns.
_OTHER_TYPES = frozenset(
    "A/P CB EDIT FILLER IP LEXEME NON-LEX NON-SPEECH NO_RT_METADATA NOSCORE SEGMENT SPKR-INFO SU".split()
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Most names of recordings in an error.
_MAX_NAMES = 10


@dataclass(frozen=True)
class Turn:
    """A stretch of time in which a speaker speaks.

    Attributes
    ----------
    speaker
        Name of the speaker.
    start_s, end_s
        Seconds from the start of the recording; ``end_s`` is larger.
    """

    speaker: str
    start_s: float
    end_s: float


def recording_id(file: str) -> str:
    """Return the id of a recording in RTTM: its file name without folder, suffix and spaces.

    Examples
    --------
    >>> recording_id("calls/my call.wav")
    'my_call'
    """
    return _field(PurePath(file).stem) or _NO_NAME


def recording_ids(files: Sequence[str]) -> dict[str, str]:
    """Return file -> id in an RTTM of several recordings; no two are the same.

    Files of the same name have their suffix, or as many of their folders as it takes, in the id.

    Examples
    --------
    >>> recording_ids(["a/call.wav", "b/call.wav", "talk.wav"])
    {'talk.wav': 'talk', 'a/call.wav': 'a_call', 'b/call.wav': 'b_call'}
    """
    waiting = {file: _ids(file) for file in files}
    result: dict[str, str] = {}
    for number in range(max((len(ids) for ids in waiting.values()), default=0)):
        candidates = {file: ids[min(number, len(ids) - 1)] for file, ids in waiting.items()}
        counts = Counter([*result.values(), *candidates.values()])
        result |= {file: id for file, id in candidates.items() if counts[id] == 1}
        waiting = {file: ids for file, ids in waiting.items() if file not in result}
    firsts = {file: recording_id(file) for file in waiting}
    # a number is added to the id: added to the name, it would be cut off again as a part of the suffix
    names = written_names(waiting, write=lambda name: _field(firsts.get(name, name)), reserved=result.values())
    return result | {file: names[file] for file in waiting}


def _ids(file: str) -> list[str]:
    """Return ids of a recording, the shortest first: its name, also with the suffix, and with its folders."""
    path = PurePath(file)
    folders = [*(part for part in path.parts[:-1] if part != path.anchor)]
    with_folders = ["_".join([*folders[number:], path.stem]) for number in range(len(folders) - 1, -1, -1)]
    return [recording_id(file), *(_field(name) or _NO_NAME for name in (path.name, *with_folders))]


def to_rttm(timeline: "Timeline", *, recording: str | None = None) -> str:
    """Return a line for each turn; segments of a speaker that touch are one turn.

    Names have underscores for spaces; unknown voices are named "unknown".  Segments without speech have no line, and
    neither do those shorter than half a millisecond.  ``recording`` is the recording's id in place of `recording_id`.
    """
    spoken = [segment for segment in timeline.segments if segment.is_speech]
    names = written_names((segment.speaker for segment in spoken), write=_field, unknown=UNKNOWN)
    turns: list[tuple[int, int, str]] = []
    last: dict[str, int] = {}  # name -> index of the last turn
    for segment in sorted(spoken, key=lambda segment: segment.start_s):
        name = names[segment.speaker]
        begin, end = round(1000 * segment.start_s), round(1000 * segment.end_s)
        if end <= begin:
            continue
        if name in last and begin <= turns[last[name]][1]:
            first, until, _ = turns[last[name]]
            turns[last[name]] = (first, max(until, end), name)
        else:
            last[name] = len(turns)
            turns.append((begin, end, name))
    file = recording or recording_id(timeline.file)
    return "".join(
        f"SPEAKER {file} 1 {begin / 1000:.3f} {(end - begin) / 1000:.3f} <NA> <NA> {name} <NA> <NA>\n"
        for begin, end, name in turns
    )


def read(path: str | os.PathLike[str], *, recording: str = "") -> tuple[Turn, ...]:
    """Read the turns of a recording from an RTTM file.

    Parameters
    ----------
    path
        The file, in UTF-8.
    recording
        Path or name of the recording; see `parse`.

    Raises
    ------
    ConfigError
        The file can't be read, is not UTF-8 or not RTTM, or has several recordings and not this one.
    """
    return parse(_text(path), recording=recording, where=os.fspath(path))


def recordings_of(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the recordings in an RTTM file; the errors are those of `read`."""
    return list(dict.fromkeys(file for file, _ in _records(_text(path), os.fspath(path))))


def parse(text: str, *, recording: str = "", where: str = "the RTTM") -> tuple[Turn, ...]:
    """Read the turns of a recording from the text of an RTTM file, in order of time; turns may overlap.

    Comments (``;;``), blank lines, records of other types and turns of no duration are left out.

    Parameters
    ----------
    text
        Content of the file.
    recording
        Path or name of the recording, which chooses among several in the RTTM.  If the RTTM has only one recording,
        its turns are returned whatever its name.
    where
        Name of the file for messages.

    Raises
    ------
    ConfigError
        A line is not RTTM, or there are several recordings, and not this one.

    Examples
    --------
    >>> parse("SPEAKER call 1 0.5 1.25 <NA> <NA> Anna <NA> <NA>")
    (Turn(speaker='Anna', start_s=0.5, end_s=1.75),)
    """
    recordings: dict[str, list[Turn]] = {}
    for file, turn in _records(text, where):
        recordings.setdefault(file, []).append(turn)
    turns = [turn for turn in _chosen(recordings, recording, where) if turn.end_s > turn.start_s]
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))


def _text(path: str | os.PathLike[str]) -> str:
    """Return the content of an RTTM file."""
    try:
        return files.read_regular(Path(path)).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error}); give an RTTM file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}); expected RTTM, a text format: save the file as UTF-8"
        ) from error


def _records(text: str, where: str) -> Iterator[tuple[str, Turn]]:
    """Yield recording and turn of each SPEAKER record."""
    foreign = ""
    has_records = False
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        kind = fields[0].upper()
        if kind == "SPEAKER":
            yield _record(fields, f"{where}, line {number}")
        has_records |= kind == "SPEAKER" or kind in _OTHER_TYPES
        foreign = foreign or f"line {number} begins with {fields[0][:40]!r}"
    if foreign and not has_records:
        raise ConfigError(
            f"{where}: {foreign}, and no line begins with SPEAKER; expected RTTM: SPEAKER <file> 1 <start> <duration> "
            "<NA> <NA> <name> <NA> <NA>. Give an RTTM file"
        )


def _record(fields: Sequence[str], where: str) -> tuple[str, Turn]:
    if not 8 <= len(fields) <= 10:
        raise ConfigError(
            f"{where} has {len(fields)} fields; expected 10, as in SPEAKER call 1 12.5 3.25 <NA> <NA> Anna <NA> <NA>: "
            "add what is missing, and write names without spaces"
        )
    start_s = _seconds(fields[3], "start", where)
    duration_s = _seconds(fields[4], "duration", where)
    if fields[7] == "<NA>":
        raise ConfigError(f"{where}: the name of the speaker is <NA>; expected a name as the eighth field: add it")
    return fields[1], Turn(fields[7], start_s, start_s + duration_s)


def _seconds(value: str, what: str, where: str) -> float:
    seconds = float(value) if _NUMBER.fullmatch(value) else math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"{where}: the {what} is {value[:40]!r}; expected seconds from 0, with a decimal point, such as 12.5: "
            "correct the line"
        )
    return seconds


def _chosen(recordings: Mapping[str, Sequence[Turn]], recording: str, where: str) -> Sequence[Turn]:
    """Return the turns of a recording; those of the only one, whatever its name."""
    if len(recordings) <= 1:
        return next(iter(recordings.values()), ())
    name = PurePath(recording)
    for forms in ((name.stem, name.name, recording_id(recording)), _ids(recording)):
        wanted = {_comparable(form) for form in forms if recording}
        named = [turns for file, turns in recordings.items() if _comparable(file) in wanted]
        if len(named) == 1:
            return named[0]
    names = ", ".join(list(recordings)[:_MAX_NAMES]) + (", ..." if len(recordings) > _MAX_NAMES else "")
    wish = f"not exactly one of them is named {name.stem!r}" if recording else "none was chosen"
    raise ConfigError(
        f"{where} has {len(recordings)} recordings ({names}), and {wish}; expected the name of the recording without "
        "its suffix: rename the recording, or keep only its lines"
    )


def _comparable(name: str) -> str:
    """Return a name with its letters composed; file systems decompose them."""
    return unicodedata.normalize("NFC", name)


def _field(text: str) -> str:
    """Return what a field of RTTM can hold of a text: no spaces, no quotes (for pandas), no placeholder like <NA>."""
    field = "_".join(plain_text(text).split()).replace('"', "'")
    return field.strip("<>") if field.startswith("<") and field.endswith(">") else field
