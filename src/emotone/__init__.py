"""Which emotion a voice carries, and how far that answer can be trusted.

>>> import emotone
>>> emotone.Recognizer  # loaded when it is first asked for
<class 'emotone.recognizer.Recognizer'>
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.errors import EmotoneError
    from emotone.profile import SpeakerProfile
    from emotone.recognizer import Prediction, Recognizer

__version__ = "0.1.0"
__all__ = ["EmotoneError", "Prediction", "Recognizer", "SpeakerProfile", "__version__"]


def __getattr__(name: str) -> Any:
    # `import emotone` and `emotone --help` stay instant: onnxruntime is imported with the recogniser.
    if name in ("Prediction", "Recognizer"):
        from emotone import recognizer

        return getattr(recognizer, name)
    if name == "SpeakerProfile":
        from emotone.profile import SpeakerProfile

        return SpeakerProfile
    if name == "EmotoneError":
        from emotone.errors import EmotoneError

        return EmotoneError
    raise AttributeError(f"module 'emotone' has no attribute {name!r}")
