"""Read what a user's own labels mean, from texts and files of the command line."""

from collections.abc import Sequence
from pathlib import Path

from emotone.corpora.readers._table_file import read_table_file
from emotone.errors import CorpusError

_EXPECTED = "expected EMOTION=WORD,WORD such as happy=gioia,felice, or a table with the columns label and emotion"


def parse_labels(texts: Sequence[str]) -> dict[str, str]:
    """Return word -> emotion from texts ``EMOTION=WORD,WORD`` (several with ``;``) and paths of tables.

    A table has the columns ``label`` (the word) and ``emotion``; see
    `emotone.corpora.readers.manifest.read_manifest` for its formats.

    Raises
    ------
    CorpusError
        A text has another form, a table can't be read, or a word has two meanings.

    Examples
    --------
    >>> parse_labels(["happy=gioia,felice;sad=triste", "angry=rabbia"])
    {'gioia': 'happy', 'felice': 'happy', 'triste': 'sad', 'rabbia': 'angry'}
    """
    labels: dict[str, str] = {}
    for text in texts:
        is_table = Path(text).expanduser().is_file() or "=" not in text
        for word, emotion in _table(Path(text).expanduser()) if is_table else _pairs(text):
            if labels.setdefault(word, emotion) != emotion:
                raise CorpusError(f"labels give {word!r} two meanings, {labels[word]} and {emotion}; keep one")
    return labels


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        emotion, sign, listed = part.partition("=")
        words = [word.strip() for word in listed.split(",") if word.strip()]
        if not emotion.strip() or not sign or not words:
            raise CorpusError(f"labels are {text!r}, and {part!r} is no mapping; {_EXPECTED}")
        pairs += [(word, emotion.strip()) for word in words]
    return pairs


def _table(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        raise CorpusError(f"labels are {str(path)!r}, which is neither a mapping nor a file; {_EXPECTED}")
    table = read_table_file(path)
    header = [name.lower() for name in table.header]
    if missing := [name for name in ("label", "emotion") if header.count(name) != 1]:
        raise CorpusError(f"{str(path)!r} has no single column {missing[0]!r}, but {', '.join(header)}; {_EXPECTED}")
    pairs = []
    for line, cells in table.rows:
        row = dict(zip(header, cells, strict=False))
        if not row.get("label") or not row.get("emotion"):
            raise CorpusError(f"line {line} of {str(path)!r} lacks a label or its emotion; {_EXPECTED}")
        pairs.append((row["label"], row["emotion"]))
    return pairs
