"""EMOVO, an Italian emotional speech corpus."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, match_name, reader_of

INFO = CorpusInfo(
    name="emovo",
    title="EMOVO, an Italian emotional speech corpus",
    language="it",
    licence="free for research",
    url="http://voice.fub.it/activities/corpora/emovo/index.html",
    citation="Costantini et al., LREC 2014",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    n_clips=588,
    n_speakers=6,
    layout="files named EMOTION-SPEAKER-SENTENCE, such as f1/dis-f1-b1.wav",
)
_EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",  # gioia
    "neu": "neutral",
    "pau": "fearful",  # paura
    "rab": "angry",  # rabbia
    "sor": "surprised",  # sorpresa
    "tri": "sad",  # tristezza
}
_NAME = re.compile(rf"({'|'.join(_EMOTIONS)})-([fm][123])-([bdln]\d)", re.IGNORECASE)


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse(PurePosixPath("m2/rab-m2-n4.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('angry', 'm2', 'male', 'n4')
    """
    emotion, speaker, sentence = match_name(_NAME, path, form="dis-f1-b1")
    gender = "female" if speaker.startswith("f") else "male"
    key = f"{emotion}-{speaker}-{sentence}"
    return Clip(key=key, emotion=_EMOTIONS[emotion], speaker=speaker, gender=gender, statement=sentence)


read = reader_of(INFO, parse)
