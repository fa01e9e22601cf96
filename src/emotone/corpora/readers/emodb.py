"""EMO-DB: 10 German sentences, 7 emotions, ten actors (Burkhardt et al., Interspeech 2005)."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, by_name
from emotone.errors import CorpusError

_SCHEME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", re.IGNORECASE)
_EMOTIONS = {
    "W": "angry",  # Wut, Aerger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
_GENDERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the text's code.

    Examples
    --------
    >>> clip = parse(PurePosixPath("wav/08b10La.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('boredom', '08', 'female', 'b10')
    """
    match = _SCHEME.fullmatch(path.stem)
    if match is None or match[1] not in _GENDERS:
        raise CorpusError(
            f"the name is not of the form SSTTTEV (speakers {', '.join(_GENDERS)}; emotions "
            f"{', '.join(_EMOTIONS)}): {path.name!r}"
        )
    speaker, text, emotion, _ = match.groups()
    return Clip(
        key=path.stem.lower(),
        emotion=_EMOTIONS[emotion.upper()],
        speaker=speaker,
        gender=_GENDERS[speaker],
        statement=text.lower(),
    )


INFO = CorpusInfo(
    name="emodb",
    title="Berlin Database of Emotional Speech (EMO-DB)",
    language="de",
    licence="free use",
    url="http://emodb.bilderbar.info",
    commercial_use=False,  # free use is offered, but no written licence grants commercial use
    reader=by_name(parse),
    expected="files named SSTTTEV, such as wav/03a01Wa.wav",
    aliases=("emo-db", "berlin"),
)
