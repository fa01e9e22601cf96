"""Write a corpus as a database of audformat.

Format: https://audeering.github.io/audformat.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotone.corpora import registry
from emotone.corpora.readers.audformat_database import HEADER
from emotone.corpora.table import Corpus
from emotone.corpora.writers._places import COPIES, check_folder, copy_all, copy_places, places_in, written_whole
from emotone.errors import CorpusError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_TABLE = "emotion"
_COLUMNS = ("emotion", "speaker", "gender", "intensity", "statement", "channel", "corpus", "language", "audio_channel")
#: Columns whose scheme lists all values.
_LISTED = ("emotion", "speaker", "gender", "channel", "corpus")


def write_audformat(corpus: Corpus, folder: str | Path, *, copy: bool = False) -> Path:
    """Write a corpus as a database of audformat, and return the path of its header, ``db.yaml``.

    Parameters
    ----------
    corpus
        It becomes the table ``emotion``, with a scheme per column; columns in which nothing is known are left out.
        The table is segmented if a clip is a segment of its recording.
    folder
        Recordings in it have relative paths, others absolute ones; a database without absolute paths can be moved.
    copy
        Copy the recordings to ``FOLDER/audio``; the folder should be new.

    Raises
    ------
    CorpusError
        The folder has a database already or can't be written to, a recording can't be copied, or two clips are
        channels of the same sound.  Then nothing is written.
    MissingExtraError
        audformat is not installed.
    """
    try:
        import audformat
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing an audformat database", extra="audformat") from error
    folder = Path(folder)
    tables = [f"db.{_TABLE}.{suffix}" for suffix in ("parquet", "csv", "pkl")]
    check_folder(folder, names=(HEADER, *tables, *((COPIES,) if copy else ())))
    places = copy_places(corpus) if copy else places_in(corpus, folder)
    table = corpus.table
    _check_channels(table)
    database = audformat.Database(corpus.name, languages=_languages(table), **_terms(table))
    written = database[_TABLE] = audformat.Table(_index(table, places))
    for column in _COLUMNS:
        values = table[column].where(table[column] != "", None)
        if values.notna().any():
            listed = sorted(values.dropna().unique()) if column in _LISTED else None
            database.schemes[column] = audformat.Scheme("str", labels=listed)
            written[column] = audformat.Column(scheme_id=column)
            written[column].set(values.tolist())
    with written_whole(folder, order=(HEADER,)) as aside:
        # in CSV, audformat takes a name such as NA for a missing one, and a carriage return for the end of a line
        database.save(str(aside), storage_format="parquet")
        if copy:
            copy_all(places, aside)
    return folder / HEADER


def _check_channels(table: "pd.DataFrame") -> None:
    """Refuse two channels of the same sound, which an index of audformat can't distinguish."""
    twice = table["path"][table.duplicated(["path", "start_s", "end_s"])]
    if len(twice):
        raise CorpusError(
            f"{len(twice)} clips are further channels of a recording, such as {twice.iloc[0]!r}, and an audformat "
            "database has no channels; write each channel to a file, or use write_audiofolder"
        )


def _index(table: "pd.DataFrame", places: dict[str, str]) -> Any:
    """Return the files, or the segments if a clip is not a whole file."""
    import audformat

    names = [places.get(path, path) for path in table["path"]]
    if not table["start_s"].any() and table["end_s"].isna().all():
        return audformat.filewise_index(names)
    return audformat.segmented_index(names, table["start_s"].tolist(), table["end_s"].tolist())


def _languages(table: "pd.DataFrame") -> list[str]:
    """Return the languages that audformat knows."""
    import audformat

    known = []
    for language in sorted(set(table["language"]) - {""}):
        try:
            known.append(audformat.utils.map_language(language))
        except ValueError:
            continue
    return known


def _terms(table: "pd.DataFrame") -> dict[str, str]:
    """Return source, licence and permitted use, from what Emotone knows of the corpora."""
    infos = [registry.CORPORA.get(name) for name in sorted(set(table["corpus"]))]
    known = [info for info in infos if info is not None]
    if len(known) < len(infos):
        return {"usage": "other"}
    return {
        "usage": "commercial" if all(info.commercial_use for info in known) else "research",
        "source": ", ".join(info.url for info in known),
        "license": ", ".join(dict.fromkeys(info.licence for info in known)),
    }
