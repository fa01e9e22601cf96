"""The timeline of a recording, from its source to its notes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SILENT_PEAK, AudioSource, Channel
from emotone.progress import Progress
from emotone.recognition.arguments import check_switch, file_of
from emotone.recognition.enrolment import Voice, check_voices, named
from emotone.recognition.model import Outputs
from emotone.recognition.profile import Profile
from emotone.recognition.recording_adaptation import RecordingAdapter, check_single
from emotone.recognition.recording_prediction import Parts
from emotone.recognition.speaker_choice import Speakers, choice_of, opened
from emotone.recognition.timeline import Timeline, TimelineSettings
from emotone.recognition.timeline_making import make_timeline


def timeline_of(
    parts: Parts,
    source: AudioSource,
    *,
    channel: Channel,
    track: int | None,
    profile: Profile | None,
    adapt: bool,
    speakers: Speakers | None,
    voices: Mapping[str, Voice],
    settings: TimelineSettings,
    progress: Progress | None,
) -> Timeline:
    """Return the timeline of a recording; see `Recognizer.timeline`."""
    model = parts.model
    check_switch("adapt", adapt)
    choice = choice_of(speakers, recording=file_of(source))
    voices = voices or {}
    check_voices(voices, kind=choice.kind)
    if profile is not None or adapt:
        model.check_profile(profile)
    check_single(profile, kind=choice.kind)
    known = {name: voice.profile for name, voice in voices.items() if voice.profile is not None}

    def answer(sound: NDArray[np.float32]) -> Outputs | None:
        is_silent = np.abs(sound).max() < SILENT_PEAK
        return None if is_silent else model.outputs(parts.preprocessing.apply(sound), profile)

    with opened(
        source, choice, channel=channel, track=track, settings=settings, gate=model.gate, progress=progress
    ) as (pieces, notes):
        made = make_timeline(
            named(pieces, voices),
            answer,
            emotions=parts.emotions,
            threshold=parts.threshold,
            checks_speech=model.checks_speech,
            adapt=RecordingAdapter(model, profile, known=known, every=settings.every) if adapt else None,
            choose=parts.choose,
            settings=settings,
        )
        made = replace(made, notes=parts.notes + notes(), file=file_of(source))
    return made if adapt else made.with_adapted(model.counts(profile))
