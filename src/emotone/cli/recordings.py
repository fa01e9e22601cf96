"""Recordings and speaker profiles that a command line names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emotone.cli import console as output
from emotone.errors import AudioError
from emotone.progress import Progress
from emotone.recognition.prediction import Prediction

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile
    from emotone.recognition.recognizer import Recognizer

#: Suffixes of files that are taken from a folder; a file that is named itself may have any.
SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64", ".ogg", ".oga", ".opus", ".mp3", ".m4a"),
        *(".aac", ".webm", ".wma", ".mp4", ".mkv", ".mov", ".3gp", ".amr", ".avi"),
    )
)


@dataclass(frozen=True)
class Answer:
    """What came of one file: a prediction, or why there is none."""

    file: str
    prediction: Prediction | None = None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the object of ``--format json``."""
        if self.prediction is None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, **self.prediction.to_dict()}


def speaker_profile(recognizer: Recognizer, named: str, *, progress: Progress | None = None) -> SpeakerProfile:
    """Load a profile that was saved, or adapt to a recording or a folder of them; tell which were left out."""
    if named.lower().endswith(".json") and not os.path.isdir(named):
        from emotone.recognition.profile import SpeakerProfile

        profile = SpeakerProfile.load(named)
        recognizer.check_profile(profile)
        return profile
    found = list(recordings(named))
    clips = [one for one in found if not isinstance(one, Answer)]
    failed = [one.error for one in found if isinstance(one, Answer)]
    if failed and not clips:
        raise AudioError(failed[0])
    profile = recognizer.adapt(clips, progress=progress)
    failed += profile.skipped
    if failed:
        output.note(f"adapted without {len(failed)} of {len(found)} clips; the first: {failed[0]}")
    return profile


def recordings(path: str) -> Iterator[str | Answer]:
    """List a file itself, a folder's recordings in the order of their names, or why there are none."""
    if not os.path.isdir(path):
        yield path
        return
    any_found = False

    def unreadable(error: OSError) -> None:
        failed.append(Answer(str(error.filename), error=f"{error.filename}: {error.strerror}; check its permissions"))

    failed: list[Answer] = []
    for folder, subfolders, names in os.walk(path, onerror=unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                any_found = True
                yield os.path.join(folder, name)
    yield from failed
    if not any_found and not failed:
        error = AudioError(f"{path}: no recording in this folder; expected files such as .wav, .flac, .mp3 or .m4a")
        yield Answer(path, error=str(error))


def profile_of(
    recognizer: Recognizer, named: str | None, *, save_to: Path | None, progress: Progress | None = None
) -> SpeakerProfile | None:
    """Return the profile of ``--adapt-to``, or None without it, and save it for ``--save-profile``."""
    if named is None:
        if save_to is not None:
            raise typer.BadParameter("there is no profile to save: name recordings of the speaker with --adapt-to")
        return None
    profile = speaker_profile(recognizer, named, progress=progress)
    if save_to is not None:
        profile.save(save_to)
    return profile
