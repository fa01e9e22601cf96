"""Emotion in LiveKit: `EmotionStream` gives the emotion of each utterance of an audio stream.

Needs the extra ``livekit``.  LiveKit's client for Python is https://github.com/livekit/python-sdks.
"""

import asyncio
import logging
from collections.abc import AsyncIterable
from typing import Self

from emotone.errors import MissingExtraError
from emotone.integrations.background import BackgroundStreams, Voice
from emotone.recognition.profile import Profile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event, StreamSettings

try:
    from livekit.rtc import AudioFrameEvent
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "livekit":
        raise
    raise MissingExtraError("the LiveKit integration", extra="livekit") from error

_log = logging.getLogger(__name__)
_VOICE = Voice()


class EmotionStream:
    """Iterate over the emotions of a participant's utterances; the model runs on a thread.

    Parameters
    ----------
    audio_stream
        A `livekit.rtc.AudioStream`, or another source of its events.
    recognizer
        The model; several streams may share it.  None: the built-in model.
    profile
        What is known of the speaker, see `Recognizer.adapt`.
    adapt
        Adapt to the speaker, by the utterances until now; None: if the model adapts.
    interim
        Also give the emotion of the last seconds, about every half second while the participant speaks.
    settings
        Window, interval and speech detection.
    backlog_s, idle_s
        What happens to sound that comes faster than it is processed, and when it stops: see `BackgroundStreams`.

    Raises
    ------
    ConfigError
        An argument is out of range, the model can't adapt, or the profile belongs to another model.

    Notes
    -----
    Of a track::

        async for event in EmotionStream(rtc.AudioStream(track)):
            print(event.prediction.label)

    Each event is a `emotone.Event` with a prediction: its ``kind`` is "speech_end" for an utterance, "emotion" for an
    interim answer.  A frame that can't be used is logged.  The iteration ends with the audio stream, and raises what it
    raises; `aclose` ends it before.
    """

    def __init__(
        self,
        audio_stream: AsyncIterable[AudioFrameEvent],
        recognizer: Recognizer | None = None,
        *,
        profile: Profile | None = None,
        adapt: bool | None = None,
        interim: bool = False,
        settings: StreamSettings | None = None,
        backlog_s: float = 5.0,
        idle_s: float = 1.0,
    ) -> None:
        self._audio_stream, self._interim = audio_stream, interim
        self._profile = profile
        self._streams = BackgroundStreams(
            recognizer or Recognizer(),
            profile=profile,
            adapt=adapt,
            settings=settings,
            backlog_s=backlog_s,
            idle_s=idle_s,
        )
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()  # None after the last
        self._task: asyncio.Task[None] | None = None
        self._is_closed = self._is_failing = False

    @property
    def profile(self) -> Profile | None:
        """The profile of the speaker, with what was said until now; None without ``profile`` and ``adapt``."""
        return self._streams.profiles.get(_VOICE, self._profile)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._run())
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)  # for a further call
        if self._task is not None and not self._is_closed:
            await self._task  # raises what the audio stream raised
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration, and drop what waits.  The audio stream itself is not closed."""
        self._is_closed = True
        self._streams.shutdown()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._events.put_nowait(None)

    async def _run(self) -> None:
        try:
            for result in await asyncio.gather(self._read(), self._answer(), return_exceptions=True):
                if result is not None:
                    raise result
        finally:
            self._streams.shutdown()
            self._events.put_nowait(None)

    async def _read(self) -> None:
        try:
            async for event in self._audio_stream:
                frame = event.frame
                n_bytes = 2 * frame.num_channels * frame.samples_per_channel  # the memory may be longer
                chunk = bytes(frame.data.cast("B")[:n_bytes])
                dropped_s = self._streams.push(_VOICE, chunk, rate=frame.sample_rate, channels=frame.num_channels)
                if dropped_s:
                    _log.warning("predictions are too slow, %.1f s of sound dropped", dropped_s)
        finally:
            self._streams.close()

    async def _answer(self) -> None:
        async for answer in self._streams.answers():
            event = answer.event
            if event is None:
                if not self._is_failing:
                    _log.warning("no emotion: %s", answer.error)
                self._is_failing = True
                continue
            self._is_failing = False
            if event.prediction is not None and (event.kind == "speech_end" or self._interim):
                self._events.put_nowait(event)
