"""What the page's tabs show, within the limits of the service."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from emotone.errors import BundleError, SilenceError
from emotone.recognition import trust
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.speaker_choice import AUTO, CHANNELS, ONE
from emotone.recognition.timeline import Timeline
from emotone.serve import problems
from emotone.serve.answers import Sound, as_problem, decode, predict_json
from emotone.serve.own_source import OwnSource
from emotone.serve.page import html
from emotone.serve.page.timeline_html import timeline_html
from emotone.serve.problems import ProblemError
from emotone.serve.timelines import TimelineOptions, timeline_of
from emotone.serve.uploads import Upload, shown_name
from emotone.serve.work_queue import Deadline, WorkQueue
from emotone.temporary import temporary_folder

Result = TypeVar("Result")
#: Who speaks in a recording: what `TimelineOptions` may have for ``speakers``.
SPEAKERS = (AUTO, ONE, CHANNELS, *map(str, range(2, 9)))
#: Most clips from which a profile is made at once.
MAX_CLIPS = 20
_log = logging.getLogger(__name__)


class PageHandlers:
    """The handlers of the page's tabs; they open no file outside ``folder``, the folder of the uploads."""

    def __init__(self, recognizer: Recognizer, queue: WorkQueue, source: OwnSource, *, folder: Path) -> None:
        self.folder = folder.resolve()
        self.recognizer, self.queue, self.settings, self.source = recognizer, queue, queue.settings, source
        self._trust = trust.of_card(recognizer.card)

    def is_upload(self, path: str | Path) -> bool:
        """Return whether a client's path is that of an existing upload: folder/HASH/NAME.

        A URL is not an absolute path, though ``http://a/../../..`` may resolve to a file.
        """
        try:
            resolved = Path(path).resolve()
            is_file = Path(path).is_absolute() and resolved.is_file()
            return is_file and len(resolved.relative_to(self.folder).parts) == 2
        except (OSError, ValueError, RuntimeError):  # not a path
            return False

    async def recognise(self, path: str | None) -> str:
        """Return the HTML of the prediction for a recording."""
        if path is None:
            return html.render("hint", text="The answer appears here.")

        def work(deadline: Deadline) -> str:
            with self._utterance(path, deadline) as sound:
                prediction = sound.with_note(self.source.predict(sound.source, progress=deadline.check))
            known = self._trust.of_answer(prediction.confidence)
            return html.render("answer", prediction=prediction, title=title, trust=known)

        title = shown_name(path)
        return await self._run_for_html(work, title=title)

    async def timeline(self, path: str | None, speakers: str = AUTO) -> str:
        """Return the HTML of a recording's timeline, with a lane for each speaker unless there is only one.

        ``speakers`` is a member of `SPEAKERS`.
        """
        if path is None:
            return html.render("hint", text="The timeline appears here.")
        if speakers not in SPEAKERS:  # to a recognizer, other text is the path of a file
            raise gr.Error("this is not a choice of speakers", print_exception=False)

        def work(deadline: Deadline) -> str:
            upload = Upload(*self._read(path))
            knows_source = self.source.profile is not None
            timeline = self._timeline(upload, speakers, deadline)
            return timeline_html(
                timeline, name=upload.name, path=path, knows_source=knows_source, has_lanes=speakers != ONE
            )

        return await self._run_for_html(work, title=shown_name(path))

    async def compare(self, clips: Sequence[str] | None, path: str | None) -> str:
        """Return the HTML of a recording's prediction before and after adapting to the speaker's clips."""
        missing = "the clips of your voice" if not clips else "the other recording" if path is None else ""
        if missing or not clips or path is None:
            return html.render("hint", text=f"Add {missing} first.")
        if len(clips) > MAX_CLIPS:
            return html.render("hint", text=f"There are {len(clips)} clips; at most {MAX_CLIPS} are used. Remove some.")

        def work(deadline: Deadline) -> str:
            profile, skipped = self._adapt(clips, deadline)
            n_clips = len(clips) - len(skipped)
            return html.render(
                "compared",
                before=self._predict(path, deadline),
                after=self._predict(path, deadline, profile=profile),
                title=title,
                n_clips=n_clips,
                composition=html.composition(profile, n_clips=n_clips),
                skipped=skipped,
                profile=_profile_json(profile),
            )

        title = shown_name(path)
        return await self._run_for_html(work, title=title)

    def add_clip(self, clips: list[str] | None, recording: str | None) -> tuple[list[str] | None, None]:
        """Append a recording to the clips, and clear the recorder."""
        if recording is None:
            return clips, None
        return [path for path in [*(clips or []), recording] if self.is_upload(path)], None

    async def predict_json(self, path: str | None, *, as_timeline: bool) -> dict[str, Any]:
        """Return what `POST /v1/predict` returns, for programs."""
        if path is None:
            raise gr.Error("there is no recording; send one", print_exception=False)

        def work(deadline: Deadline) -> dict[str, Any]:
            data, name = self._read(path)
            return predict_json(
                self.recognizer,
                data,
                name,
                as_timeline=as_timeline,
                deadline=deadline,
                settings=self.settings,
                source=self.source,
            )

        try:
            return await self._run(work)
        except ProblemError as problem:
            raise gr.Error(f"{problem.code}: {problem.detail}", print_exception=False) from problem

    async def _run_for_html(self, work: Callable[[Deadline], str], *, title: str) -> str:
        try:
            return await self._run(work)
        except ProblemError as problem:
            return html.problem(problem, title=title)

    async def _run(self, work: Callable[[Deadline], Result]) -> Result:
        deadline = Deadline(self.settings.max_seconds)
        with self.queue.admit() as slot:
            try:
                # Gradio does not say when a client disconnects: the deadline ends the work
                never = asyncio.Event().wait
                return await self.queue.run(lambda: work(deadline), slot=slot, deadline=deadline, gone=never)
            except ProblemError:
                raise
            except BundleError as error:
                raise problems.bad_model(error) from error
            except Exception as error:
                _log.exception("the page failed on a recording")
                raise problems.internal() from error

    def _read(self, path: str) -> tuple[bytes, str]:
        """Return an upload's content and file name."""
        name = shown_name(path)
        try:
            if not self.is_upload(path):
                raise FileNotFoundError(path)
            data = Path(path).read_bytes()
        except OSError as error:
            raise ProblemError("deleted", f"{name} was deleted; send it again") from error
        if len(data) > self.settings.max_upload_bytes:
            raise ProblemError("too_large", f"{name} has {len(data)} bytes; send a shorter or compressed recording")
        return data, name

    def _timeline(self, upload: Upload, speakers: str, deadline: Deadline) -> Timeline:
        try:
            return timeline_of(
                self.recognizer,
                upload,
                options=TimelineOptions(speakers=speakers),
                source=self.source,
                max_duration_s=self.settings.max_duration_s,
                deadline=deadline,
            )
        except ProblemError as problem:
            if problem.code == "bad_request" and speakers == CHANNELS:  # there is one channel only
                raise ProblemError("no_channel", problem.detail) from problem
            raise

    @contextlib.contextmanager
    def _utterance(self, path: str, deadline: Deadline) -> Iterator[Sound]:
        """Decode an upload; errors within the ``with`` statement name it."""
        data, name = self._read(path)
        sound = decode(data, name, max_duration_s=self.settings.max_duration_s, deadline=deadline)
        with as_problem(name, data):
            yield sound

    def _predict(self, path: str, deadline: Deadline, *, profile: SpeakerProfile | None = None) -> Prediction:
        with self._utterance(path, deadline) as sound:
            return sound.with_note(self.recognizer.predict(sound.source, profile=profile, progress=deadline.check))

    def _adapt(self, clips: Sequence[str], deadline: Deadline) -> tuple[SpeakerProfile, list[str]]:
        """Return the profile of the clips, and the names of the clips that can't be used."""
        embeddings: list[NDArray[np.float32]] = []
        skipped: list[str] = []
        problem: ProblemError | None = None
        for path in clips:
            try:
                with self._utterance(path, deadline) as sound:
                    spoken = self.recognizer.predict_with_embeddings(sound.source, progress=deadline.check)[1]
                    if not len(spoken):
                        raise SilenceError("the array has no speech, and a model adapts to speech only")
                embeddings.append(spoken)
            except ProblemError as error:
                deadline.check()
                skipped, problem = [*skipped, shown_name(path)], error
        if not embeddings and problem is not None:
            raise problem
        # at once: what clips have in common shows in all of them together
        return self.recognizer.extended(self.recognizer.new_profile(), np.concatenate(embeddings)), skipped


def _profile_json(profile: SpeakerProfile) -> str:
    with temporary_folder("emotone-profile-") as folder:
        path = folder / "profile.json"
        profile.save(path)
        return path.read_text(encoding="utf-8")
