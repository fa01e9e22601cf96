"""EMO-DB, the Berlin Database of Emotional Speech."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, match_name, reader_of

INFO = CorpusInfo(
    name="emodb",
    title="Berlin Database of Emotional Speech (EMO-DB)",
    language="de",
    licence="free use",
    commercial_use=False,  # free use is offered, but no written licence permits commercial use
    url="http://emodb.bilderbar.info",
    citation="Burkhardt et al., Interspeech 2005",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "boredom"),
    n_clips=535,
    n_speakers=10,
    layout="files named SSTTTEV, such as wav/03a01Wa.wav",
    aliases=("emo-db", "berlin"),
)
_EMOTIONS = {
    "W": "angry",  # Wut, Aerger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
_MEN = ("03", "10", "11", "12", "15")
_SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
_NAME = re.compile(rf"({'|'.join(_SPEAKERS)})([ab]\d\d)([{''.join(_EMOTIONS)}])([a-z]?)", re.IGNORECASE)
_FORM = f"SSTTTEV (speakers {', '.join(_SPEAKERS)}; emotions {', '.join(_EMOTIONS)})"


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the text's code.

    Examples
    --------
    >>> clip = parse(PurePosixPath("wav/08b10La.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('boredom', '08', 'female', 'b10')
    """
    speaker, text, emotion, _ = match_name(_NAME, path, form=_FORM)
    return Clip(
        key=path.stem.lower(),
        emotion=_EMOTIONS[emotion.upper()],
        speaker=speaker,
        gender="male" if speaker in _MEN else "female",
        statement=text,
    )


read = reader_of(INFO, parse)
