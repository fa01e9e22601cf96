"""ASED, the Amharic Speech Emotion Dataset."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, match_name, reader_of

INFO = CorpusInfo(
    name="ased",
    title="Amharic Speech Emotion Dataset (ASED)",
    language="am",
    licence="free for research",  # its authors state no licence
    url="https://github.com/Ethio2021/ASED_V1",
    citation="Retta et al., ACM Trans. Asian Low-Resource Language Information Processing 22(5), 2023",
    emotions=("neutral", "happy", "sad", "angry", "fearful"),
    n_clips=2474,
    n_speakers=65,
    layout="files named EF-SS-RR-GG-PP, such as 05Angry/a5-03-01-02-50.wav",
)
_NAME = re.compile(r"(n1|f2|h3|s4|a5)-(0[1-7])-(0[12])-(0[12])-(0[1-9]|[1-5]\d|6[0-5])", re.IGNORECASE)
_EMOTIONS = {"n1": "neutral", "f2": "fearful", "h3": "happy", "s4": "sad", "a5": "angry"}
# All speakers say these two sentences in every emotion. Each of the others belongs to a single emotion.
_COMMON_SENTENCES = ("01", "02")
# Five published names give a woman the code of a man, so the speaker decides. Women: 25 of 65, as published.
_WOMEN = {*range(1, 38, 2), 43, 47, 48, 49, 58, 62}


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the sentence, with the letter of its emotion unless it is a common sentence.

    Examples
    --------
    >>> clip = parse(PurePosixPath("05Angry/a5-03-01-02-50.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('angry', '50', 'male', 'a03')
    """
    code, sentence, repetition, _, speaker = match_name(_NAME, path, form="EF-SS-RR-GG-PP")
    return Clip(
        key=f"{code}-{sentence}-{repetition}-{speaker}",
        emotion=_EMOTIONS[code],
        speaker=speaker,
        gender="female" if int(speaker) in _WOMEN else "male",
        statement=sentence if sentence in _COMMON_SENTENCES else code[0] + sentence,
    )


read = reader_of(INFO, parse)
