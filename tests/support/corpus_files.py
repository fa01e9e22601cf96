"""Corpora without sound: a table of clips, and files named as published."""

from pathlib import Path

import pandas as pd

from emotone.corpora import Corpus, load

EMOTIONS = ("happy", "neutral", "sad", "happy", "angry")


def table(n: int = 5, **columns: object) -> pd.DataFrame:
    """Make a table of n clips by two speakers; ``columns`` replace whole columns."""
    cells: dict[str, object] = {
        "path": [f"/data/{row}.wav" for row in range(n)],
        "start_s": 0.0,
        "end_s": float("nan"),
        "emotion": [EMOTIONS[row % 5] for row in range(n)],
        "speaker": [f"mini-{row % 2}" for row in range(n)],
        "gender": [("female", "male")[row % 2] for row in range(n)],
        "intensity": "",
        "statement": "kids",
        "channel": ["speech"] * (n - 1) + ["song"],
        "corpus": "mini",
        "language": "en",
    }
    return pd.DataFrame(cells | columns)


def plant(folder: Path, *paths: str, content: bytes = b"RIFF") -> Path:
    """Write files below the corpus folder ``folder``; return its parent, the data folder."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder.parent


def rows(corpus: Corpus, *columns: str) -> list[tuple[object, ...]]:
    """Return columns of the table as tuples."""
    return list(corpus.table[list(columns)].itertuples(index=False, name=None))


def names(corpus: Corpus) -> list[str]:
    """Return the file names."""
    return [Path(path).name for path in corpus.table["path"]]


def check_decoded(data: Path, name: str, path: str, expected: tuple[str, ...]) -> None:
    """Check emotion, speaker, gender, intensity and statement that the reader takes from a path."""
    corpus = load(name, plant(data / name, path))
    assert rows(corpus, "emotion", "speaker", "gender", "intensity", "statement") == [expected]
    assert rows(corpus, "path", "start_s", "channel", "corpus") == [(str(data / name / path), 0.0, "speech", name)]
    assert corpus.table["end_s"].isna().all()


def check_rejected(data: Path, name: str, good: str, bad: str, reason: str) -> None:
    """Check that the reader keeps ``good`` and rejects ``bad`` with a reason."""
    corpus = load(name, plant(data / name, good, bad))
    assert names(corpus) == [good]
    assert [rejected.path for rejected in corpus.rejected] == [bad]
    assert reason in corpus.rejected[0].reason


def counts(corpus: Corpus) -> dict[str, int]:
    """Count the clips of each emotion."""
    return corpus.table["emotion"].value_counts().to_dict()
