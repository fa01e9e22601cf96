"""Channels of recordings as tables write them."""

import re

from emotone.audio.channels import channel_number
from emotone.corpora.readers._times import MISSING
from emotone.corpora.table import CHANNELS
from emotone.errors import AudioError, CorpusError

#: Names of columns for channels, the first that names one counts; ``channel`` also says whether someone sings.
CHANNEL_COLUMNS = ("audio_channel", "channel")
_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0*)?")


def named_channel(text: str) -> str | None:
    """Return what a cell says of a channel, in lower case; None if it says nothing.

    Examples
    --------
    >>> named_channel("Left"), named_channel("2.0"), named_channel("song"), named_channel("")
    ('left', '2', None, None)
    """
    text = text.strip().lower()
    if text in CHANNELS or text in MISSING:
        return None
    number = _NUMBER.fullmatch(text)  # pandas writes 1.0 where other rows have gaps
    return str(int(number[1])) if number else text


def channel_text(text: str) -> str:
    """Return the column ``audio_channel`` of a corpus for a cell: the number of a channel, or ``""`` for the mix.

    Raises
    ------
    CorpusError
        It is no channel.

    Examples
    --------
    >>> channel_text("right"), channel_text("mix")
    ('2', '')
    """
    try:
        number = channel_number(named_channel(text) or "mix")
    except AudioError as problem:
        raise CorpusError(f"audio_{problem}") from problem
    return "" if number is None else str(number)
