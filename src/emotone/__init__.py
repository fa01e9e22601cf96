"""Which emotion a voice carries, and how far that answer can be trusted.

>>> import emotone
>>> emotone.Recognizer  # loaded when it is first asked for
<class 'emotone.recognition.recognizer.Recognizer'>
"""

from typing import TYPE_CHECKING, Any

from emotone._version import __version__

if TYPE_CHECKING:
    from emotone.errors import EmotoneError as EmotoneError
    from emotone.recognition.prediction import Prediction as Prediction
    from emotone.recognition.profile import SpeakerProfile as SpeakerProfile
    from emotone.recognition.recognizer import Recognizer as Recognizer

#: Public name -> the module that defines it.  They are imported when they are first asked for: `import emotone` and
#: `emotone --help` load neither onnxruntime nor pandas.
_MODULES = {
    "EmotoneError": "emotone.errors",
    "Prediction": "emotone.recognition.prediction",
    "Recognizer": "emotone.recognition.recognizer",
    "SpeakerProfile": "emotone.recognition.profile",
}

__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'emotone' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
