"""EMO-DB."""

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

EMODB_EXPECTED = "files named SSTTTEV, such as wav/03a01Wa.wav"
_EMODB = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", re.IGNORECASE)
_EMODB_EMOTIONS = {
    "W": "angry",  # Wut, Aerger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
_EMODB_GENDERS = {
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


def read_emodb(root: Path) -> Corpus:
    """Read EMO-DB: 10 sentences, 7 emotions, ten actors (Burkhardt et al., Interspeech 2005)."""
    return read_tree(root, name="emodb", language="de", parse=parse_emodb, paths=files(root))


def parse_emodb(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the text's code.

    Examples
    --------
    >>> clip = parse_emodb(PurePosixPath("wav/08b10La.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('boredom', '08', 'female', 'b10')
    """
    match = _EMODB.fullmatch(path.stem)
    if match is None or match[1] not in _EMODB_GENDERS:
        raise CorpusError(
            f"the name is not of the form SSTTTEV (speakers {', '.join(_EMODB_GENDERS)}; emotions "
            f"{', '.join(_EMODB_EMOTIONS)}): {path.name!r}"
        )
    speaker, text, emotion, _ = match.groups()
    return Clip(
        key=path.stem.lower(),
        emotion=_EMODB_EMOTIONS[emotion.upper()],
        speaker=speaker,
        gender=_EMODB_GENDERS[speaker],
        statement=text.lower(),
    )
