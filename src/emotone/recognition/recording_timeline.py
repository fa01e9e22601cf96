"""The timeline of a recording, from its source to its notes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emotone.audio import SILENT_PEAK, AudioSource, Channel
from emotone.audio.speech_detector import Gate
from emotone.preprocessing import Preprocessing
from emotone.progress import Progress
from emotone.recognition.arguments import check_switch, file_of
from emotone.recognition.enrolment import Voice, check_voices, named
from emotone.recognition.model import Model, Outputs
from emotone.recognition.profile import Profile
from emotone.recognition.recording_adaptation import RecordingAdapter, check_single
from emotone.recognition.speaker_choice import Speakers, choice_of, opened
from emotone.recognition.timeline import Timeline, TimelineSettings
from emotone.recognition.timeline_making import make_timeline


@dataclass(frozen=True)
class RecordingTimeline:
    """Make timelines with a model; see `Recognizer.timeline` for what is not said here.

    Attributes
    ----------
    choose
        Restricts the scores to ``emotions``.
    gate
        The model's own probability of speech.
    """

    model: Model
    preprocessing: Preprocessing
    emotions: tuple[str, ...]
    threshold: float
    choose: Callable[[Outputs], Outputs]
    gate: Gate | None
    settings: TimelineSettings

    def __call__(
        self,
        source: AudioSource,
        *,
        channel: Channel,
        track: int | None,
        profile: Profile | None,
        adapt: bool,
        speakers: Speakers | None,
        voices: Mapping[str, Voice],
        progress: Progress | None,
    ) -> Timeline:
        """Return the timeline of a recording."""
        check_switch("adapt", adapt)
        choice = choice_of(speakers, recording=file_of(source))
        check_voices(voices, kind=choice.kind)
        if profile is not None or adapt:
            self.model.check_profile(profile)
        check_single(profile, kind=choice.kind)
        known = {name: voice.profile for name, voice in voices.items() if voice.profile is not None}
        every = self.settings.every
        adapter = RecordingAdapter(self.model, profile, known=known, every=every) if adapt else None

        def answer(sound: NDArray[np.float32]) -> Outputs | None:
            is_silent = np.abs(sound).max() < SILENT_PEAK
            return None if is_silent else self.model.outputs(self.preprocessing.apply(sound), profile)

        with opened(
            source,
            choice,
            channel=channel,
            track=track,
            settings=self.settings,
            gate=self.gate,
            progress=progress,
        ) as (pieces, notes):
            made = make_timeline(
                named(pieces, voices),
                answer,
                emotions=self.emotions,
                threshold=self.threshold,
                checks_speech=self.model.checks_speech,
                adapt=adapter,
                choose=self.choose,
                settings=self.settings,
            )
            made = replace(made, notes=notes(), file=file_of(source))
        return made if adapt else made.with_adapted(self.model.counts(profile))
