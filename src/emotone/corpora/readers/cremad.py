"""CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset."""

import csv
import re
from functools import partial
from pathlib import Path, PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, files, match_name, read_tree
from emotone.corpora.table import Corpus
from emotone.emotions import canonical
from emotone.errors import CorpusError

INFO = CorpusInfo(
    name="cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    language="en",
    licence="Open Database License (ODbL) 1.0",
    commercial_use=True,
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    citation="Cao et al., IEEE Trans. Affective Computing 5(4), 2014",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust"),
    n_clips=7442,
    n_speakers=91,
    layout="files named ACTOR_SENTENCE_EMOTION_LEVEL, such as AudioWAV/1001_DFA_ANG_XX.wav",
    aliases=("crema-d", "crema"),
)
# Actors 1001 to 1091. "1040_ITH_SAD_X" is the only published file with a shortened level.
_NAME = re.compile(r"(10(?:0[1-9]|[1-8]\d|9[01]))_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)", re.IGNORECASE)
# "lo" is below what other corpora call normal; "xx" says that no level was asked for.
_INTENSITIES = {"md": "normal", "hi": "strong"}


def read(root: Path) -> Corpus:
    """Read CREMA-D: 12 sentences, 6 emotions, 91 actors.

    The actors' sex comes from ``VideoDemographics.csv``; without that file it is unknown.
    """
    paths = files(root)
    table = next((path for path in paths if path.name.lower() == "videodemographics.csv"), None)
    genders = {} if table is None else _demographics(root / table)
    return read_tree(root, name=INFO.name, language=INFO.language, parse=partial(parse, genders=genders), paths=paths)


def parse(path: PurePosixPath, *, genders: dict[str, str]) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse(PurePosixPath("AudioWAV/1001_IEO_ANG_HI.wav"), genders={"1001": "male"})
    >>> clip.emotion, clip.speaker, clip.gender, clip.intensity, clip.statement
    ('angry', '1001', 'male', 'strong', 'ieo')
    """
    actor, sentence, emotion, level = match_name(_NAME, path, form="1001_DFA_ANG_XX (actors 1001 to 1091)")
    return Clip(
        key=f"{actor}_{sentence}_{emotion}_{level}",
        emotion=canonical(emotion),
        speaker=actor,
        gender=genders.get(actor, ""),
        intensity=_INTENSITIES.get(level, ""),
        statement=sentence,
    )


def _demographics(path: Path) -> dict[str, str]:
    """Map actor to female or male, from the columns ActorID and Sex."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            genders = {row["ActorID"].strip(): row["Sex"].strip().lower() for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, AttributeError) as error:
        raise CorpusError(
            f"{str(path)!r} can't be read ({error!r}); expected CREMA-D's table with ActorID and Sex. "
            "Without this file the corpus can be read too, but the sex of its actors is unknown"
        ) from error
    return {actor: gender for actor, gender in genders.items() if gender in ("female", "male")}
