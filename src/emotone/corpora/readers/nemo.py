"""nEMO."""

import csv
from pathlib import Path, PurePosixPath

from emotone.corpora.readers._scan import Clip, files, is_audio, read_tree
from emotone.corpora.table import Corpus, Rejected
from emotone.emotions import canonical
from emotone.errors import CorpusError

NEMO_EXPECTED = "data.tsv, and the recordings it lists in samples/"
_NEMO_COLUMNS = ("file_id", "emotion", "normalized_text", "speaker_id", "gender")


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
