"""TESS, the Toronto Emotional Speech Set."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, match_name, reader_of
from emotone.emotions import canonical

INFO = CorpusInfo(
    name="tess",
    title="Toronto Emotional Speech Set",
    language="en",
    licence="CC BY-NC-ND 4.0",
    url="https://doi.org/10.5683/SP2/E8H2MF",
    citation="Pichora-Fuller and Dupuis, Borealis, 2020",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    n_clips=2800,
    n_speakers=2,
    layout="files named SPEAKER_word_emotion, such as OAF_angry/OAF_back_angry.wav",
)
# "OA_bite_neutral" is the only published file with a shortened prefix.
_NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the carrier word.

    Examples
    --------
    >>> clip = parse(PurePosixPath("OAF_neutral/OA_bite_neutral.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('neutral', 'OAF', 'female', 'bite')
    """
    prefix, word, emotion = match_name(_NAME, path, form="SPEAKER_word_emotion (speaker OAF or YAF)")
    speaker = "YAF" if prefix == "yaf" else "OAF"
    key = f"{speaker}_{word}_{emotion}"
    return Clip(key=key, emotion=canonical(emotion), speaker=speaker, gender="female", statement=word)


read = reader_of(INFO, parse)
