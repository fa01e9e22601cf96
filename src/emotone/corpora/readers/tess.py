"""TESS: 200 carrier words, 7 emotions, two women (Pichora-Fuller and Dupuis 2020, doi:10.5683/SP2/E8H2MF)."""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, by_name
from emotone.emotions import canonical
from emotone.errors import CorpusError

# "OA_bite_neutral" is the one published file whose prefix is cut short.
_SCHEME = re.compile(r"(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)


def parse(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the carrier word.

    Examples
    --------
    >>> clip = parse(PurePosixPath("OAF_neutral/OA_bite_neutral.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('neutral', 'OAF', 'female', 'bite')
    """
    match = _SCHEME.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form SPEAKER_word_emotion (speaker OAF or YAF): {path.name!r}")
    prefix, word, emotion = match.groups()
    speaker = "YAF" if prefix.upper() == "YAF" else "OAF"
    key = f"{speaker}_{word}_{emotion}".lower()
    return Clip(key=key, emotion=canonical(emotion), speaker=speaker, gender="female", statement=word.lower())


INFO = CorpusInfo(
    name="tess",
    title="Toronto Emotional Speech Set",
    language="en",
    licence="CC BY-NC-ND 4.0",
    url="https://doi.org/10.5683/SP2/E8H2MF",
    commercial_use=False,
    reader=by_name(parse),
    expected="files named SPEAKER_word_emotion, such as OAF_angry/OAF_back_angry.wav",
)
