"""What the page's tabs answer: HTML for uploads, within the limits of the service."""

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from emotone.errors import BundleError, ConfigError, SilenceError
from emotone.recognition import trust
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.speaker_choice import AUTO, CHANNELS, ONE
from emotone.recognition.timeline import Timeline
from emotone.recognition.versioned_json import parse
from emotone.serve.answers import Sound, as_problem, decode
from emotone.serve.own_source import OwnSource
from emotone.serve.page import html
from emotone.serve.page.timeline_html import timeline_html
from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings
from emotone.serve.timelines import TimelineOptions, timeline_of
from emotone.serve.uploads import Upload
from emotone.serve.work_queue import Deadline

#: Who speaks in a recording: what `TimelineOptions` may have for ``speakers``.
SPEAKERS = (AUTO, ONE, CHANNELS, *map(str, range(2, 9)))
#: Largest saved voice, in bytes; one of the built-in model has 20,000.
_MOST_PROFILE_BYTES = 1_000_000
#: Codes of problems that say nothing of a clip.
_NOT_OF_A_CLIP = ("internal", "timeout")
#: Most clips from which a profile is made at once.
MAX_CLIPS = 20
#: What the page calls a person whose name is not typed.
SOMEBODY = "this person"
_PROFILE_REMEDY = "save the voice again on this page"


@dataclass(frozen=True)
class Voice:
    """What a person sends to compare predictions before and after adapting to a voice.

    Attributes
    ----------
    name
        Whose voice it is, as a person typed it; may be empty.
    clips
        Recordings of this person, at most `MAX_CLIPS`.
    profile
        A profile that was saved before; None without it.  The clips extend it.
    test
        Another recording of this person.
    """

    name: str
    clips: Sequence[Upload]
    profile: Upload | None
    test: Upload


class PageHandlers:
    """The answers of the page's tabs; each raises `ProblemError` if that fails."""

    def __init__(self, recognizer: Recognizer, settings: ServeSettings, source: OwnSource) -> None:
        self.recognizer, self.settings, self.source = recognizer, settings, source
        self._trust = trust.of_card(recognizer.card)

    def recognise(self, upload: Upload, deadline: Deadline) -> str:
        """Return the HTML of the prediction for a recording."""
        with self._utterance(upload, deadline) as sound:
            prediction = sound.with_note(self.source.predict(sound.source, progress=deadline.check))
        known = self._trust.of_answer(prediction.confidence)
        return html.render("answer", prediction=prediction, title=upload.name, trust=known)

    def timeline(self, upload: Upload, deadline: Deadline, *, speakers: str, max_duration_s: float) -> str:
        """Return the HTML of a recording's timeline, with a lane for each speaker unless there is only one.

        ``speakers`` is a member of `SPEAKERS`.
        """
        if speakers not in SPEAKERS:  # to a recognizer, other text is the path of a file
            raise ProblemError("bad_request", f"{speakers[:20]!r} is no choice of speakers; load the page again")
        knows_source = self.source.profile is not None
        timeline = self._timeline(upload, speakers, deadline, max_duration_s)
        return timeline_html(timeline, name=upload.name, knows_source=knows_source, has_lanes=speakers != ONE)

    def compare(self, voice: Voice, deadline: Deadline) -> str:
        """Return the HTML of a recording's prediction before and after adapting to a person's voice."""
        if not voice.clips and voice.profile is None:
            raise ProblemError("bad_request", "there are no clips of the person; add some, or open a saved voice")
        if len(voice.clips) > MAX_CLIPS:
            raise ProblemError("bad_request", f"there are {len(voice.clips)} clips; expected at most {MAX_CLIPS}")
        start = self._opened(voice.profile)
        profile, skipped = self._adapt(voice.clips, deadline, start=start)
        n_clips = len(voice.clips) - len(skipped)
        with self._utterance(voice.test, deadline) as sound:
            predict = functools.partial(self.recognizer.predict, sound.source, progress=deadline.check)
            before, after = (sound.with_note(predict(profile=known)) for known in (None, profile))
        name = " ".join("".join(letter if letter.isprintable() else " " for letter in voice.name).split())[:60]
        return html.render(
            "compared",
            before=before,
            after=after,
            title=voice.test.name,
            person=name or SOMEBODY,
            file=f"{PurePath(name).name or 'voice'}.profile.json",
            n_clips=n_clips,
            n_saved=start.n_clips,
            composition="" if start.n_clips else html.composition(profile, n_clips=n_clips),
            skipped=skipped,
            profile=json.dumps(profile.to_dict(), allow_nan=False) + "\n",
        )

    def _opened(self, saved: Upload | None) -> SpeakerProfile:
        """Return a saved profile, or that of an unknown speaker."""
        if saved is None:
            return self.recognizer.new_profile()
        if len(saved.data) > _MOST_PROFILE_BYTES:
            limit = f"{_MOST_PROFILE_BYTES:,} bytes"
            detail = f"{saved.name} has {len(saved.data):,} bytes, expected at most {limit}: {_PROFILE_REMEDY}"
            raise ProblemError("not_profile", detail)
        try:
            content = parse(saved.data, where=saved.name, remedy=_PROFILE_REMEDY)
            profile = SpeakerProfile.from_dict(content, where=saved.name)
            self.recognizer.check_profile(profile)
        except (BundleError, ConfigError) as error:
            raise ProblemError("not_profile", str(error)) from error
        return profile

    def _timeline(self, upload: Upload, speakers: str, deadline: Deadline, max_duration_s: float) -> Timeline:
        try:
            return timeline_of(
                self.recognizer,
                upload,
                options=TimelineOptions(speakers=speakers),
                source=self.source,
                max_duration_s=max_duration_s,
                deadline=deadline,
            )
        except ProblemError as problem:
            if problem.code == "bad_request" and speakers == CHANNELS:  # there is one channel only
                raise ProblemError("no_channel", problem.detail) from problem
            raise

    @contextlib.contextmanager
    def _utterance(self, upload: Upload, deadline: Deadline) -> Iterator[Sound]:
        """Decode an upload; errors within the ``with`` statement name it."""
        sound = decode(upload.data, upload.name, max_duration_s=self.settings.max_duration_s, deadline=deadline)
        with as_problem(upload.name, upload.data):
            yield sound

    def _adapt(
        self, clips: Sequence[Upload], deadline: Deadline, *, start: SpeakerProfile
    ) -> tuple[SpeakerProfile, list[str]]:
        """Return a profile with the clips, and the names of the clips that can't be used."""
        embeddings: list[NDArray[np.float32]] = []
        skipped: list[str] = []
        problem: ProblemError | None = None
        for clip in clips:
            try:
                with self._utterance(clip, deadline) as sound:
                    spoken = self.recognizer.predict_with_embeddings(sound.source, progress=deadline.check)[1]
                    if not len(spoken):
                        raise SilenceError("the array has no speech, and a model adapts to speech only")
                embeddings.append(spoken)
            except ProblemError as error:
                deadline.check()
                if error.code in _NOT_OF_A_CLIP:
                    raise
                skipped, problem = [*skipped, clip.name], error
        if not embeddings:
            if problem is not None and not start.n_clips:
                raise problem
            return start, skipped
        # at once: what clips have in common shows in all of them together
        return self.recognizer.extended(start, np.concatenate(embeddings)), skipped
