"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song.

Livingstone and Russo, PLoS ONE 13(5), 2018, https://doi.org/10.1371/journal.pone.0196391.
"""

import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.errors import CorpusError

EXPECTED = "files named MM-CC-EE-II-SS-RR-AA, such as Actor_01/03-01-05-02-01-01-01.wav"
_SCHEME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_AUDIO_ONLY = "03"
_CHANNELS = {"01": "speech", "02": "song"}
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
_INTENSITIES = {"01": "normal", "02": "strong"}
_STATEMENTS = {"01": "kids", "02": "dogs"}
_N_ACTORS = 24


def read(root: Path) -> Corpus:
    """Read speech and song, from the folders as published, flattened, or with Kaggle's second copy of every actor."""
    return read_tree(root, name="ravdess", language="en", parse=parse, paths=files(root))


def parse(path: PurePosixPath) -> Clip:
    """Read a file name.

    Examples
    --------
    >>> clip = parse(PurePosixPath("Actor_02/03-01-05-02-01-01-02.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.intensity, clip.statement, clip.channel
    ('angry', '02', 'female', 'strong', 'kids', 'speech')
    """
    match = _SCHEME.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form MM-CC-EE-II-SS-RR-AA: {path.name!r}")
    modality, channel, emotion, intensity, statement, _, actor = match.groups()
    if modality != _AUDIO_ONLY:
        raise CorpusError(f"modality {modality} is video; expected {_AUDIO_ONLY}, audio only")
    if not 1 <= int(actor) <= _N_ACTORS:
        raise CorpusError(f"actor {actor}; expected 01 to {_N_ACTORS}")
    return Clip(
        key=path.stem,
        emotion=_decode("emotion", emotion, _EMOTIONS),
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        intensity=_decode("intensity", intensity, _INTENSITIES),
        statement=_decode("statement", statement, _STATEMENTS),
        channel=_decode("channel", channel, _CHANNELS),
    )


def _decode(what: str, code: str, meanings: dict[str, str]) -> str:
    """Give the meaning of a code, or the reason why it has none."""
    if code not in meanings:
        raise CorpusError(f"{what} code {code}; expected {', '.join(meanings)}")
    return meanings[code]
