"""Every error that Emotone raises on purpose.

A message gives the value that was found, what was expected and the remedy.  Catch ``EmotoneError`` for all of them;
each class is also the built-in that a reader would expect (``ValueError``, ``ImportError``, ...).
"""


class EmotoneError(Exception):
    """Root of the tree: whatever Emotone raises on purpose is one of these."""


class AudioError(EmotoneError, ValueError):
    """A recording is missing, empty, damaged, silent, too short, or no recording at all."""


class SilenceError(AudioError):
    """A recording is readable, and silent throughout."""


class CorpusError(EmotoneError, ValueError):
    """A corpus folder, manifest or index does not hold what it must."""


class FetchError(EmotoneError, OSError):
    """A download failed, has the wrong checksum, or would unpack outside its folder."""


class ProtocolError(EmotoneError, ValueError):
    """A protocol can't be built on this corpus."""


class LeakError(ProtocolError):
    """Training and test share a speaker or a recording that the protocol keeps apart."""


class ConfigError(EmotoneError, ValueError):
    """A setting is unknown or out of range."""


class FeatureError(EmotoneError, ValueError):
    """A feature could not be computed, or features don't belong together."""


class ExportError(EmotoneError, RuntimeError):
    """A fitted model could not be turned into an ONNX graph that gives the same answers."""


class BundleError(EmotoneError, ValueError):
    """A bundle is incomplete, was altered, or is of another version."""


class MissingExtraError(EmotoneError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}', which is not installed: pip install 'emotone[{extra}]'")
        self.extra = extra
