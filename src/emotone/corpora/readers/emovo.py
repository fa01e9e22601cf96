"""EMOVO."""

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

EMOVO_EXPECTED = "files named EMOTION-SPEAKER-SENTENCE, such as f1/dis-f1-b1.wav"
_EMOVO = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm][123])-([bdln]\d)", re.IGNORECASE)
_EMOVO_EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",  # gioia
    "neu": "neutral",
    "pau": "fearful",  # paura
    "rab": "angry",  # rabbia
    "sor": "surprised",  # sorpresa
    "tri": "sad",  # tristezza
}


def read_emovo(root: Path) -> Corpus:
    """Read EMOVO: 14 sentences, 7 emotions, six actors (Costantini et al., LREC 2014)."""
    return read_tree(root, name="emovo", language="it", parse=parse_emovo, paths=files(root))


def parse_emovo(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse_emovo(PurePosixPath("m2/rab-m2-n4.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('angry', 'm2', 'male', 'n4')
    """
    match = _EMOVO.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form dis-f1-b1: {path.name!r}")
    emotion, speaker, sentence = (part.lower() for part in match.groups())
    gender = "female" if speaker.startswith("f") else "male"
    key = f"{emotion}-{speaker}-{sentence}"
    return Clip(key=key, emotion=_EMOVO_EMOTIONS[emotion], speaker=speaker, gender=gender, statement=sentence)
