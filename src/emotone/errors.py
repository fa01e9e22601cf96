"""The errors that Emotone raises.

A message gives the actual value, what was expected, and the remedy.  Catch ``EmotoneError`` for all of them; each
class is also a built-in exception (``ValueError``, ``ImportError``, ...).
"""

from typing import Any


class EmotoneError(Exception):
    """Base class of all errors that Emotone raises."""


class AudioError(EmotoneError, ValueError):
    """A recording is missing, empty, damaged, silent, too short, or no recording at all."""


class SilenceError(AudioError):
    """A recording is readable, but silent."""


class TooShortError(AudioError):
    """A recording is readable, but too short."""


class SelectionError(AudioError):
    """A recording has no such channel or track."""


class CorpusError(EmotoneError, ValueError):
    """A corpus folder, manifest or index is incomplete or wrong."""


class UnknownEmotionError(CorpusError):
    """A label is no emotion; ``word`` is the label, ``nearest`` the emotion that it perhaps means, or ""."""

    def __init__(self, message: str, *, word: str = "", nearest: str = "") -> None:
        super().__init__(message)
        self.word, self.nearest = word, nearest


class FetchError(EmotoneError, OSError):
    """A download failed, has the wrong checksum, or would unpack outside its folder."""


class StorageError(EmotoneError, OSError):
    """Another file system, such as S3, can't be listed, read or written."""


class ProtocolError(EmotoneError, ValueError):
    """A protocol can't be built on this corpus."""


class LeakError(ProtocolError):
    """Training and test share a speaker or a recording that the protocol keeps apart."""


class ConfigError(EmotoneError, ValueError):
    """A setting is unknown or out of range."""


class FeatureError(EmotoneError, ValueError):
    """A feature can't be computed, or features don't match."""


class WorkerError(EmotoneError, RuntimeError):
    """A process that works for this one died."""


class ExportError(EmotoneError, RuntimeError):
    """A fitted model can't be exported to an ONNX graph with the same predictions."""


class BundleError(EmotoneError, ValueError):
    """A bundle is incomplete, was changed, or has another version."""


class StoreWarning(UserWarning):
    """Features are computed again, or are not kept, since the store on disk is damaged or can't be used."""


class MissingExtraError(EmotoneError, ImportError):
    """An optional dependency is not installed; the message says how to install the extra that contains it."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}', which is not installed: {how_to_install(extra)}")
        self.what, self.extra = what, extra

    def __reduce__(self) -> Any:  # of other processes too; an exception is made again from its message alone
        return _missing_extra, (self.what, self.extra)


def _missing_extra(what: str, extra: str) -> MissingExtraError:
    return MissingExtraError(what, extra=extra)


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra from the origin of the installed Emotone.

    Emotone is on no package index, where another project could have its name.  The origin is read from
    ``direct_url.json`` (PEP 610).
    """
    import json
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution("emotone").read_text("direct_url.json") or "{}")
        return _pip_command(origin, extra)
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        # without an origin as PEP 610 describes it there is no command; the hint must not hide the error itself
        return f"install the extra '{extra}' from where Emotone was installed from"


def _pip_command(origin: dict[str, Any], extra: str) -> str:
    """Write the pip command for an origin as PEP 610 describes it: a folder, a repository or an archive."""
    import shlex
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    url = origin["url"]
    if not url:
        raise ValueError("the origin has no address")
    if "dir_info" in origin and url.startswith("file:"):
        folder = Path(url2pathname(urlsplit(url).path), origin.get("subdirectory") or "")
        names = (f"constraints-{extra}.txt", "constraints.txt")  # an extra may need versions that differ
        words = [word for name in names if (folder / name).is_file() for word in ("-c", str(folder / name))][:2]
        words += ["-e"] if origin["dir_info"].get("editable") else []
        return f"pip install {shlex.join([*words, f'{folder}[{extra}]'])}"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    if origin.get("subdirectory"):
        url += f"{'&' if '#' in url else '#'}subdirectory={origin['subdirectory']}"
    return f"pip install {shlex.quote(f'emotone[{extra}] @ {url}')}"
