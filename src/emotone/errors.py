"""The errors that Emotone raises.

A message gives the actual value, what was expected, and the remedy.  Catch ``EmotoneError`` for all of them; each
class is also a built-in exception (``ValueError``, ``ImportError``, ...).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Where a wheel contains constraints.txt and constraints-pipecat.txt; a checkout has them in its root.
_PACKAGED = Path(__file__).parent / "data"
_NO_COMMAND = "install the extra '{extra}' from where Emotone was installed from"


#: Letters of a message that are shown of its begin and end, since it may quote files of others.
_MOST_SHOWN = (3000, 1000)


class EmotoneError(Exception):
    """Base class of all errors that Emotone raises."""

    def __str__(self) -> str:
        """Return the message; the middle of one that is longer than any person reads is left out."""
        text, (first, last) = super().__str__(), _MOST_SHOWN
        return text if len(text) <= first + last else f"{text[:first]} [...] {text[-last:]}"


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


class ByHandError(FetchError):
    """Emotone can't download a corpus; ``steps`` say, a line each, how a user gets it."""

    def __init__(self, message: str, *, steps: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.steps = tuple(steps)


class StorageError(EmotoneError, OSError):
    """Another file system, such as S3, can't be listed, read or written."""


class HubError(EmotoneError, OSError):
    """The Hugging Face hub has no such model, does not give or take it, or can't be reached."""


class TrackingError(EmotoneError, OSError):
    """A run can't be logged to MLflow; the run itself is complete, or has not begun."""


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


class ResultError(BundleError):
    """A graph returned something for a recording that is no prediction; other recordings can still be predicted."""


class StoreWarning(UserWarning):
    """Features are computed again, or are not kept, since the store on disk is damaged or can't be used."""


class CorpusWarning(UserWarning):
    """Clips of a corpus are left out; the message says how many, why, and what to do about labels."""


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
    """Return the command that installs an extra, with its constraints, from the origin of the installed Emotone.

    Emotone is on no package index, where another project could have its name, so the command never asks an index for
    it.  The origin is read from ``direct_url.json`` (PEP 610).  If it is unknown or gone, the command names the
    packages of the extra.
    """
    import json
    from importlib import metadata

    try:
        distribution = metadata.distribution("emotone")
    except metadata.PackageNotFoundError:
        return _NO_COMMAND.format(extra=extra)  # the hint must not hide the error itself
    try:
        words, is_there = _words_of_origin(json.loads(distribution.read_text("direct_url.json") or "{}"), extra)
    except (ValueError, KeyError, TypeError, AttributeError):  # not as PEP 610 describes it
        words, is_there = [], False
    if not is_there:
        words = _words_of_packages(getattr(distribution, "requires", None) or [], extra) or words
    return _pip_install(words) if words else _NO_COMMAND.format(extra=extra)


def how_to_update() -> str:
    """Return the remedy where a newer version of Emotone is needed: a sentence, for no command updates every origin."""
    import json
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution("emotone").read_text("direct_url.json") or "{}")["url"]
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        origin = ""
    return f"install a newer version of Emotone from {origin or 'where it was installed from'}"


def _words_of_origin(origin: dict[str, Any], extra: str) -> tuple[list[str], bool]:
    """Return what pip installs for an origin of PEP 610 (folder, repository, archive), and False if it is gone."""
    url = origin["url"]
    if not url:
        raise ValueError("the origin has no address")
    file = _local_path(url)
    if "dir_info" in origin and file is not None:
        folder = file / (origin.get("subdirectory") or "")
        is_editable = bool(origin["dir_info"].get("editable"))
        words = [*_constraints(extra, folder), *(["-e"] if is_editable else []), f"{folder}[{extra}]"]
        return words, folder.is_dir()
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    if origin.get("subdirectory"):
        url += f"{'&' if '#' in url else '#'}subdirectory={origin['subdirectory']}"
    return [*_constraints(extra), f"emotone[{extra}] @ {url}"], file is None or file.exists()


def _words_of_packages(requirements: Sequence[str], extra: str) -> list[str]:
    """Return what pip installs to have the packages of an extra; [] if none is known."""
    split = [requirement.partition(";") for requirement in requirements]
    packages = [
        name.strip() for name, _, marker in split if re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", marker)
    ]
    return [*_constraints(extra), *packages] if packages else []


def _constraints(extra: str, *folders: Path) -> list[str]:
    """Return pip's option for the tested versions: the file for this extra, else that for all, in the first folder."""
    for folder in (*folders, _PACKAGED):
        for name in (f"constraints-{extra}.txt", "constraints.txt"):  # an extra may need versions that differ
            if (folder / name).is_file():
                return ["-c", str(folder / name)]
    return []


def _local_path(url: str) -> Path | None:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None


def _pip_install(words: Sequence[str]) -> str:
    """Write a command for the pip of this environment, which is only called ``pip`` if the environment is activated."""
    import shlex
    import shutil
    import sys

    pip = shutil.which("pip")
    is_own = pip is not None and Path(pip).parent == Path(sys.executable).parent
    return shlex.join([*(["pip"] if is_own else [sys.executable, "-m", "pip"]), "install", *words])
