"""TESS."""

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.emotions import canonical
from emotone.errors import CorpusError

TESS_EXPECTED = "files named SPEAKER_word_emotion, such as OAF_angry/OAF_back_angry.wav"
# "OA_bite_neutral" is the one published file whose prefix is cut short.
_TESS = re.compile(r"(OAF?|YAF)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)


def read_tess(root: Path) -> Corpus:
    """Read TESS: 200 carrier words, 7 emotions, two women (Pichora-Fuller and Dupuis 2020, doi:10.5683/SP2/E8H2MF)."""
    return read_tree(root, name="tess", language="en", parse=parse_tess, paths=files(root))


def parse_tess(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the carrier word.

    Examples
    --------
    >>> clip = parse_tess(PurePosixPath("OAF_neutral/OA_bite_neutral.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('neutral', 'OAF', 'female', 'bite')
    """
    match = _TESS.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form SPEAKER_word_emotion (speaker OAF or YAF): {path.name!r}")
    prefix, word, emotion = match.groups()
    speaker = "YAF" if prefix.upper() == "YAF" else "OAF"
    key = f"{speaker}_{word}_{emotion}".lower()
    return Clip(key=key, emotion=canonical(emotion), speaker=speaker, gender="female", statement=word.lower())
