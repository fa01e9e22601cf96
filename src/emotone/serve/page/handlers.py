"""What the page's tabs answer, within the limits of the service."""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from emotone import audio
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.answers import answer_for, as_problem, decoded, shown_name, utterance
from emotone.serve.page import html, timeline_html
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import Deadline, WorkQueue

Result = TypeVar("Result")
#: Clips that a profile is taken from at once.
MOST_CLIPS = 20
_log = logging.getLogger(__name__)


class PageHandlers:
    """What the page answers, within the limits of the service.

    Parameters
    ----------
    recognizer
        PageHandlers.
    load
        Of the service.
    folder
        Where uploads are; no other file is opened.
    """

    def __init__(self, recognizer: Recognizer, load: WorkQueue, *, folder: Path) -> None:
        self.folder = folder.resolve()
        self.recognizer, self.load, self.settings = recognizer, load, load.settings
        self._trust = html.trusted(recognizer.card)

    def is_upload(self, path: str | Path) -> bool:
        """Tell whether a path that a client names is that of an upload, which is there: its folder/HASH/NAME.

        An address is no absolute path, though ``http://a/../../..`` may resolve to one.
        """
        try:
            given = Path(path)
            found = given.resolve()
            return given.is_absolute() and found.is_file() and len(found.relative_to(self.folder).parts) == 2
        except (OSError, ValueError, RuntimeError):  # no path at all
            return False

    async def recognise(self, path: str | None) -> str:
        """Show the emotion of a recording."""
        if path is None:
            return html.hint("The answer appears here.")

        def work(deadline: Deadline) -> str:
            data, name = self._read(path)
            return html.answer(self._predict(data, name, deadline), title=name, trust=self._trust)

        return await self._shown(work, title=shown_name(path))

    async def timeline(self, path: str | None) -> str:
        """Show the emotions of a recording from moment to moment."""
        if path is None:
            return html.hint("The timeline appears here.")

        def work(deadline: Deadline) -> str:
            data, name = self._read(path)
            samples = decoded(data, name, max_duration_s=self.settings.max_duration_s, deadline=deadline)
            with as_problem(name, data):
                told = self.recognizer.timeline((samples, audio.SAMPLE_RATE), progress=deadline.check)
            return timeline_html.timeline(told, name=name, path=path)

        return await self._shown(work, title=shown_name(path))

    async def compare(self, clips: Sequence[str] | None, path: str | None) -> str:
        """Show the answer for a recording before and after adapting to the speaker's clips."""
        missing = "the clips of your voice" if not clips else "the recording to judge" if path is None else ""
        if missing or not clips or path is None:
            return html.hint(f"Add {missing} first.")
        if len(clips) > MOST_CLIPS:
            return html.hint(f"These are {len(clips)} clips; {MOST_CLIPS} are the most. Remove some.")

        def work(deadline: Deadline) -> str:
            profile, skipped = self._adapted(clips, deadline)
            data, name = self._read(path)
            before = self._predict(data, name, deadline)
            after = self._predict(data, name, deadline, profile=profile)
            return html.compared(
                before,
                after,
                title=name,
                clips=profile.n_clips,
                skipped=skipped,
                saved=timeline_html.download(
                    _json(profile),
                    name="voice.profile.json",
                    kind="application/json",
                    label="Save this voice as a profile",
                ),
            )

        return await self._shown(work, title=shown_name(path))

    def added(self, clips: list[str] | None, spoken: str | None) -> tuple[list[str] | None, None]:
        """Put what was recorded to the clips, and make room for the next recording."""
        if spoken is None:
            return clips, None
        return [one for one in [*(clips or []), spoken] if self.is_upload(one)], None

    async def told(self, path: str | None, *, as_timeline: bool) -> dict[str, Any]:
        """Answer as `POST /v1/predict` does, for programs."""
        if path is None:
            raise gr.Error("there is no recording; send one", print_exception=False)

        def work(deadline: Deadline) -> dict[str, Any]:
            data, name = self._read(path)
            return answer_for(
                self.recognizer, data, name, as_timeline=as_timeline, deadline=deadline, settings=self.settings
            )

        try:
            return await self._answered(work)
        except ProblemError as problem:
            raise gr.Error(f"{problem.code}: {problem.detail}", print_exception=False) from problem

    async def _shown(self, work: Callable[[Deadline], str], *, title: str) -> str:
        try:
            return await self._answered(work)
        except ProblemError as problem:
            return html.problem(problem, title=title)

    async def _answered(self, work: Callable[[Deadline], Result]) -> Result:
        slot, deadline = self.load.admit(), Deadline(self.settings.max_seconds)
        try:
            return await self.load.answer(lambda: work(deadline), slot=slot, deadline=deadline, gone=_never)
        except (ProblemError, asyncio.CancelledError):
            raise
        except Exception as error:
            _log.exception("the page failed on a recording")
            raise problems.internal() from error
        finally:
            if not slot.taken:
                slot.release()

    def _read(self, path: str) -> tuple[bytes, str]:
        name = shown_name(path)
        try:
            if not self.is_upload(path):
                raise FileNotFoundError(path)
            data = Path(path).read_bytes()
        except OSError as error:
            raise ProblemError("bad_request", f"{name} was deleted already; send it again") from error
        if len(data) > self.settings.max_upload_bytes:
            raise ProblemError("too_large", f"{name} has {len(data)} bytes; send a shorter or compressed recording")
        return data, name

    def _predict(
        self, data: bytes, name: str, deadline: Deadline, *, profile: SpeakerProfile | None = None
    ) -> Prediction:
        samples = utterance(data, name, max_duration_s=self.settings.max_duration_s, deadline=deadline)
        with as_problem(name, data):
            source = (samples, audio.SAMPLE_RATE)
            return self.recognizer.predict(source, profile=profile, progress=deadline.check)

    def _adapted(self, clips: Sequence[str], deadline: Deadline) -> tuple[SpeakerProfile, list[str]]:
        """Profile of the clips, and the names of those that brought nothing."""
        skipped: list[str] = []
        profile, problem = self.recognizer.new_profile(), None
        for path in clips:
            name = shown_name(path)
            try:
                data, name = self._read(path)
                samples = utterance(data, name, max_duration_s=self.settings.max_duration_s, deadline=deadline)
                with as_problem(name, data):
                    one = (samples, audio.SAMPLE_RATE)
                    profile = self.recognizer.adapt([one], profile=profile, progress=deadline.check)
            except ProblemError as error:
                deadline.check()
                skipped, problem = [*skipped, name], error
        if profile.n_clips == 0 and problem is not None:
            raise problem
        return profile, skipped


async def _never() -> None:
    """Wait until nobody waits for this: the page does not tell who has gone, and the deadline ends the work."""
    await asyncio.Event().wait()


def _json(profile: SpeakerProfile) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.json"
        profile.save(path)
        return path.read_text(encoding="utf-8")
