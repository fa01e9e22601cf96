"""Extractors by name."""

from collections.abc import Callable

from emotone.errors import ConfigError
from emotone.features.base import Extractor
from emotone.features.encoders import names
from emotone.features.encoders.names import SEQUENCES, EncoderName, is_sequence

__all__ = ["DEFAULT", "EXTRACTORS", "SEQUENCES", "get", "is_sequence"]


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


def _encoder(name: EncoderName) -> Extractor:
    if name.model:
        from emotone.features.encoders.hub import HubEncoder

        return HubEncoder(name)
    from emotone.features.encoders.pretrained import WhisperStates

    return WhisperStates(name)


#: Name -> how to make it.  The two of openSMILE need the extra of that name and can't be part of a graph.  Pretrained
#: encoders have names with a grammar instead, see `emotone.features.encoders.names`.
EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "functionals": _functionals,
    "egemaps": _egemaps,
    "compare": _compare,
    "log-mel": _log_mel,
    "mfcc-frames": _mfcc_frames,
}
DEFAULT = "functionals"


def get(name: str) -> Extractor:
    """Make the extractor of that name.

    Parameters
    ----------
    name
        A key of `EXTRACTORS`, or a name of pretrained encoders such as ``whisper-base@2,3,4``.

    Raises
    ------
    ConfigError
        There is none; the message lists the known ones.
    FeatureError
        The weights of a pretrained encoder can't be loaded.
    MissingExtraError
        It needs a package that is not installed.
    """
    if name in EXTRACTORS:
        return EXTRACTORS[name]()
    if not names.is_encoder(name):
        raise ConfigError(f"unknown extractor {name!r}; known: {', '.join(EXTRACTORS)}, {names.GRAMMAR}")
    parts = [_encoder(part) for part in names.parse(name)]
    from emotone.features.encoders.pretrained import EightBit, Joined

    extractor = parts[0] if len(parts) == 1 else Joined(parts)
    return EightBit(extractor) if name.startswith(names.INT8) else extractor
