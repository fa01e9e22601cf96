"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song.

Livingstone and Russo, PLoS ONE 13(5), 2018, https://doi.org/10.1371/journal.pone.0196391.
"""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import Archive, CorpusInfo, Source
from emotone.corpora.readers._scan import Clip, by_name, decode
from emotone.errors import CorpusError

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


def parse(path: PurePosixPath) -> Clip:
    """Read a file name, in folders as published, flattened, or with Kaggle's second copy of every actor.

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
        emotion=decode("emotion", emotion, _EMOTIONS),
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        intensity=decode("intensity", intensity, _INTENSITIES),
        statement=decode("statement", statement, _STATEMENTS),
        channel=decode("channel", channel, _CHANNELS),
    )


INFO = CorpusInfo(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song",
    language="en",
    licence="CC BY-NC-SA 4.0",
    url="https://zenodo.org/records/1188976",
    commercial_use=False,
    reader=by_name(parse),
    expected="files named MM-CC-EE-II-SS-RR-AA, such as Actor_01/03-01-05-02-01-01-01.wav",
    source=Source(
        record="1188976",
        archives=(
            Archive(
                file="Audio_Speech_Actors_01-24.zip",
                channel="speech",
                n_clips=1440,
                max_unpacked_bytes=2_000_000_000,
                md5="bc696df654c87fed845eb13823edef8a",
            ),
            Archive(file="Audio_Song_Actors_01-24.zip", channel="song", n_clips=1012, max_unpacked_bytes=2_000_000_000),
        ),
    ),
)
