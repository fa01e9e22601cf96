"""Names of speakers as files hold them: in one line, encodable, and no two the same."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable

from emotone.errors import ConfigError

#: Most speakers of a recording.
MAX_SPEAKERS = 20
#: Name of segments whose speaker is not known, in formats where every segment has a name.
UNKNOWN = "unknown"
#: Name of the first speaker whose real name is not known, and of the only one.
ONLY = "speaker 1"
#: Name of a speaker whose name has no visible character.
UNNAMED = "unnamed"


def names_of_channels(n_channels: int) -> list[str]:
    """Return the name of the speaker on each channel.

    Raises
    ------
    ConfigError
        There are not 2 to 20 channels.

    Examples
    --------
    >>> names_of_channels(2), names_of_channels(3)
    (['left', 'right'], ['channel 1', 'channel 2', 'channel 3'])
    """
    if not 2 <= n_channels <= MAX_SPEAKERS:
        raise ConfigError(
            f"speakers is channels, and the number of channels is {n_channels}; expected 2 to {MAX_SPEAKERS}: "
            "choose another way to find speakers"
        )
    return ["left", "right"] if n_channels == 2 else [f"channel {number + 1}" for number in range(n_channels)]


def plain_text(text: str) -> str:
    r"""Return a text in one line, with single spaces and without control characters.

    Characters that UTF-8 or XML lack become U+FFFD, such as those of file names that are not valid text.

    Examples
    --------
    >>> plain_text("Anna\n Maria\tB.\x07")
    'Anna Maria B.'
    """
    return " ".join("".join(map(_plain_character, text)).split())


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if category == "Cs" or character in "\ufffe\uffff" else character


def written_names(
    speakers: Iterable[str | None],
    *,
    write: Callable[[str], str] = plain_text,
    unknown: str | None = None,
    reserved: Iterable[str] = (),
) -> dict[str | None, str]:
    r"""Return speaker -> name in a file; different speakers have different names.

    Parameters
    ----------
    speakers
        The speakers of the segments, repeated as often as they speak; None is an unknown voice.
    write
        Function from a name to what the format can hold of it.  It keeps the number at the end of a name: names that
        are taken get one.
    unknown
        Name of unknown voices, the last entry if there are any; None: they have no entry.
    reserved
        Names that no speaker may have.

    Examples
    --------
    >>> written_names(["Anna", None, "Anna\n", "unknown"], unknown=UNKNOWN)
    {'Anna': 'Anna', 'Anna\n': 'Anna 2', 'unknown': 'unknown 2', None: 'unknown'}
    """
    every = list(dict.fromkeys(speakers))
    has_unknown = unknown is not None and None in every
    taken = {*reserved, *([unknown] if has_unknown else [])}
    names: dict[str | None, str] = {}
    numbers: defaultdict[str, int] = defaultdict(lambda: 1)
    for speaker in every:
        if speaker is not None:
            first = name = write(speaker) or UNNAMED
            while name in taken:
                numbers[first] += 1  # from the last one on, since there may be thousands of one name
                name = write(f"{first} {numbers[first]}")
            taken.add(name)
            names[speaker] = name
    if has_unknown:
        names[None] = str(unknown)
    return names
