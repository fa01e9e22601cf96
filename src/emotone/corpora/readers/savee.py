"""SAVEE: 7 emotions, four men (Haq and Jackson, AVSP 2009)."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, by_name
from emotone.errors import CorpusError

_SCHEME = re.compile(r"(?:(DC|JE|JK|KL)_?)?(sa|su|a|d|f|h|n)(\d\d)", re.IGNORECASE)
_SPEAKERS = ("DC", "JE", "JK", "KL")
_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}


def parse(path: PurePosixPath) -> Clip:
    """Read a file name, and the folder's name where the file name lacks the speaker.

    The statement is unknown: some sentences were spoken in all emotions, and file names do not say which.

    Examples
    --------
    >>> clip = parse(PurePosixPath("AudioData/DC/sa01.wav"))
    >>> clip.emotion, clip.speaker, clip.gender
    ('sad', 'DC', 'male')
    """
    match = _SCHEME.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form DC_a01 or a01: {path.name!r}")
    prefix, emotion, number = match.groups()
    speaker = (prefix or path.parent.name).upper()
    if speaker not in _SPEAKERS:
        raise CorpusError(f"neither the name nor the folder says the speaker ({', '.join(_SPEAKERS)}): {path}")
    key = f"{speaker}_{emotion}{number}".lower()
    return Clip(key=key, emotion=_EMOTIONS[emotion.lower()], speaker=speaker, gender="male")


INFO = CorpusInfo(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion",
    language="en",
    licence="free for research",
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    commercial_use=False,
    reader=by_name(parse),
    expected="files named DC_a01.wav or DC/a01.wav (speakers DC, JE, JK, KL)",
)
