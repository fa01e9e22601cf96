"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song.

Folders may be as published, flattened, or with Kaggle's second copy of every actor.
"""

import re
from pathlib import PurePosixPath

from emotone.corpora.info import Archive, CorpusInfo, Source
from emotone.corpora.readers._scan import Clip, match_name, reader_of
from emotone.errors import CorpusError

INFO = CorpusInfo(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song",
    language="en",
    licence="CC BY-NC-SA 4.0",
    url="https://zenodo.org/records/1188976",
    citation="Livingstone and Russo, PLoS ONE 13(5), 2018",
    emotions=("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    n_clips=2452,
    n_speakers=24,
    layout="files named MM-CC-EE-II-SS-RR-AA, such as Actor_01/03-01-05-02-01-01-01.wav",
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
_NAME = re.compile("-".join([r"(\d\d)"] * 7))
_AUDIO_ONLY = "03"
_CHANNELS = {"01": "speech", "02": "song"}
_EMOTIONS = {f"{number:02d}": emotion for number, emotion in enumerate(INFO.emotions, start=1)}
_INTENSITIES = {"01": "normal", "02": "strong"}
_STATEMENTS = {"01": "kids", "02": "dogs"}


def parse(path: PurePosixPath) -> Clip:
    """Read a file name.

    Examples
    --------
    >>> clip = parse(PurePosixPath("Actor_02/03-01-05-02-01-01-02.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.intensity, clip.statement, clip.channel
    ('angry', '02', 'female', 'strong', 'kids', 'speech')
    """
    codes = match_name(_NAME, path, form="MM-CC-EE-II-SS-RR-AA")
    modality, channel, emotion, intensity, statement, _, actor = codes
    if modality != _AUDIO_ONLY:
        raise CorpusError(f"modality {modality} is video; expected {_AUDIO_ONLY}, audio only")
    if not 1 <= int(actor) <= INFO.n_speakers:
        raise CorpusError(f"actor {actor}; expected 01 to {INFO.n_speakers}")
    return Clip(
        key=path.stem,
        emotion=_decode("emotion", emotion, _EMOTIONS),
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        intensity=_decode("intensity", intensity, _INTENSITIES),
        statement=_decode("statement", statement, _STATEMENTS),
        channel=_decode("channel", channel, _CHANNELS),
    )


def _decode(field: str, code: str, meanings: dict[str, str]) -> str:
    if code not in meanings:
        raise CorpusError(f"{field} code {code}; expected {', '.join(meanings)}")
    return meanings[code]


read = reader_of(INFO, parse)
