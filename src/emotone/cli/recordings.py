"""Recordings and speaker profiles that a command line names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import typer

from emotone.cli import console as output
from emotone.errors import AudioError, EmotoneError
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile
    from emotone.recognition.recognizer import Recognizer

#: Suffixes of the files that are taken from a folder; a file that is named itself can have any suffix.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64", ".ogg", ".oga", ".opus", ".mp3", ".m4a"),
        *(".aac", ".webm", ".wma", ".mp4", ".mkv", ".mov", ".3gp", ".amr", ".avi"),
    )
)


class _Result(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=_Result)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The result for a file, a prediction or a timeline, or the error that prevented it."""

    file: str
    result: T | None = None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the object of ``--format json``."""
        return {"file": self.file, **({"error": self.error} if self.result is None else self.result.to_dict())}


def predict_all(
    files: Sequence[str | Answer[Any]], predict: Callable[[str], T], *, progress: Progress | None = None
) -> list[Answer[T]]:
    """Apply ``predict`` to every file that `recordings` gave; an error of one file does not stop the others."""
    answers: list[Answer[T]] = []
    for number, file in enumerate(files, start=1):
        try:
            answers.append(file if isinstance(file, Answer) else Answer(file, predict(file)))
        except EmotoneError as error:
            answers.append(Answer(str(file), error=str(error)))
        if progress is not None:
            progress(number, len(files), "predicting")
    return answers


def recordings(paths: Sequence[str]) -> list[str | Answer[Any]]:
    """List the files, and of each folder all recordings, also in subfolders, by name; an error where that fails."""
    return [file for path in paths for file in (_in_folder(path) if os.path.isdir(path) else [path])]


def _in_folder(path: str) -> Iterator[str | Answer[Any]]:
    def add_unreadable(error: OSError) -> None:
        failed.append(Answer(str(error.filename), error=f"{error.filename}: {error.strerror}; check its permissions"))

    failed: list[Answer[Any]] = []
    is_empty = True
    for folder, subfolders, names in os.walk(path, onerror=add_unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                is_empty = False
                yield os.path.join(folder, name)
    yield from failed
    if is_empty and not failed:
        yield Answer(
            path, error=f"{path}: no recording in this folder; expected files such as .wav, .flac, .mp3 or .m4a"
        )


def profile_of(
    recognizer: Recognizer,
    source: str | None,
    *,
    save_to: Path | None = None,
    progress: Progress | None = None,
) -> SpeakerProfile | None:
    """Return the profile of ``--adapt-to``, or None without it, and save it for ``--save-profile``.

    The source is a saved profile, a recording, or a folder of recordings; prints which recordings were left out.
    """
    if source is None:
        if save_to is not None:
            raise typer.BadParameter("there is no profile to save: name recordings of the speaker with --adapt-to")
        return None
    if source.lower().endswith(".json") and not os.path.isdir(source):
        from emotone.recognition.profile import SpeakerProfile

        profile = SpeakerProfile.load(source)
        recognizer.check_profile(profile)
    else:
        profile = _adapted(recognizer, source, progress)
    if save_to is not None:
        profile.save(save_to)
    return profile


def _adapted(recognizer: Recognizer, source: str, progress: Progress | None) -> SpeakerProfile:
    files = recordings([source])
    clips = [file for file in files if not isinstance(file, Answer)]
    failed = [file.error for file in files if isinstance(file, Answer)]
    if failed and not clips:
        raise AudioError(failed[0])
    profile = recognizer.adapt(clips, progress=progress)
    failed += profile.skipped
    if failed:
        output.note(f"adapted without {len(failed)} of {len(files)} clips; the first: {failed[0]}")
    return profile
