"""Write a corpus as a folder that the AudioFolder of Hugging Face's `datasets` reads.

Format: https://huggingface.co/docs/datasets/audio_dataset.  The library itself is not needed.
"""

import csv
import os
from pathlib import Path

from emotone.corpora.readers.audiofolder import FILE, METADATA
from emotone.corpora.table import Corpus
from emotone.corpora.writers._places import COPIES, check_folder, copy_all, copy_places, places_in, written_whole
from emotone.errors import CorpusError

_LIST, _CARD = "metadata.csv", "README.md"
#: Column of the list -> column of a corpus.
_COLUMNS = {
    "label": "emotion",
    "speaker": "speaker",
    "start": "start_s",
    "end": "end_s",
    "gender": "gender",
    "intensity": "intensity",
    "statement": "statement",
    "channel": "channel",
    "corpus": "corpus",
    "language": "language",
    "audio_channel": "audio_channel",
}
#: Without it, `datasets` makes splits of files and folders whose names hold words such as "test", and drops the others.
_ONE_SPLIT = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: "**"
---
"""


def write_audiofolder(corpus: Corpus, folder: str | Path, *, copy: bool = False) -> Path:
    """Write ``metadata.csv`` with a row per clip, for ``datasets.load_dataset(FOLDER)``, and return its path.

    Parameters
    ----------
    corpus
        Its columns become those of the list, without columns in which nothing is known; the emotion is ``label``.
        A segment of a recording has ``start`` and ``end`` in seconds, and its audio in `datasets` is the recording.
    folder
        It holds the recordings, since the format has no paths to other folders; or is a new folder, with ``copy``.
        If it has no ``README.md``, that is written too: it says that all files are a single split.
    copy
        Copy the recordings to ``FOLDER/audio``.

    Raises
    ------
    CorpusError
        The folder has a list already or can't be written to, or a recording is not in the folder or can't be copied.
        Then nothing is written.
    """
    folder = Path(folder)
    check_folder(folder, names=(*METADATA, *((COPIES,) if copy else ())))
    places = copy_places(corpus) if copy else places_in(corpus, folder)
    if elsewhere := sorted(set(corpus.table["path"]) - places.keys()):
        raise CorpusError(
            f"{len(elsewhere)} recordings are not in {str(folder)!r}, such as {elsewhere[0]!r}, and an AudioFolder has "
            "no paths to other folders; name a folder that holds all of them, or copy them with copy=True"
        )
    table = corpus.table
    if not table["start_s"].any() and table["end_s"].isna().all():  # whole recordings
        table["start_s"] = ""
    table["end_s"] = table["end_s"].astype(object).where(table["end_s"].notna(), "")
    named = {name: column for name, column in _COLUMNS.items() if (table[column] != "").any()}
    rows = table[["path", *named.values()]].itertuples(index=False, name=None)
    with written_whole(folder, order=(_LIST,)) as aside:
        with (aside / _LIST).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([(FILE, *named), *((places[path], *cells) for path, *cells in rows)])
        if not os.path.lexists(folder / _CARD):
            (aside / _CARD).write_text(_ONE_SPLIT, encoding="utf-8")
        if copy:
            copy_all(places, aside)
    return folder / _LIST
