"""Acted corpora in German, Italian and Polish: EMO-DB, EMOVO and nEMO."""

import csv
import re
from pathlib import Path, PurePosixPath

from emotone.corpora.scan import Clip, files, is_audio, read_tree
from emotone.corpora.table import Corpus, Rejected
from emotone.emotions import canonical
from emotone.errors import CorpusError

EMODB_EXPECTED = "files named SSTTTEV, such as wav/03a01Wa.wav"
EMOVO_EXPECTED = "files named EMOTION-SPEAKER-SENTENCE, such as f1/dis-f1-b1.wav"
NEMO_EXPECTED = "data.tsv, and the recordings it lists in samples/"

_EMODB = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z]?)", re.IGNORECASE)
_EMODB_EMOTIONS = {
    "W": "angry",  # Wut, Aerger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
_EMODB_GENDERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
_EMOVO = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm][123])-([bdln]\d)", re.IGNORECASE)
_EMOVO_EMOTIONS = {
    "dis": "disgust",
    "gio": "happy",  # gioia
    "neu": "neutral",
    "pau": "fearful",  # paura
    "rab": "angry",  # rabbia
    "sor": "surprised",  # sorpresa
    "tri": "sad",  # tristezza
}
_NEMO_COLUMNS = ("file_id", "emotion", "normalized_text", "speaker_id", "gender")


def read_emodb(root: Path) -> Corpus:
    """Read EMO-DB: 10 sentences, 7 emotions, ten actors (Burkhardt et al., Interspeech 2005)."""
    return read_tree(root, name="emodb", language="de", parse=parse_emodb, paths=files(root))


def parse_emodb(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the text's code.

    Examples
    --------
    >>> clip = parse_emodb(PurePosixPath("wav/08b10La.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('boredom', '08', 'female', 'b10')
    """
    match = _EMODB.fullmatch(path.stem)
    if match is None or match[1] not in _EMODB_GENDERS:
        raise CorpusError(
            f"the name is not of the form SSTTTEV (speakers {', '.join(_EMODB_GENDERS)}; emotions "
            f"{', '.join(_EMODB_EMOTIONS)}): {path.name!r}"
        )
    speaker, text, emotion, _ = match.groups()
    return Clip(
        key=path.stem.lower(),
        emotion=_EMODB_EMOTIONS[emotion.upper()],
        speaker=speaker,
        gender=_EMODB_GENDERS[speaker],
        statement=text.lower(),
    )


def read_emovo(root: Path) -> Corpus:
    """Read EMOVO: 14 sentences, 7 emotions, six actors (Costantini et al., LREC 2014)."""
    return read_tree(root, name="emovo", language="it", parse=parse_emovo, paths=files(root))


def parse_emovo(path: PurePosixPath) -> Clip:
    """Read a file name; the statement is the sentence's code.

    Examples
    --------
    >>> clip = parse_emovo(PurePosixPath("m2/rab-m2-n4.wav"))
    >>> clip.emotion, clip.speaker, clip.gender, clip.statement
    ('angry', 'm2', 'male', 'n4')
    """
    match = _EMOVO.fullmatch(path.stem)
    if match is None:
        raise CorpusError(f"the name is not of the form dis-f1-b1: {path.name!r}")
    emotion, speaker, sentence = (part.lower() for part in match.groups())
    gender = "female" if speaker.startswith("f") else "male"
    key = f"{emotion}-{speaker}-{sentence}"
    return Clip(key=key, emotion=_EMOVO_EMOTIONS[emotion], speaker=speaker, gender=gender, statement=sentence)


def read_nemo(root: Path) -> Corpus:
    """Read nEMO: 90 sentences, 6 emotions, nine actors (Christop, LREC-COLING 2024).

    Labels come from ``data.tsv``.  A recording that it does not list, and a row without its recording, is rejected;
    the suffix may differ, since copies of the corpus are often compressed.
    """
    paths = files(root)
    table = next((path for path in paths if path.name.lower() == "data.tsv"), None)
    if table is None:
        raise CorpusError(f"there is no data.tsv, which holds nEMO's labels; expected {NEMO_EXPECTED}")
    clips = _nemo_table(root / table)

    def parse(path: PurePosixPath) -> Clip:
        if path.stem not in clips:
            raise CorpusError(f"{table} does not list {path.stem!r}")
        return clips[path.stem]

    corpus = read_tree(root, name="nemo", language="pl", parse=parse, paths=paths)
    there = {path.stem for path in paths if is_audio(path)}
    absent = [
        Rejected(stem, f"{table} lists it, but there is no such recording") for stem in clips if stem not in there
    ]
    return Corpus(corpus.table, corpus.name, sorted((*corpus.rejected, *absent), key=lambda one: one.path))


def _nemo_table(path: Path) -> dict[str, Clip]:
    """Map file names without suffix to clips; ``speaker_id`` is stripped, the published ones having leading spaces."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{str(path)!r} can't be read: {error}; download it again") from error
    clips = {}
    for number, row in enumerate(rows, start=2):
        if missing := [column for column in _NEMO_COLUMNS if not row.get(column)]:
            raise CorpusError(
                f"line {number} of {str(path)!r} has no {missing[0]}; expected tab-separated {_NEMO_COLUMNS}"
            )
        stem = PurePosixPath(row["file_id"].strip()).stem
        clips[stem] = Clip(
            key=stem,
            emotion=canonical(row["emotion"]),
            speaker=row["speaker_id"].strip(),
            gender=row["gender"].strip().lower(),
            statement=row["normalized_text"].strip(),
        )
    return clips
