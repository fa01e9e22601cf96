"""nEMO: 90 Polish sentences, 6 emotions, nine actors (Christop, LREC-COLING 2024)."""

import csv
from pathlib import Path, PurePosixPath

from emotone.corpora.info import CorpusInfo
from emotone.corpora.readers._scan import Clip, files, is_audio, read_tree
from emotone.corpora.table import Corpus, Rejected
from emotone.emotions import canonical
from emotone.errors import CorpusError

_EXPECTED = "data.tsv, and the recordings it lists in samples/"
_COLUMNS = ("file_id", "emotion", "normalized_text", "speaker_id", "gender")


def read(info: CorpusInfo, root: Path) -> Corpus:
    """Read the labels in ``data.tsv`` and the recordings.

    A recording that it does not list, and a row without its recording, is rejected.  The suffix may differ, since
    copies of the corpus are often compressed.
    """
    paths = files(root)
    table = next((path for path in paths if path.name.lower() == "data.tsv"), None)
    if table is None:
        raise CorpusError(f"there is no data.tsv, which holds nEMO's labels; expected {_EXPECTED}")
    clips = _labels(root / table)

    def parse(path: PurePosixPath) -> Clip:
        if path.stem not in clips:
            raise CorpusError(f"{table} does not list {path.stem!r}")
        return clips[path.stem]

    corpus = read_tree(root, name=info.name, language=info.language, parse=parse, paths=paths)
    stems = {path.stem for path in paths if is_audio(path)}
    absent = [
        Rejected(stem, f"{table} lists it, but there is no such recording") for stem in clips if stem not in stems
    ]
    return Corpus(corpus.table, corpus.name, sorted((*corpus.rejected, *absent), key=lambda item: item.path))


def _labels(path: Path) -> dict[str, Clip]:
    """Map file names without suffix to clips; published values of ``speaker_id`` start with a space."""
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


INFO = CorpusInfo(
    name="nemo",
    title="nEMO, a dataset of emotional speech in Polish",
    language="pl",
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/amu-cai/nEMO",
    commercial_use=False,
    reader=read,
    expected=_EXPECTED,
)
