"""Emotion in a Pipecat pipeline: `EmotionProcessor` takes the caller's sound, and pushes the emotion of each utterance.

Needs the extra ``pipecat``.  Pipecat is https://github.com/pipecat-ai/pipecat.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emotone.errors import MissingExtraError
from emotone.integrations.background import Answer, BackgroundStreams, Voice
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import Profile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import StreamSettings

try:
    from loguru import logger
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InputAudioRawFrame,
        StartFrame,
        SystemFrame,
    )
    from pipecat.metrics.metrics import MetricsData
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("loguru", "pipecat"):
        raise
    raise MissingExtraError("the Pipecat integration", extra="pipecat") from error


@dataclass
class EmotionFrame(SystemFrame):
    """The emotion of an utterance, after its end.

    A system frame, as those of Pipecat that say when the user speaks: the interruption that an utterance causes does
    not drop its emotion.

    Attributes
    ----------
    prediction
        The emotion.  ``start_s`` and ``end_s`` are seconds of this participant's sound from its first frame on.
    user_id
        The participant; "" if the transport does not say who it is.  ``transport_source`` is that of the sound.
    """

    prediction: Prediction
    user_id: str = ""

    def __str__(self) -> str:
        answer = self.prediction
        return (
            f"{self.name}(user: {self.user_id}, label: {answer.label}, confidence: {answer.confidence:.2f}, "
            f"start: {answer.start_s:.2f}, end: {answer.end_s:.2f})"
        )


@dataclass
class InterimEmotionFrame(SystemFrame):
    """The emotion of the last seconds, while a participant speaks; see `EmotionFrame` for the attributes."""

    prediction: Prediction
    user_id: str = ""

    __str__ = EmotionFrame.__str__


class EmotionProcessor(FrameProcessor):
    """Predict the emotion of each utterance of each participant.

    Place it after the input of the transport.  All frames are passed on unchanged, in their order and at once; the
    model runs on a thread.  Sound that can't be used is logged and reported upstream as an `ErrorFrame`, once until
    the participant's sound is good again.

    Event handlers available:

    - on_emotion: Called with the `EmotionFrame` of each utterance

    Parameters
    ----------
    recognizer
        The model; several processors may share it.  None: the built-in model.
    profile
        What is known of the caller, from `Recognizer.adapt`; or user id -> profile.
    adapt
        Adapt to each participant, by the utterances until now; None: if the model adapts.
    interim
        Push an `InterimEmotionFrame` about every half second while a participant speaks.
    settings
        Window, interval and speech detection.
    backlog_s, idle_s
        What happens to sound that comes faster than it is processed, and when it stops: see `BackgroundStreams`.  An
        `EndFrame` waits at most ``backlog_s`` for the last utterances.
    **kwargs
        Passed to `FrameProcessor`, such as ``name``.

    Raises
    ------
    ConfigError
        An argument is out of range, the model can't adapt, or a profile belongs to another model.

    Notes
    -----
    In a pipeline::

        emotion = EmotionProcessor()

        @emotion.event_handler("on_emotion")
        async def on_emotion(processor, frame):
            print(frame.user_id, frame.prediction.label)

        pipeline = Pipeline([transport.input(), emotion, stt, ...])
    """

    def __init__(
        self,
        recognizer: Recognizer | None = None,
        *,
        profile: Profile | Mapping[str, Profile] | None = None,
        adapt: bool | None = None,
        interim: bool = False,
        settings: StreamSettings | None = None,
        backlog_s: float = 5.0,
        idle_s: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        recognizer = recognizer or Recognizer()
        self._interim, self._end_timeout_s = interim, backlog_s
        self._streams = BackgroundStreams(
            recognizer, profile=profile, adapt=adapt, settings=settings, backlog_s=backlog_s, idle_s=idle_s
        )
        self._answers_task: asyncio.Task[None] | None = None
        self._failing: set[Voice] = set()
        self.set_core_metrics_data(MetricsData(processor=self.name, model=recognizer.card["name"]))
        self._register_event_handler("on_emotion")

    @property
    def profiles(self) -> dict[str, Profile]:
        """User id -> profile of the participant, with what was said until now: to be saved, if the person agrees.

        Of a participant with several sources, such as microphone and screen, it is the one with the most utterances.
        """
        known = sorted(self._streams.profiles.items(), key=lambda item: item[1].n_clips)
        return {voice.user_id: profile for voice, profile in known}

    def can_generate_metrics(self) -> bool:
        """Return True: the processing time of an utterance is from its last frame to its `EmotionFrame`."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass a frame on, and take its sound if it is a participant's."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._answers_task is None:
            self._answers_task = self.create_task(self._push_answers())
        elif isinstance(frame, EndFrame):
            await self._end()
        elif isinstance(frame, CancelFrame):
            await self._cancel()
        elif isinstance(frame, InputAudioRawFrame) and direction == FrameDirection.DOWNSTREAM:
            self._take(frame)
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Stop the thread."""
        await super().cleanup()
        await self._cancel()

    def _take(self, frame: InputAudioRawFrame) -> None:
        voice = Voice(getattr(frame, "user_id", ""), frame.transport_source)
        dropped_s = self._streams.push(voice, frame.audio, rate=frame.sample_rate, channels=frame.num_channels)
        if dropped_s:
            logger.warning(f"{self}: predictions are too slow, {dropped_s:.1f} s of the user {voice.user_id!r} dropped")

    async def _push_answers(self) -> None:
        async for answer in self._streams.answers():
            if answer.error is not None:
                await self._report(answer.voice, answer.error)
            else:
                self._failing.discard(answer.voice)
                await self._push_answer(answer)

    async def _push_answer(self, answer: Answer) -> None:
        event, voice = answer.event, answer.voice
        if event is None or event.prediction is None:
            return
        is_end = event.kind == "speech_end"
        if is_end or self._interim:
            frame = (EmotionFrame if is_end else InterimEmotionFrame)(event.prediction, voice.user_id)
            frame.transport_source = voice.source
            await self.push_frame(frame)
        if is_end:
            now = time.time()
            await self.start_processing_metrics(start_time=now - answer.delay_s)
            await self.stop_processing_metrics(end_time=now)
            await self._call_event_handler("on_emotion", frame)

    async def _report(self, voice: Voice, error: Exception) -> None:
        if voice not in self._failing:
            self._failing.add(voice)
            await self.push_error(f"no emotion of the user {voice.user_id!r}: {error}", exception=error)

    async def _end(self) -> None:
        """Push what is known of the last utterances."""
        self._streams.close()
        if self._answers_task is not None:
            done, _ = await asyncio.wait([self._answers_task], timeout=self._end_timeout_s)
            if not done:
                logger.warning(f"{self}: the last utterances took over {self._end_timeout_s:g} s and are left out")
        await self._cancel()

    async def _cancel(self) -> None:
        self._streams.shutdown()
        if self._answers_task is not None:
            await self.cancel_task(self._answers_task)
            self._answers_task = None
