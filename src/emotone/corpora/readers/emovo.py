"""EMOVO: 14 Italian sentences, 7 emotions, six actors (Costantini et al., LREC 2014)."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, by_name
from emotone.errors import CorpusError

_SCHEME = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm][123])-([bdln]\d)", re.IGNORECASE)
_EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",  # gioia
    "neu": "neutral",
    "pau": "fearful",  # paura
    "rab": "angry",  # rabbia
    "sor": "surprised",  # sorpresa
    "tri": "sad",  # tristezza
}


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse(PurePosixPath("m2/rab-m2-n4.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('angry', 'm2', 'male', 'n4')
    """
    match = _SCHEME.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form dis-f1-b1: {path.name!r}")
    emotion, speaker, sentence = (part.lower() for part in match.groups())
    gender = "female" if speaker.startswith("f") else "male"
    key = f"{emotion}-{speaker}-{sentence}"
    return Clip(key=key, emotion=_EMOTIONS[emotion], speaker=speaker, gender=gender, statement=sentence)


INFO = CorpusInfo(
    name="emovo",
    title="EMOVO, an Italian emotional speech corpus",
    language="it",
    licence="free for research",
    url="http://voice.fub.it/activities/corpora/emovo/index.html",
    commercial_use=False,
    reader=by_name(parse),
    expected="files named EMOTION-SPEAKER-SENTENCE, such as f1/dis-f1-b1.wav",
)
