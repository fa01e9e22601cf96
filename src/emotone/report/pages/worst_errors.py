"""The worst errors of a run: label, prediction, spectrogram and recording of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import audio
from emotone.errors import AudioError
from emotone.palette import colour_of
from emotone.report.figures.spectrogram import spectrogram_picture
from emotone.report.figures.style import png
from emotone.report.pages.render import embedded
from emotone.runs.folder import RunFolder
from emotone.runs.layout import ERRORS, ERRORS_TABLE

_DPI = 110


def cards(run: RunFolder) -> list[dict[str, Any]] | None:
    """Return what the page shows of each error; None if the run kept no errors.

    Returns
    -------
    One dictionary per error: texts, and ``audio`` and ``picture``, data URLs, empty if the recording is missing.
    """
    table = run.table(f"{ERRORS}/{ERRORS_TABLE}")
    if table is None:
        return None
    rows = table.to_dict("records")
    sounds = [_sound(run, str(row["file"])) for row in rows]
    width_s = max((samples.size for _, samples in sounds if samples is not None), default=1) / audio.SAMPLE_RATE
    return [_card(row, *sound, emotions=run.emotions, width_s=width_s) for row, sound in zip(rows, sounds, strict=True)]


def _sound(run: RunFolder, name: str) -> tuple[bytes, NDArray[np.float32] | None]:
    """Return the bytes and the samples of a recording; empty if it is missing or damaged."""
    path = run.path / ERRORS / name
    if not name.endswith(".mp3") or "/" in name or not path.is_file():
        return b"", None
    content = path.read_bytes()
    try:
        return content, audio.read(content)
    except AudioError:
        return b"", None


def _card(
    row: Mapping[Any, Any],
    content: bytes,
    samples: NDArray[np.float32] | None,
    *,
    emotions: Sequence[str],
    width_s: float,
) -> dict[str, Any]:
    speaker, gender, intensity, statement = (
        _text(row.get(name)) for name in ("speaker", "gender", "intensity", "statement")
    )
    facts = (speaker, gender, intensity and f"{intensity} intensity", statement and f"statement {statement}")
    return {
        "rank": int(row["rank"]),
        "labelled": str(row["labelled"]),
        "predicted": str(row["predicted"]),
        "colours": [colour_of(str(row[name]), emotions) for name in ("labelled", "predicted")],
        "confidence": float(row["confidence"]),
        "labelled_score": float(row["labelled_score"]),
        "facts": ", ".join(fact for fact in facts if fact),
        "clip": _text(row.get("path")).replace("\\", "/").rsplit("/", 1)[-1],
        "fold": int(row["fold"]),
        "audio": embedded(content, "audio/mpeg") if content else "",
        "picture": "" if samples is None else embedded(png(spectrogram_picture(samples, width_s=width_s), dpi=_DPI)),
    }


def _text(value: Any) -> str:
    """Return a cell of a table as text; an empty cell is NaN."""
    return "" if value is None or pd.isna(value) else str(value)
