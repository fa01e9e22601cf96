"""SAVEE."""

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

SAVEE_EXPECTED = "files named DC_a01.wav or DC/a01.wav (speakers DC, JE, JK, KL)"
_SAVEE = re.compile(r"(?:(DC|JE|JK|KL)_?)?(sa|su|a|d|f|h|n)(\d\d)", re.IGNORECASE)
_SAVEE_SPEAKERS = ("DC", "JE", "JK", "KL")
_SAVEE_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}


def read_savee(root: Path) -> Corpus:
    """Read SAVEE: 7 emotions, four men (Haq and Jackson, AVSP 2009).

    The statement is left unknown: some sentences were spoken in all emotions, and file names do not say which.
    """
    return read_tree(root, name="savee", language="en", parse=parse_savee, paths=files(root))


def parse_savee(path: PurePosixPath) -> Clip:
    """Read a file name, and the folder's where it lacks the speaker.

    Examples
    --------
    >>> clip = parse_savee(PurePosixPath("AudioData/DC/sa01.wav"))
    >>> clip.emotion, clip.speaker, clip.gender
    ('sad', 'DC', 'male')
    """
    match = _SAVEE.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form DC_a01 or a01: {path.name!r}")
    prefix, emotion, number = match.groups()
    speaker = (prefix or path.parent.name).upper()
    if speaker not in _SAVEE_SPEAKERS:
        raise CorpusError(f"neither the name nor the folder says the speaker ({', '.join(_SAVEE_SPEAKERS)}): {path}")
    key = f"{speaker}_{emotion}{number}".lower()
    return Clip(key=key, emotion=_SAVEE_EMOTIONS[emotion.lower()], speaker=speaker, gender="male")
