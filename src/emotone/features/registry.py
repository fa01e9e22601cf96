"""Extractors by name; the library that an extractor needs is imported when the extractor is made.

To add an extractor: write its class on `emotone.features.base.Extractor`, and add its name to `EXTRACTORS`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from emotone.errors import ConfigError
from emotone.features.encoders import names
from emotone.features.encoders.names import SEQUENCES, EncoderName, is_sequence

if TYPE_CHECKING:
    from emotone.features.base import Extractor

__all__ = ["DEFAULT", "EXTRACTORS", "SEQUENCES", "get", "is_sequence"]


def _maker(module: str, kind: str, *settings: object) -> Callable[[], "Extractor"]:
    """Return a function that imports a module of this package and makes its extractor.

    The module is imported by its name, so that this registry itself depends on no training library.
    """

    def make() -> "Extractor":
        extractor: Extractor = getattr(import_module(f"emotone.features.{module}"), kind)(*settings)
        return extractor

    return make


#: Name -> function that makes the extractor.  Those of openSMILE need the extra ``opensmile`` and can't become a graph.
#: Names of pretrained encoders follow a grammar, see `emotone.features.encoders.names`.
EXTRACTORS: dict[str, Callable[[], "Extractor"]] = {
    "functionals": _maker("functionals", "Functionals"),
    "egemaps": _maker("opensmile", "OpenSmile", "eGeMAPSv02"),
    "compare": _maker("opensmile", "OpenSmile", "ComParE_2016"),
    "log-mel": _maker("frames", "LogMel"),
    "mfcc-frames": _maker("frames", "MfccFrames"),
}
DEFAULT = "functionals"


def get(name: str) -> "Extractor":
    """Make the extractor of that name.

    Parameters
    ----------
    name
        A key of `EXTRACTORS`, or a name of pretrained encoders such as ``whisper-base@2,3,4``.

    Raises
    ------
    ConfigError
        The name is unknown; the message lists the known names.
    FeatureError
        The weights of a pretrained encoder can't be loaded.
    MissingExtraError
        The extractor needs a package that is not installed.
    """
    if name in EXTRACTORS:
        return EXTRACTORS[name]()
    if not names.is_encoder(name):
        raise ConfigError(f"unknown extractor {name!r}; known: {', '.join(EXTRACTORS)}, {names.GRAMMAR}")
    parts = [_encoder(part)() for part in names.parse(name)]
    extractor = parts[0] if len(parts) == 1 else _maker("encoders.pretrained", "Joined", parts)()
    return _maker("encoders.pretrained", "EightBit", extractor)() if name.startswith(names.INT8) else extractor


def _encoder(name: EncoderName) -> Callable[[], "Extractor"]:
    module, kind = ("encoders.hub", "HubEncoder") if name.model else ("encoders.pretrained", "WhisperStates")
    return _maker(module, kind, name)
