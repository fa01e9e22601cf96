"""Clips that a table lists, whatever its format: from texts to the rows of a corpus, with the reasons of the others."""

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emotone.corpora.readers._channels import channel_text, named_channel
from emotone.corpora.readers._scan import unusable
from emotone.corpora.readers._table_file import TableFile
from emotone.corpora.readers._times import Times
from emotone.corpora.rejected import Rejected, UnusableError, count_groups, labels_hint
from emotone.corpora.table import CHANNELS, Corpus, Row
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError
from emotone.formatting import left_out_text, plain_cell

REQUIRED = ("file", "emotion")
OPTIONAL = ("speaker", "gender", "intensity", "statement", "channel", "corpus", "language", "audio_channel")
#: What a table can state of a clip, beside its times.
COLUMNS: tuple[str, ...] = (*REQUIRED, *OPTIONAL)
_GENDERS = {
    **dict.fromkeys(("female", "f", "w", "woman"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
    **dict.fromkeys(("", "child", "other", "unknown", "nan", "none"), ""),
}
_Segment = tuple[str, float, float, str]
_MOST_SHOWN = 300  # letters of a name in a reason
_LONGEST_PATH = 4096  # no system has longer ones


class Listed(NamedTuple):
    """A clip as a table lists it.

    Attributes
    ----------
    where
        The place, for reasons: ``"line 3: "``, or ``""``.
    cells
        A text for each of `COLUMNS`, ``""`` where nothing is known; that of ``file`` with blanks at its ends.
    times
        Start and end, seconds; NaN as end is the end of the file.
    folders
        Absolute folders that the file can be relative to; the first that holds it counts.
    """

    where: str
    cells: Mapping[str, str]
    times: tuple[float, float]
    folders: Sequence[str]


def clips_of(
    table: TableFile, names: Mapping[str, str], *, folders: Sequence[str], place: str = ""
) -> Iterator[Listed]:
    """Yield the clips that a table file lists.

    Parameters
    ----------
    table
        The file.
    names
        Each of `COLUMNS` that the table has -> the name of its column, in lower case.
    folders
        As in `Listed`.
    place
        What follows the number of the line in reasons: ``" of train/metadata.csv"``.

    Raises
    ------
    CorpusError
        A column is there twice, or a time is not understood.
    """
    header = [name.lower() for name in table.header]
    if twice := [name for name in names.values() if header.count(name) > 1]:
        raise CorpusError(f"{str(table.path)!r} has the column {twice[0]!r} twice; rename one")
    times = Times(table)
    for line, cells in table.rows:
        texts = dict(zip(header, cells, strict=False))
        values = dict.fromkeys(COLUMNS, "") | {column: texts.get(name, "") for column, name in names.items()}
        yield Listed(f"line {line}{place}: ", values, times.segment(line, cells), folders)


def corpus_of(clips: Iterable[Listed], vocabulary: Vocabulary, *, name: str, source: Path) -> Corpus:
    """Make a corpus of listed clips, sorted by the name of the file, then by start.

    Parameters
    ----------
    clips
        A clip that can't be used (unknown emotion, missing file, repeated segment) goes to ``rejected``.
    vocabulary
        What the words for emotions mean.
    name
        The name of the corpus, also of clips that name none.
    source
        The file or folder that lists them, for messages.

    Raises
    ------
    CorpusError
        No clip can be used.
    """
    rows: list[tuple[str, Row]] = []
    rejected: list[Rejected] = []
    seen: dict[_Segment, tuple[str, str]] = {}
    for clip in clips:
        try:
            file, written = find_file(clip.cells["file"], clip.folders)
            row = _row(clip.cells, file, clip.times, vocabulary, name=name)
            segment = _segment(row)
            if segment in seen:
                first, emotion = seen[segment]
                place = first.removesuffix(": ") or "another table"
                raise UnusableError(f"{place} lists the same recording, as {emotion}", group="listed twice")
        except CorpusError as error:
            rejected.append(Rejected.of(clip.cells["file"], error, where=clip.where))
            continue
        seen[segment] = (clip.where, row.emotion)
        rows.append((written, row))
    if not rows:
        raise CorpusError(_nothing(rejected, source))
    rows.sort(key=lambda item: (item[0], _segment(item[1])))
    return Corpus.of_rows([row for _, row in rows], name, rejected)


def _nothing(rejected: Sequence[Rejected], source: Path) -> str:
    """Say why no clip of a source can be used."""
    if not rejected:
        return f"{str(source)!r} lists no clip; expected a row for each below the header"
    reasons = left_out_text(count_groups(rejected))
    if all(item.option for item in rejected):  # the labels are the only problem
        return f"no label of {str(source)!r} is an emotion that Emotone knows. {reasons}. {labels_hint(rejected)}"
    first = f"first: {rejected[0].path!r}, {rejected[0].reason}"
    return f"no row of {str(source)!r} can be used, {len(rejected)} are rejected; {first}. {reasons}"


def find_file(name: str, folders: Sequence[str]) -> tuple[Path, str]:
    """Return the absolute path of a file that a row names, in the first of the folders that holds it, and its name.

    The name is tried as it is before blanks at its ends are left out, or backslashes separate folders, as on Windows.

    Raises
    ------
    UnusableError
        There is no such file.
    """
    stripped = name.strip()
    if not stripped:
        raise UnusableError("no file is named", group="without a file name")
    if len(name) > _LONGEST_PATH:
        raise UnusableError(f"File name too long: {stripped[:_MOST_SHOWN]}", group="whose file is missing")
    reason = f"no such file: {stripped}"
    # plain_cell: of a table that Emotone wrote
    for written in dict.fromkeys((name, stripped, plain_cell(name), plain_cell(stripped))):
        for path in dict.fromkeys((written, written.replace("\\", "/"))):
            for folder in folders:
                file = os.path.normpath(os.path.join(folder, path))
                try:
                    if stat.S_ISREG(os.stat(file).st_mode):
                        return Path(file), written
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except (OSError, ValueError) as error:  # a name that is too long or has a null byte, a loop of links
                    reason = f"{getattr(error, 'strerror', None) or error}: {stripped[:_MOST_SHOWN]}"
    raise UnusableError(reason, group="whose file is missing")


def _row(cells: Mapping[str, str], file: Path, times: tuple[float, float], vocabulary: Vocabulary, *, name: str) -> Row:
    """Read a clip; a CorpusError says why a row can't be used."""
    if reason := unusable(file):
        raise UnusableError(reason, group="whose file can't be read")
    if cells["gender"].lower() not in _GENDERS:
        raise CorpusError(f"gender {cells['gender']!r}; expected female, male, or nothing")
    kind, audio_channel = _channels(cells)
    start_s, end_s = times
    if not start_s >= 0 or end_s <= start_s:  # also a start that is missing, NaN
        problem = f"segment from {start_s:g} s to {end_s:g} s; expected 0 <= start < end"
        raise UnusableError(problem, group="with a wrong segment")
    corpus = cells["corpus"] or name
    speaker = cells["speaker"]
    return Row(
        path=str(file),
        start_s=start_s,
        end_s=end_s,
        emotion=vocabulary.resolve(cells["emotion"]),
        # A table written from a corpus already has global names.
        speaker=speaker if not speaker or speaker.startswith(f"{corpus}-") else f"{corpus}-{speaker}",
        gender=_GENDERS[cells["gender"].lower()],
        intensity=cells["intensity"].lower(),
        statement=cells["statement"],
        channel=kind,
        corpus=corpus,
        language=cells["language"].lower(),
        audio_channel=audio_channel,
    )


def _channels(cells: Mapping[str, str]) -> tuple[str, str]:
    """Return whether a clip is speech or song, and the number of its channel or "".

    ``channel`` may say either; as a channel it counts if ``audio_channel`` says nothing.
    """
    kind = cells["channel"].strip().lower()
    number = channel_text(cells["audio_channel"])
    if not kind or kind in CHANNELS:
        return kind or CHANNELS[0], number
    try:
        other = channel_text(kind)
        return CHANNELS[0], other if named_channel(cells["audio_channel"]) is None else number
    except CorpusError as error:
        expected = f"{', '.join(CHANNELS)}, left, right, mix, or a number from 1"
        raise CorpusError(f"channel {cells['channel']!r}; expected {expected}") from error


def _segment(row: Row) -> _Segment:
    """Identify a clip; infinity is the end of the file here, since NaN does not equal itself."""
    return row.path, row.start_s, math.inf if math.isnan(row.end_s) else row.end_s, row.audio_channel
