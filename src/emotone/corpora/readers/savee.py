"""SAVEE, Surrey Audio-Visual Expressed Emotion."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, match_name, reader_of
from emotone.errors import CorpusError

INFO = CorpusInfo(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion",
    language="en",
    licence="free for research",
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    citation="Haq and Jackson, AVSP 2009",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    n_clips=480,
    n_speakers=4,
    layout="files named DC_a01.wav or DC/a01.wav (speakers DC, JE, JK, KL)",
)
_SPEAKERS = ("DC", "JE", "JK", "KL")
_EMOTIONS = {"sa": "sad", "su": "surprised", "a": "angry", "d": "disgust", "f": "fearful", "h": "happy", "n": "neutral"}
_NAME = re.compile(rf"(?:({'|'.join(_SPEAKERS)})_?)?({'|'.join(_EMOTIONS)})(\d\d)", re.IGNORECASE)


def parse(path: PurePosixPath) -> Clip:
    """Read a file name, and the name of the folder if the file name lacks the speaker.

    The statement is unknown: some sentences were spoken in all emotions, and file names do not say which.

    Examples
    --------
    >>> clip = parse(PurePosixPath("AudioData/DC/sa01.wav"))
    >>> clip.emotion, clip.speaker, clip.gender
    ('sad', 'DC', 'male')
    """
    prefix, emotion, number = match_name(_NAME, path, form="DC_a01 or a01")
    speaker = (prefix or path.parent.name).upper()
    if speaker not in _SPEAKERS:
        raise CorpusError(f"neither the name nor the folder says the speaker ({', '.join(_SPEAKERS)}): {path}")
    return Clip(key=f"{speaker}_{emotion}{number}", emotion=_EMOTIONS[emotion], speaker=speaker, gender="male")


read = reader_of(INFO, parse)
