"""The worst errors of a run: what was heard, what was answered, a spectrogram and the sound itself."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotone import audio
from emotone.errors import AudioError
from emotone.palette import colour_of
from emotone.report.figures.style import STYLE, canvas, png
from emotone.report.pages.render import embedded
from emotone.runs.folder import RunFolder

FOLDER, TABLE = "errors", "errors.csv"
#: Of the spectrograms: window and hop, samples at 16 kHz (25 and 5 ms), bands between the two frequencies.
_WINDOW, _HOP, _N_BANDS = 400, 80, 96
_FROM_HZ, _TO_HZ = 60.0, 8000.0
_TICKS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
#: Range of the colours, dB under the loudest point of the clip.
RANGE_DB = 70.0
_DPI = 110


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power of a clip in bands that are equally wide on a logarithmic axis from 60 Hz to 8 kHz.

    Parameters
    ----------
    samples
        (n,) at 16 kHz.

    Returns
    -------
    (96, frames) dB under the loudest point, at least -`RANGE_DB`; 5 ms a frame.
    """
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: samples.size : _HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), 1024)) ** 2
    # read off at points: where these lie closer than the transform's own, as at the bottom, it is smooth
    places = np.geomspace(_FROM_HZ, _TO_HZ, _N_BANDS) * 1024 / audio.SAMPLE_RATE
    below = np.floor(places).astype(int).clip(0, power.shape[1] - 2)
    share = places - below
    found = (1 - share) * power[:, below] + share * power[:, below + 1]
    level = 10 * np.log10(np.maximum(found.T, 1e-12))
    return np.asarray(np.maximum(level - level.max(), -RANGE_DB))


def spectrogram_picture(samples: NDArray[np.float32], *, width_s: float) -> Figure:
    """Draw a clip's spectrogram on a time axis of ``width_s`` seconds, so that clips can be compared."""
    level = spectrogram(samples)
    seconds = samples.size / audio.SAMPLE_RATE
    with rc_context(STYLE):
        figure = canvas(width_inch=4.6, height_inch=1.9)
        figure.set_layout_engine("none")  # ten of these are drawn: laid out by hand, they take half the time
        axes = figure.add_axes((0.115, 0.235, 0.87, 0.73))
        look: dict[str, Any] = {"cmap": "magma", "vmin": -RANGE_DB, "vmax": 0.0, "interpolation": "nearest"}
        axes.imshow(level, origin="lower", aspect="auto", extent=(0, seconds, 0, 1), **look)
        axes.set_xlim(0, width_s)
        scale = np.log(_TO_HZ / _FROM_HZ)
        names = [f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz" for hz in _TICKS_HZ]
        axes.set_yticks([float(np.log(hz / _FROM_HZ) / scale) for hz in _TICKS_HZ], names)
        axes.tick_params(length=2, labelsize=7)
        axes.set_xlabel("time, s", fontsize=8, labelpad=1)
        axes.spines[:].set_visible(False)
    return figure


def cards(run: RunFolder) -> list[dict[str, Any]] | None:
    """Prepare what the page shows of each error; None where the run kept none of this.

    Returns
    -------
    One row an error: texts, and ``audio`` and ``picture``, addresses of themselves, empty where the sound is missing.
    """
    table = run.table(f"{FOLDER}/{TABLE}")
    if table is None:
        return None
    rows = table.to_dict("records")
    sounds = [_sound(run, str(row["file"])) for row in rows]
    width_s = max((samples.size for _, samples in sounds if samples is not None), default=1) / audio.SAMPLE_RATE
    return [_card(row, *sound, width_s=width_s) for row, sound in zip(rows, sounds, strict=True)]


def _sound(run: RunFolder, name: str) -> tuple[bytes, NDArray[np.float32] | None]:
    """Read an error's recording: the file's bytes and its samples; nothing where it is missing or damaged."""
    path = run.path / FOLDER / name
    if not name.endswith(".mp3") or "/" in name or not path.is_file():
        return b"", None
    content = path.read_bytes()
    try:
        return content, audio.read(content)
    except AudioError:
        return b"", None


def _card(
    row: Mapping[Any, Any], content: bytes, samples: NDArray[np.float32] | None, *, width_s: float
) -> dict[str, Any]:
    picture = "" if samples is None else embedded(png(spectrogram_picture(samples, width_s=width_s), dpi=_DPI))
    sound = f"data:audio/mpeg;base64,{base64.b64encode(content).decode('ascii')}" if content else ""
    known = [_text(row.get(name)) for name in ("speaker", "gender", "intensity")]
    statement = _text(row.get("statement"))
    return {
        "rank": int(row["rank"]),
        "labelled": str(row["labelled"]),
        "predicted": str(row["predicted"]),
        "colours": [colour_of(str(row[name])) for name in ("labelled", "predicted")],
        "confidence": float(row["confidence"]),
        "labelled_score": float(row["labelled_score"]),
        "facts": ", ".join(_with_intensity(known) + ([f"statement {statement}"] if statement else [])),
        "clip": _text(row.get("path")).replace("\\", "/").rsplit("/", 1)[-1],
        "fold": int(row["fold"]),
        "audio": sound,
        "picture": picture,
    }


def _with_intensity(known: Sequence[str]) -> list[str]:
    speaker, gender, intensity = known
    return [one for one in (speaker, gender, f"{intensity} intensity" if intensity else "") if one]


def _text(value: Any) -> str:
    """Write a cell of a table; an empty one is read as NaN."""
    return "" if value is None or pd.isna(value) else str(value)
