"""Recordings, what becomes of them, and where profiles are: what the driver and its workers exchange.

Workers import this and not pyarrow, which would double the time that they need to start.
"""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

#: Folder of the output that only an unfinished run needs.
WORK = "work"


class Item(NamedTuple):
    """A recording of an archive, or a segment of it.

    Attributes
    ----------
    file
        Path or address.
    speaker
        Name of the speaker; None if it is not known.
    start_s, end_s
        The segment, in seconds; None is the end of the recording.
    size
        Bytes of the file; 0 if they are not known.
    error
        Why it can't be read, if that is known already; "" otherwise.
    channel
        Which channel is read, as a manifest says; None: that of the run.
    """

    file: str
    speaker: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    size: int = 0
    error: str = ""
    channel: str | None = None


class Row(NamedTuple):
    """A recording and its number in the list, from 0."""

    number: int
    item: Item


class Failure(NamedTuple):
    """Why a recording has no row.

    Attributes
    ----------
    code
        not_found, not_audio, no_channel, too_short, silent, unanswerable, bad_model, memory, crashed, timeout or
        internal.
    message
        Finding, expectation and remedy.
    """

    code: str
    message: str


class Report(NamedTuple):
    """What was done of a part.

    Attributes
    ----------
    number
        Number of the part, from 0.
    n_files, n_rows, n_failures
        Recordings, rows and failures of the part.
    sound_s
        Seconds of sound.
    """

    number: int
    n_files: int
    n_rows: int
    n_failures: int
    sound_s: float


@dataclass(frozen=True)
class Places:
    """The file that holds the profile of a speaker.

    Attributes
    ----------
    n_files
        Number of files of profiles.
    """

    n_files: int

    def number(self, speaker: str) -> int:
        """Return the number of the file."""
        return zlib.crc32(speaker.encode()) % self.n_files

    def __call__(self, speaker: str) -> str:
        """Return the name of the file."""
        return self.name(self.number(speaker))

    def name(self, number: int) -> str:
        """Return the name of a file of profiles."""
        return f"{WORK}/profiles/{number:06d}.json"
