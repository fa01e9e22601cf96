"""Profiles of speakers and sources that a command line names, or that it computes from its own recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from numpy.typing import NDArray

from emotone.cli import console as output
from emotone.cli.answers import Answer
from emotone.cli.recordings import STDIN, recordings, source_of
from emotone.errors import AudioError
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.audio import AudioSource, Channel
    from emotone.audio.raw import RawFormat
    from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
    from emotone.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class Reading:
    """How a command reads recordings: channel, track, format of headerless sound, and whether there are several."""

    channel: Channel = "mix"
    track: int | None = None
    raw: RawFormat | None = None
    has_several: bool = False

    def source(self, name: str) -> AudioSource:
        """Return what a recognizer reads for the name of a file."""
        return source_of(name, raw=self.raw, is_one_of_several=self.has_several)

    def spoken(self, recognizer: Recognizer, name: str) -> NDArray[np.float32]:
        """Return the embeddings (n, e) of the first speech in a recording; `AudioError` without any."""
        from emotone import audio
        from emotone.recognition.groups import spoken

        with audio.open_recording(self.source(name), channel=self.channel, track=self.track) as recording:
            return spoken(recognizer, recording)

    def whole(self, name: str) -> AudioSource:
        """Return what a recognizer adapts to; the channel of a recording is read into memory."""
        from emotone import audio

        source = self.source(name)
        if self.channel == "mix" and self.track is None:
            return source
        return audio.read(source, channel=self.channel, track=self.track), audio.SAMPLE_RATE


def profile_of(
    recognizer: Recognizer,
    adapt_to: str | None,
    *,
    reading: Reading = Reading(),
    source_file: Path | None = None,
    estimate_source: Callable[[], SourceProfile | None] | None = None,
    within_source: Callable[[SourceProfile | None], Profile | None] | None = None,
    save_to: Path | None = None,
    progress: Progress | None = None,
) -> Profile | None:
    """Return the profile for all recordings of a command, or None, and save it for ``--save-profile``.

    Parameters
    ----------
    adapt_to
        Of ``--adapt-to``: a saved profile, a recording, or a folder of recordings.  Prints which were left out.
    source_file
        Of ``--source-profile``.
    estimate_source
        Estimates the source, where ``source_file`` does not name it.
    within_source
        Function from the source to the profile, where ``adapt_to`` does not name it; by default, it is the source.
    """
    from emotone.recognition.profile import SourceProfile

    if save_to is not None and adapt_to is None and source_file is None and estimate_source is None:
        raise typer.BadParameter("there is no profile to save: name recordings of the speaker with --adapt-to")
    source = None
    if source_file is not None:
        source = SourceProfile.load(source_file)
        recognizer.check_profile(source)
    elif estimate_source is not None:
        source = estimate_source()
    profile: Profile | None = source
    if adapt_to is not None:
        profile = _speaker(recognizer, adapt_to, source, reading, progress)
    elif within_source is not None:
        profile = within_source(source)
    if save_to is not None:
        if profile is None:
            raise AudioError(
                "there is no profile to save: name recordings of the speaker with --adapt-to, or eight recordings of "
                "speech or more, which then are the source"
            )
        profile.save(save_to)
    return profile


def check_adapt(adapt: str, *, source_file: Path | None) -> None:
    """Refuse ``--adapt none`` together with a source."""
    if adapt == "none" and source_file is not None:
        raise typer.BadParameter("--adapt none excludes --source-profile; leave out one of the two")


def read_twice(files: Iterable[str | Answer[Any]]) -> list[str]:
    """Return the names of the recordings that can be read more than once, in order: no pipes, no standard input."""
    return sorted({file for file in files if isinstance(file, str) and file not in STDIN and os.path.isfile(file)})


def estimated_source(
    recognizer: Recognizer, files: Sequence[str | Answer[Any]], reading: Reading, progress: Progress | None
) -> tuple[SourceProfile | None, int]:
    """Estimate the source from some of the recordings of a command, and return it with their number.

    With too few recordings, or too little speech, there is no source.
    """
    from emotone.recognition.groups import source_of_some

    names, n_used = read_twice(files), 0

    def spoken(number: int) -> NDArray[np.float32]:
        nonlocal n_used
        embeddings = reading.spoken(recognizer, names[number])
        n_used += 1
        return embeddings

    return source_of_some(recognizer, len(names), spoken, progress=progress), n_used


def _speaker(
    recognizer: Recognizer, named: str, source: SourceProfile | None, reading: Reading, progress: Progress | None
) -> SpeakerProfile:
    """Return the speaker's profile of ``--adapt-to``, within the source if it is known."""
    if named.lower().endswith(".json") and not os.path.isdir(named):
        from emotone.recognition.profile import SpeakerProfile

        profile = SpeakerProfile.load(named)
        recognizer.check_profile(profile)
        return profile if source is None else replace(profile, source=source)
    files = recordings([named])
    reading = replace(reading, has_several=len(files) > 1)
    clips, failed = [], [file.error for file in files if isinstance(file, Answer)]
    for file in files:
        if not isinstance(file, Answer):
            try:
                clips.append(reading.whole(file))
            except AudioError as error:
                failed.append(str(error))
    if failed and not clips:
        raise AudioError(failed[0])
    profile = recognizer.adapt(clips, source=source, progress=progress)
    failed += profile.skipped
    if failed:
        output.note(f"adapted without {len(failed)} of {len(files)} recordings; the first: {failed[0]}")
    return profile


def adapted_text(
    adapted: Mapping[str, int], *, is_automatic: bool, n_recordings: int = 0, source_unit: str = "utterance"
) -> str:
    """Say to what answers are adapted, and what was counted; empty if to nothing.

    Parameters
    ----------
    adapted
        "source" and "speaker" -> a number of utterances.
    is_automatic
        Whether ``--adapt none`` would switch the adaptation to the source off.
    n_recordings
        Number of recordings that the source was estimated from; 0 if it is not known.
    source_unit
        What is counted of the source.

    Examples
    --------
    >>> adapted_text({"source": 13, "speaker": 1}, is_automatic=False, n_recordings=8)
    'adapted to 13 utterances of the source (in 8 recordings) and 1 utterance of the speaker'
    """
    parts = []
    for kind, unit in (("source", source_unit), ("speaker", "utterance")):
        if n := adapted[kind]:
            parts.append(f"{n} {unit}{'s' if n > 1 else ''} of the {kind}")
    if n_recordings and adapted["source"]:
        parts[0] += f" (in {n_recordings} recording{'s' if n_recordings > 1 else ''})"
    switch = "; --adapt none leaves it out" if is_automatic and adapted["source"] else ""
    return f"adapted to {' and '.join(parts)}{switch}" if parts else ""
