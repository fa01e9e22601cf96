"""Extractors by name."""

from collections.abc import Callable

from emotone.errors import ConfigError
from emotone.features.base import Extractor


def _functionals() -> Extractor:
    from emotone.features.functionals import Functionals

    return Functionals()


def _egemaps() -> Extractor:
    from emotone.features.opensmile import OpenSmile

    return OpenSmile("eGeMAPSv02")


def _compare() -> Extractor:
    from emotone.features.opensmile import OpenSmile

    return OpenSmile("ComParE_2016")


def _log_mel() -> Extractor:
    from emotone.features.frames import LogMel

    return LogMel()


def _mfcc_frames() -> Extractor:
    from emotone.features.frames import MfccFrames

    return MfccFrames()


#: Name -> how to make it.  The two of openSMILE need the extra of that name and can't be part of a graph.
EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "functionals": _functionals,
    "egemaps": _egemaps,
    "compare": _compare,
    "log-mel": _log_mel,
    "mfcc-frames": _mfcc_frames,
}
#: Those that give frames: what networks learn from, and nothing else can.
SEQUENCES = frozenset({"log-mel", "mfcc-frames"})
DEFAULT = "functionals"


def get(name: str) -> Extractor:
    """Make the extractor of that name.

    Raises
    ------
    ConfigError
        There is none; the message lists the known ones.
    MissingExtraError
        It needs a package that is not installed.
    """
    if name not in EXTRACTORS:
        raise ConfigError(f"unknown extractor {name!r}; known: {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name]()
