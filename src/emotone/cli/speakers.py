"""Who speaks in the recordings of ``predict``, and what their answers are adapted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, overload

import typer

from emotone.cli import console as output
from emotone.cli.answers import Answer
from emotone.cli.interrupts import check_interrupts
from emotone.cli.profiles import Reading, adapted_text, check_adapt, estimated_source, profile_of, read_twice
from emotone.cli.recordings import STDIN
from emotone.errors import ConfigError
from emotone.progress import Progress
from emotone.recognition.prediction import NOT_ADAPTED
from emotone.recognition.speaker_rule import EXAMPLE, PARENT_FOLDER, speaker_rule

if TYPE_CHECKING:
    from emotone.audio import AudioSource
    from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
    from emotone.recognition.recognizer import Recognizer

#: Paths of pipes that a shell opened, whose names say nothing of the recording.
_DESCRIPTORS = ("/dev/fd/", "/proc/")

SameSpeaker = Annotated[
    bool,
    typer.Option(
        "--same-speaker",
        rich_help_panel="Adaptation",
        help="All recordings are of one person: adapt to this voice, as the recordings show it. For two or more.",
    ),
]
SpeakerFrom = Annotated[
    str | None,
    typer.Option(
        metavar=f"{PARENT_FOLDER}|REGEX",
        rich_help_panel="Adaptation",
        help="Who speaks: the name of the recording's folder, or what the first group (or the group 'speaker') of a "
        "regular expression finds in its path. Each speaker's recordings are adapted to this voice.",
        show_default="not known",
    ),
]


@dataclass(frozen=True)
class Voices:
    """Speakers of recordings, and the profiles for them.

    Attributes
    ----------
    shared
        Profile for the recordings whose speaker has none.
    names
        File -> speaker.
    profiles
        Speaker -> profile, of those with enough speech.
    is_automatic
        Whether ``--adapt none`` would switch the adaptation to the source off.
    n_source
        Number of recordings that the source was estimated from; 0 if it comes from elsewhere.
    """

    shared: Profile | None
    names: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, SpeakerProfile] = field(default_factory=dict)
    is_automatic: bool = False
    n_source: int = 0

    def profile(self, file: str) -> Profile | None:
        """Return the profile for a recording."""
        return self.profiles.get(self.names.get(file, ""), self.shared)

    @property
    def adapted_text(self) -> str:
        """Say to what the answers are adapted; empty if to nothing."""
        adapted = NOT_ADAPTED if self.shared is None else self.shared.adapted
        if not self.profiles:
            return adapted_text(adapted, is_automatic=self.is_automatic, n_recordings=self.n_source)
        counts = sorted({profile.n_clips for profile in self.profiles.values()})
        n_clips = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        speakers = f"{len(self.profiles)} speakers" if len(self.profiles) > 1 else "1 speaker"
        each = " each" if len(self.profiles) > 1 else ""
        unit = "utterance" if counts == [1] else "utterances"
        source = adapted_text(adapted, is_automatic=False, n_recordings=self.n_source)
        return f"{source + ', and to' if source else 'adapted to'} {speakers} ({n_clips} {unit}{each})"


class _Sources(Sequence["AudioSource"]):
    """Recordings of a command, each opened when it is asked for: headerless sound is then read into memory."""

    def __init__(self, names: Sequence[str], reading: Reading) -> None:
        self._names, self._reading = names, reading

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, number: int) -> AudioSource: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[AudioSource]: ...
    def __getitem__(self, number: int | slice) -> AudioSource | Sequence[AudioSource]:
        if isinstance(number, slice):
            return _Sources(self._names[number], self._reading)
        check_interrupts()
        return self._reading.source(self._names[number])


@dataclass(frozen=True)
class Adaptation:
    """What the options of a command say about adaptation; they are named after them.

    Raises
    ------
    typer.BadParameter
        Options exclude each other, or the regular expression is invalid.
    """

    adapt: str
    adapt_to: str | None
    source_file: Path | None
    save_to: Path | None
    same_speaker: bool
    speaker_from: str | None

    def __post_init__(self) -> None:
        check_adapt(self.adapt, source_file=self.source_file)
        name = "--same-speaker" if self.same_speaker else "--speaker-from"
        if self.same_speaker and self.speaker_from is not None:
            raise typer.BadParameter("--same-speaker excludes --speaker-from; leave out one of the two")
        if (self.same_speaker or self.speaker_from is not None) and self.adapt_to is not None:
            raise typer.BadParameter(
                f"{name} adapts to the recordings themselves, and --adapt-to to others; leave out one of the two"
            )
        if self.same_speaker and self.adapt == "none":
            raise typer.BadParameter("--same-speaker excludes --adapt none; leave out one of the two")
        if self.speaker_from is not None:
            try:
                speaker_rule(self.speaker_from)
            except ConfigError as error:
                raise typer.BadParameter(str(error)) from error

    def voices(
        self, recognizer: Recognizer, files: Sequence[str | Answer[Any]], reading: Reading, progress: Progress
    ) -> Voices:
        """Read the recordings once, and return who speaks in them, with the profiles for the answers.

        Parameters
        ----------
        files
            What `emotone.cli.recordings.recordings` returned.
        """
        if self.same_speaker:
            _check_same_speaker(files)
        names = {} if self.speaker_from is None else _speakers(files, self.speaker_from)
        can_estimate = self.adapt == "auto" and self.source_file is None
        nothing: tuple[SourceProfile | None, int] = (None, 0)
        estimated, n_source = estimated_source(recognizer, files, reading, progress) if can_estimate else nothing
        adapt = _Groups(recognizer, read_twice(files), reading, progress)
        shared = profile_of(
            recognizer,
            self.adapt_to,
            reading=reading,
            source_file=self.source_file,
            estimate_source=(lambda: estimated) if can_estimate else None,
            within_source=adapt.same_speaker if self.same_speaker else None,
            save_to=self.save_to,
            progress=progress,
        )
        profiles = adapt.speakers(names, shared) if names and self.adapt == "auto" else {}
        is_automatic = estimated is not None and not self.same_speaker
        return Voices(shared, names, profiles, is_automatic=is_automatic, n_source=n_source)


@dataclass(frozen=True)
class _Groups:
    """Profiles of speakers, from the recordings of a command that can be read twice."""

    recognizer: Recognizer
    files: Sequence[str]
    reading: Reading
    progress: Progress

    def same_speaker(self, source: SourceProfile | None) -> Profile | None:
        """Return the profile of the only speaker, within the source; the source if there is too little speech."""
        (profile,) = self._adapted({"": self.files}, source).values()
        if profile.n_clips:
            return profile
        output.note("not adapted to the speaker: fewer than two utterances were found in the recordings")
        return source

    def speakers(self, names: Mapping[str, str], source: Profile | None) -> dict[str, SpeakerProfile]:
        """Return speaker -> profile within the source, of those with enough speech."""
        from emotone.recognition.profile import SourceProfile

        files: dict[str, list[str]] = {}
        for file in self.files:
            if file in names:
                files.setdefault(names[file], []).append(file)
        profiles = self._adapted(files, source if isinstance(source, SourceProfile) else None)
        return {speaker: profile for speaker, profile in profiles.items() if profile.n_clips}

    def _adapted(self, files: Mapping[str, Sequence[str]], source: SourceProfile | None) -> dict[str, SpeakerProfile]:
        from emotone.recognition.groups import adapted_profiles

        return adapted_profiles(
            self.recognizer,
            {speaker: _Sources(names, self.reading) for speaker, names in files.items()},
            source=source,
            channel=self.reading.channel,
            track=self.reading.track,
            progress=self.progress,
        )


def _check_same_speaker(files: Sequence[str | Answer[Any]]) -> None:
    """Refuse ``--same-speaker`` for standard input, and for a single recording."""
    names = {file for file in files if isinstance(file, str)}
    for name in sorted(names.intersection(STDIN)):
        raise typer.BadParameter(
            f"--same-speaker reads each recording twice, and {name} can be read once; save it to a file first"
        )
    if len(names) == 1:
        raise typer.BadParameter(
            f"--same-speaker is for two recordings or more, and there is 1, {names.pop()}; name other recordings of "
            "this person with --adapt-to"
        )


def _speakers(files: Sequence[str | Answer[Any]], value: str) -> dict[str, str]:
    """Return file -> speaker; prints how many recordings have none.

    Raises
    ------
    typer.BadParameter
        No recording has a speaker.
    """
    rule = speaker_rule(value)
    names = [file for file in files if isinstance(file, str)]
    speakers = {name: None if name in STDIN or name.startswith(_DESCRIPTORS) else rule(name) for name in names}
    unnamed = sorted(name for name, speaker in speakers.items() if speaker is None)
    if unnamed:
        if len(unnamed) == len(speakers):
            raise typer.BadParameter(
                f"--speaker-from {value!r} finds no speaker in the paths of the recordings; the first: {unnamed[0]}; "
                f"expected {PARENT_FOLDER}, or an expression: {EXAMPLE}"
            )
        output.note(
            f"predicted without a speaker: {len(unnamed)} of {len(speakers)} recordings, in whose paths --speaker-from "
            f"{value!r} finds none; the first: {unnamed[0]}"
        )
    return {name: speaker for name, speaker in speakers.items() if speaker is not None}
