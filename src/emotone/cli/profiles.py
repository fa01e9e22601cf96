"""Profiles of speakers and sources that a command line names, or that it computes from its own recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emotone.cli import console as output
from emotone.cli.answers import Answer
from emotone.cli.recordings import STDIN, recordings, source_of
from emotone.errors import AudioError, EmotoneError
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.audio import Channel
    from emotone.audio.raw import RawFormat
    from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
    from emotone.recognition.recognizer import Recognizer

#: Seconds of a recording that count for the source: an hour-long call would count more than all others.
_COUNTED_S = 20.0


def profile_of(
    recognizer: Recognizer,
    adapt_to: str | None,
    *,
    source_file: Path | None = None,
    estimate_source: Callable[[], SourceProfile | None] | None = None,
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
    profile: Profile | None = source if adapt_to is None else _speaker(recognizer, adapt_to, source, progress)
    if save_to is not None:
        if profile is None:
            raise AudioError(
                "there is no profile to save: name recordings of the speaker with --adapt-to, or eight recordings of "
                "speech or more, which then are the source"
            )
        profile.save(save_to)
    return profile


def estimated_source(
    recognizer: Recognizer,
    files: Sequence[str | Answer[Any]],
    *,
    channel: Channel,
    track: int | None,
    raw: RawFormat | None,
    progress: Progress | None,
) -> SourceProfile | None:
    """Estimate the source from some of the recordings of a command; None if there are too few, or too little speech."""
    from emotone import audio
    from emotone.recognition.adaptation import FEWEST_CLIPS, SOURCE_CLIPS

    names = [file for file in files if isinstance(file, str) and file not in STDIN]
    if not recognizer.adapts or len(names) < FEWEST_CLIPS:
        return None
    n_chosen = min(SOURCE_CLIPS, len(names))
    chosen = [names[number * len(names) // n_chosen] for number in range(n_chosen)]
    clips = []
    for number, name in enumerate(chosen):
        try:
            with audio.open_recording(source_of(name, raw=raw), channel=channel, track=track) as recording:
                samples = next(recording.blocks(_COUNTED_S))
        except EmotoneError:
            continue  # its prediction reports the error
        clips.append((samples, audio.SAMPLE_RATE))
        if progress is not None:
            progress(number + 1, 2 * n_chosen, "adapting to the source")
    try:
        source = recognizer.adapt_source(clips)
    except AudioError:
        return None
    return source if source.n_clips >= FEWEST_CLIPS else None


def _speaker(
    recognizer: Recognizer, named: str, source: SourceProfile | None, progress: Progress | None
) -> SpeakerProfile:
    """Return the speaker's profile of ``--adapt-to``, within the source if it is known."""
    if named.lower().endswith(".json") and not os.path.isdir(named):
        from emotone.recognition.profile import SpeakerProfile

        profile = SpeakerProfile.load(named)
        recognizer.check_profile(profile)
        return profile if source is None else replace(profile, source=source)
    files = recordings([named])
    clips = [source_of(file) for file in files if not isinstance(file, Answer)]
    failed = [file.error for file in files if isinstance(file, Answer)]
    if failed and not clips:
        raise AudioError(failed[0])
    profile = recognizer.adapt(clips, source=source, progress=progress)
    failed += profile.skipped
    if failed:
        output.note(f"adapted without {len(failed)} of {len(files)} clips; the first: {failed[0]}")
    return profile


def adapted_text(adapted: Mapping[str, int], *, is_automatic: bool) -> str:
    """Say to what answers are adapted; empty if to nothing."""
    named = {"source": "the source", "speaker": "the speaker"}
    parts = [f"{n} clip{'s' if n > 1 else ''} of {named[kind]}" for kind, n in adapted.items()]
    switch = "; --adapt none leaves it out" if is_automatic and "source" in adapted else ""
    return f"adapted to {' and '.join(parts)}{switch}" if parts else ""
