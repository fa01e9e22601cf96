"""How features are called in pictures: their units, and names short enough for an axis."""

import re
from collections.abc import Iterable

from emotone.emotions import EMOTIONS

__all__ = ["in_order", "short", "short_speakers", "unit_of"]

_UNITS = {  # of the descriptors of the extractor "functionals"
    "pitch": "semitones over 100 Hz",
    "level": "dB",
    "centroid": "kHz",
    "bandwidth": "kHz",
    "rolloff": "kHz",
    "zcr": "share of samples",
    "aperiodicity": "0 to 1",
    "level-low": "dB",
    "level-mid": "dB",
    "level-high": "dB",
    "level-top": "dB",
    "logmel": "dB",
    "mel": "dB",
    "contrast": "dB",
    "band": "dB",
    "chroma": "0 to 1",
    "mfcc": "dB (cepstrum)",
}
_WHOLE = {
    "rhythm_voiced-share": "share of frames",
    "rhythm_active-share": "share of frames",
    "rhythm_voiced-runs": "1/s",
    "rhythm_voiced-run-s": "s",
    "rhythm_active-runs": "1/s",
    "rhythm_log-length": "log of s",
    "pitch_slope-voiced": "semitones a clip",
    "pitch_step-voiced": "semitones a frame",
}
_NAME = re.compile(
    r"(?P<descriptor>[a-z]+(?:-(?:low|mid|high|top))?)\d*(?P<derived>-delta2?)?"
    r"_(?P<statistic>mean|std|q\d\d|min|max|power|range\d\d|cos\d|mod\d)(?:-voiced|-unvoiced)?"
)


def unit_of(name: str) -> str:
    """Tell the unit of a feature of the extractor ``functionals`` by its name; "" of any other.

    Examples
    --------
    >>> unit_of("pitch_q95-voiced"), unit_of("level-delta_std"), unit_of("band10_mod2"), unit_of("F0_amean")
    ('semitones over 100 Hz', 'dB a frame', 'log of dB²', '')
    """
    if name in _WHOLE:
        return _WHOLE[name]
    parts = _NAME.fullmatch(name)
    unit = _UNITS.get(parts["descriptor"], "") if parts else ""
    if not parts or not unit:
        return ""
    semitones = parts["descriptor"] == "pitch" and (parts["derived"] or parts["statistic"][:3] in ("std", "ran", "cos"))
    unit = "semitones" if semitones else unit
    if parts["statistic"].startswith("mod"):
        return f"log of {'semitones' if parts['descriptor'] == 'pitch' else unit}²"
    return unit + {None: "", "-delta": " a frame", "-delta2": " a frame²"}[parts["derived"]]


def short(name: str, *, length: int = 30) -> str:
    """Cut the middle out of a long name, so that an axis stays readable.

    Examples
    --------
    >>> short("F0semitoneFrom27.5Hz_sma3nz_percentile20.0", length=20)
    'F0semitone…ile20.0'
    """
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[len(name) - length // 2 + 3 :]}"


def in_order(emotions: Iterable[str]) -> list[str]:
    """Distinct emotions in the order of every table; a label that is no known emotion comes after them, by name.

    Examples
    --------
    >>> in_order(["tense", "sad", "happy", "sad"])
    ['happy', 'sad', 'tense']
    """
    found = set(emotions)
    return [name for name in EMOTIONS if name in found] + sorted(found - set(EMOTIONS))


def short_speakers(names: Iterable[str]) -> list[str]:
    """Speakers without the beginning that all share, up to its last hyphen.

    Examples
    --------
    >>> short_speakers(["ravdess-01", "ravdess-02"]), short_speakers(["anna", "ben"])
    (['01', '02'], ['anna', 'ben'])
    """
    listed = list(names)
    starts = {name.rpartition("-")[0] for name in listed}
    if len(starts) != 1 or not next(iter(starts)):
        return listed
    return [name.rpartition("-")[2] for name in listed]
