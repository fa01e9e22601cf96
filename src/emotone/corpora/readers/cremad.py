"""CREMA-D."""

import csv
import re
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, read_tree
from emotone.corpora.table import Corpus
from emotone.emotions import canonical
from emotone.errors import CorpusError

CREMAD_EXPECTED = "files named ACTOR_SENTENCE_EMOTION_LEVEL, such as AudioWAV/1001_DFA_ANG_XX.wav"
# "1040_ITH_SAD_X" is the one published file whose level is cut short.
_CREMAD = re.compile(r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)", re.IGNORECASE)
_CREMAD_ACTORS = range(1001, 1092)
# LO is below what other corpora call normal; XX says that no level was asked for.
_CREMAD_INTENSITIES = {"LO": "", "MD": "normal", "HI": "strong", "XX": "", "X": ""}


def read_cremad(root: Path) -> Corpus:
    """Read CREMA-D: 12 sentences, 6 emotions, 91 actors (Cao et al., IEEE Trans. Affective Computing 5(4), 2014).

    The actors' sex is taken from ``VideoDemographics.csv`` where that lies in the folder, and is else not known.
    """
    paths = files(root)
    table = next((path for path in paths if path.name.lower() == "videodemographics.csv"), None)
    genders = {} if table is None else _demographics(root / table)
    return read_tree(
        root, name="cremad", language="en", parse=lambda path: parse_cremad(path, genders=genders), paths=paths
    )


def parse_cremad(path: PurePosixPath, *, genders: dict[str, str] | None = None) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse_cremad(PurePosixPath("AudioWAV/1001_IEO_ANG_HI.wav"), genders={"1001": "male"})
    >>> clip.emotion, clip.speaker, clip.gender, clip.intensity, clip.statement
    ('angry', '1001', 'male', 'strong', 'ieo')
    """
    match = _CREMAD.fullmatch(path.stem)
    if match is None or int(match[1]) not in _CREMAD_ACTORS:
        raise CorpusError(f"the name is not of the form 1001_DFA_ANG_XX (actors 1001 to 1091): {path.name!r}")
    actor, sentence, emotion, level = match.groups()
    return Clip(
        key=f"{actor}_{sentence}_{emotion}_{level}".upper(),
        emotion=canonical(emotion),
        speaker=actor,
        gender=(genders or {}).get(actor, ""),
        intensity=_CREMAD_INTENSITIES[level.upper()],
        statement=sentence.lower(),
    )


def _demographics(path: Path) -> dict[str, str]:
    """Map actor to female or male, from the columns ActorID and Sex."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        genders = {row["ActorID"].strip(): row["Sex"].strip().lower() for row in rows}
    except (OSError, UnicodeDecodeError, KeyError, AttributeError) as error:
        raise CorpusError(
            f"{str(path)!r} can't be read ({error!r}); expected CREMA-D's table with ActorID and Sex. "
            "Without the file the corpus is read too, the sex of its actors unknown"
        ) from error
    return {actor: gender for actor, gender in genders.items() if gender in ("female", "male")}
