"""Known voices and the choice of speakers, for the command ``timeline``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emotone.cli.answers import Answer
from emotone.cli.recordings import recordings, source_of
from emotone.errors import AudioError, ConfigError, EmotoneError
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.recognition.enrolment import Voice
    from emotone.recognition.recognizer import Recognizer


def check_speakers(speakers: str | None, *, adapt_to: str | None, voices: Path | None) -> str:
    """Return the speakers to look for: auto, or one if all speech is that of the speaker of ``--adapt-to``.

    Raises
    ------
    typer.BadParameter
        The choice is unknown, or excludes another option.
    """
    from emotone.recognition.speaker_choice import AUTO, ONE, choice_of

    chosen = speakers or (AUTO if adapt_to is None else ONE)
    is_file = not (chosen in (AUTO, ONE, "channels") or chosen.isdecimal())
    if is_file and not Path(chosen).is_file():
        expected = "auto, one, channels, a number, or an RTTM file that exists"
        raise typer.BadParameter(f"--speakers is {chosen!r}; expected {expected}")
    if not is_file:
        try:
            choice_of(chosen)
        except ConfigError as error:
            raise typer.BadParameter(f"--speakers {chosen}: {error}") from error
    if adapt_to is not None and chosen != ONE:
        raise typer.BadParameter(
            f"--adapt-to says that there is one speaker, and --speakers is {chosen}; leave out one of the two"
        )
    if voices is not None and chosen != AUTO and not chosen.isdecimal():
        why = f"--speakers is {chosen}" if speakers else "--adapt-to says that there is one"
        raise typer.BadParameter(f"--voices names speakers that are found, and {why}; leave out one of the two")
    return chosen


def check_rttm(speakers: str, *, n_recordings: int) -> None:
    """Refuse the turns of a single recording for several recordings."""
    from emotone.recognition.rttm import recordings_of
    from emotone.recognition.speaker_choice import AUTO, CHANNELS, ONE

    if n_recordings < 2 or speakers in (AUTO, ONE, CHANNELS) or speakers.isdecimal():
        return
    if len(names := recordings_of(speakers)) < 2:
        raise ConfigError(
            f"--speakers {speakers} has the turns of {' and '.join(names) or 'no recording'}, and there are "
            f"{n_recordings} recordings; give one recording, or an RTTM file with the turns of each"
        )


def known_voices(recognizer: Recognizer, folder: Path | None, *, progress: Progress | None) -> dict[str, Voice]:
    """Return the voices of a folder: a folder of clips for each person, or a clip for each, by their names.

    Raises
    ------
    ConfigError
        The folder does not exist or holds no recordings.
    AudioError
        A person has no clip with speech.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConfigError(f"--voices {folder}: this is no folder; expected a folder of clips for each person")
    people = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    for path in sorted(folder.iterdir()):
        if not path.exists():
            raise ConfigError(f"--voices {path}: this link leads nowhere; remove it, or mend it")
    clips_beside = [Path(file) for file in recordings([str(folder)]) if isinstance(file, str)]
    people |= {path.stem: path for path in clips_beside if path.parent.resolve() == folder.resolve()}
    if not people:
        raise ConfigError(f"--voices {folder}: no recordings in it; expected a folder of clips for each person")
    voices = {}
    for number, (name, path) in enumerate(people.items()):
        clips = [file for file in recordings([str(path)]) if not isinstance(file, Answer)]
        if not clips:
            raise ConfigError(f"--voices {path}: no recordings in it; add clips of {name}, or remove the folder")
        try:
            voices[name] = recognizer.voice([source_of(clip, is_one_of_several=True) for clip in clips])
        except EmotoneError as error:
            raise AudioError(f"--voices {path}: {error}") from error
        if progress is not None:
            progress(number + 1, len(people), "voices")
    return voices
