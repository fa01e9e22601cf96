"""Emotone recognises emotion in speech, and says how far the answer can be trusted.

>>> import emotone
>>> emotone.Recognizer  # loaded when it is first asked for
<class 'emotone.recognition.recognizer.Recognizer'>
"""

import os
from typing import TYPE_CHECKING, Any

from emotone._version import __version__

# onnxruntime's builds for Linux write what they do into a database in the user's cache, and send it to their makers,
# unless this is set before they are imported.  No prediction calls another host.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from emotone.audio import read as load_audio
    from emotone.bulk.annotate import AnnotatedArchive, annotate
    from emotone.bulk.settings import AnnotateSettings
    from emotone.corpora import Corpus
    from emotone.corpora import load as load_corpus
    from emotone.errors import EmotoneError
    from emotone.experiment.api import Scores, TrainedRun, evaluate, train
    from emotone.export.push import push
    from emotone.features.extract import extract_features
    from emotone.recognition.groups import adapted_profiles
    from emotone.recognition.prediction import Prediction
    from emotone.recognition.profile import SourceProfile, SpeakerProfile
    from emotone.recognition.recognizer import Recognizer
    from emotone.recognition.stream import Event, Stream
    from emotone.recognition.timeline import Timeline

__all__ = [
    "AnnotateSettings",
    "AnnotatedArchive",
    "Corpus",
    "EmotoneError",
    "Event",
    "Prediction",
    "Recognizer",
    "Scores",
    "SourceProfile",
    "SpeakerProfile",
    "Stream",
    "Timeline",
    "TrainedRun",
    "__version__",
    "adapted_profiles",
    "annotate",
    "evaluate",
    "extract_features",
    "load_audio",
    "load_corpus",
    "push",
    "train",
]

#: Public name -> where it is defined.  Names are imported when they are first used: `import emotone` and
#: `emotone --help` load neither onnxruntime nor pandas.
_PLACES = {
    "AnnotateSettings": "emotone.bulk.settings:AnnotateSettings",
    "AnnotatedArchive": "emotone.bulk.annotate:AnnotatedArchive",
    "Corpus": "emotone.corpora:Corpus",
    "EmotoneError": "emotone.errors:EmotoneError",
    "Event": "emotone.recognition.stream:Event",
    "Prediction": "emotone.recognition.prediction:Prediction",
    "Recognizer": "emotone.recognition.recognizer:Recognizer",
    "Scores": "emotone.experiment.api:Scores",
    "SourceProfile": "emotone.recognition.profile:SourceProfile",
    "SpeakerProfile": "emotone.recognition.profile:SpeakerProfile",
    "Stream": "emotone.recognition.stream:Stream",
    "Timeline": "emotone.recognition.timeline:Timeline",
    "TrainedRun": "emotone.experiment.api:TrainedRun",
    "adapted_profiles": "emotone.recognition.groups:adapted_profiles",
    "annotate": "emotone.bulk.annotate:annotate",
    "evaluate": "emotone.experiment.api:evaluate",
    "extract_features": "emotone.features.extract:extract_features",
    "load_audio": "emotone.audio:read",
    "load_corpus": "emotone.corpora:load",
    "push": "emotone.export.push:push",
    "train": "emotone.experiment.api:train",
}

#: Module -> the extra with the packages that it imports beside those of the base install.
_EXTRAS = {"emotone.bulk.annotate": "annotate", "emotone.experiment.api": "train"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'emotone' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _PLACES[name].partition(":")
    try:
        value = globals()[name] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(module)
        if extra is None or (error.name or "").partition(".")[0] == "emotone":
            raise
        from emotone.errors import MissingExtraError

        raise MissingExtraError(f"emotone.{name} ({error.name})", extra=extra) from error
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
