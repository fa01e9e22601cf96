"""nEMO, emotional speech in Polish."""

import csv
from pathlib import Path, PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, files, is_audio, read_tree
from emotone.corpora.rejected import Rejected
from emotone.corpora.table import Corpus
from emotone.emotions import canonical
from emotone.errors import CorpusError

INFO = CorpusInfo(
    name="nemo",
    title="nEMO, a dataset of emotional speech in Polish",
    language="pl",
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/amu-cai/nEMO",
    citation="Christop, LREC-COLING 2024",
    emotions=("neutral", "happy", "sad", "angry", "fearful", "surprised"),
    n_clips=4481,
    n_speakers=9,
    layout="data.tsv, and the recordings it lists in samples/",
)
_COLUMNS = ("file_id", "emotion", "normalized_text", "speaker_id", "gender")


def read(root: Path) -> Corpus:
    """Read nEMO: 90 sentences, 6 emotions, nine actors.

    Labels come from ``data.tsv``.  A recording that it does not list, and a row without its recording, is rejected.
    The suffix may differ, since copies of the corpus are often compressed.
    """
    paths = files(root)
    table = next((path for path in paths if path.name.lower() == "data.tsv"), None)
    if table is None:
        raise CorpusError(f"there is no data.tsv, which holds nEMO's labels; expected {INFO.layout}")
    clips = _read_table(root / table)

    def parse(path: PurePosixPath) -> Clip:
        if path.stem not in clips:
            raise CorpusError(f"{table} does not list {path.stem!r}")
        return clips[path.stem]

    corpus = read_tree(root, name=INFO.name, language=INFO.language, parse=parse, paths=paths)
    absent = clips.keys() - {path.stem for path in paths if is_audio(path)}
    rejected = [
        Rejected(stem, f"{table} lists it, but there is no such recording", "whose file is missing") for stem in absent
    ]
    return Corpus(corpus.table, corpus.name, sorted((*corpus.rejected, *rejected), key=lambda item: item.path))


def _read_table(path: Path) -> dict[str, Clip]:
    """Map file names without suffix to clips; strip ``speaker_id``, since the published ones have leading spaces."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{str(path)!r} can't be read: {error}; download it again") from error
    clips = {}
    for number, row in enumerate(rows, start=2):
        if missing := [column for column in _COLUMNS if not row.get(column)]:
            raise CorpusError(f"line {number} of {str(path)!r} has no {missing[0]}; expected tab-separated {_COLUMNS}")
        stem = PurePosixPath(row["file_id"].strip()).stem
        clips[stem] = Clip(
            key=stem,
            emotion=canonical(row["emotion"]),
            speaker=row["speaker_id"].strip(),
            gender=row["gender"].strip().lower(),
            statement=row["normalized_text"].strip(),
        )
    return clips
