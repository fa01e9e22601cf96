"""Run streams beside an event loop: a stream per voice, on a thread, in order, with a bounded backlog.

A prediction takes about 20 ms of computation, and audio frames come every 20 ms: on the event loop itself, it would
delay the sound of everybody.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

from emotone.errors import AudioError
from emotone.recognition.arguments import check_switch
from emotone.recognition.profile import Profile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event, Stream, StreamSettings
from emotone.validation import check_range

#: Bytes of a sample of 16-bit PCM.
_SAMPLE_BYTES = 2
_MAX_WAIT_S = 3600.0


class Voice(NamedTuple):
    """What a stream belongs to: a participant, and which of the participant's sources, such as "microphone"."""

    user_id: str = ""
    source: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a stream says of a voice.

    Attributes
    ----------
    voice
        Whose sound it is.
    event
        The event; its times are seconds of this voice's sound.  None for an error.
    error
        Why a frame could not be used; None for an event.
    delay_s
        Seconds from the arrival of the frame that caused it.
    """

    voice: Voice
    event: Event | None
    error: Exception | None
    delay_s: float


@dataclass(frozen=True)
class _Work:
    """A step of the thread: a frame, or without a chunk the end of the stream."""

    voice: Voice
    arrived_s: float
    chunk: bytes = b""
    rate: int = 0
    channels: int = 0
    dropped_s: float = 0.0
    error: AudioError | None = None

    @property
    def seconds(self) -> float:
        return len(self.chunk) / (_SAMPLE_BYTES * self.channels * self.rate) if self.chunk else 0.0


class _VoiceStream:
    """The stream of a voice; a new one begins where sound is missing or its format changes.

    The profile goes on, and so does the time.
    """

    def __init__(self, recognizer: Recognizer, profile: Profile | None, adapt: bool, settings: StreamSettings) -> None:
        self.profile = profile
        self._recognizer, self._adapt, self._settings = recognizer, adapt, settings
        self._stream: Stream | None = None
        self._format = (0, 0)
        self._start_s = 0.0  # of the current stream
        self._n_samples = 0  # of the current stream

    def events(self, work: _Work) -> Iterator[Event]:
        """Yield the events of a step."""
        if self._stream is not None and (work.rate, work.channels) != self._format:
            yield from self._finish(self._stream)
        self._start_s += work.dropped_s
        if not work.chunk:
            return
        if self._stream is None:
            self._stream = self._recognizer.stream(
                rate=work.rate,
                channels=work.channels,
                profile=self.profile,
                adapt=self._adapt,
                settings=self._settings,
            )
            self._format = (work.rate, work.channels)
        self._n_samples += len(work.chunk) // (_SAMPLE_BYTES * work.channels)
        for event in self._stream.push(work.chunk):
            yield self._timed(event)
        self.profile = self._stream.profile

    def _finish(self, stream: Stream) -> Iterator[Event]:
        self._stream = None
        for event in stream.finish():
            yield self._timed(event)
        self.profile = stream.profile
        self._start_s += self._n_samples / self._format[0]
        self._n_samples = 0

    def _timed(self, event: Event) -> Event:
        """Return an event with times from the voice's first sound."""
        answer = event.prediction
        if answer is not None:
            answer = replace(answer, start_s=answer.start_s + self._start_s, end_s=answer.end_s + self._start_s)
        return replace(event, time_s=event.time_s + self._start_s, prediction=answer)


class BackgroundStreams:
    """Take frames of sound without blocking, and give the events of their voices.

    Parameters
    ----------
    recognizer
        The model.
    profile
        Profile that each voice begins with; or user id -> profile, for voices that are known.
    adapt
        Add each utterance to the profile of its voice; None: if the model adapts.
    settings
        Window, interval and speech detection.
    backlog_s
        If more seconds of a voice wait than this, 0.1 to 3600, all that wait are dropped: its stream ends before them,
        and a new one begins after them.  No answer covers both sides of a gap.
    idle_s
        A voice without a frame for so many seconds, 0.1 to 3600, has stopped speaking: its utterance ends.  (Time in a
        stream is counted in samples, so a muted microphone would never end it.)

    Attributes
    ----------
    dropped_s
        Seconds of sound that were dropped, of all voices.

    Raises
    ------
    ConfigError
        An argument is out of range, the model can't adapt, or a profile belongs to another model.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        profile: Profile | Mapping[str, Profile] | None = None,
        adapt: bool | None = None,
        settings: StreamSettings | None = None,
        backlog_s: float = 5.0,
        idle_s: float = 1.0,
    ) -> None:
        self._adapt = recognizer.adapts if adapt is None else adapt
        check_switch("adapt", self._adapt)
        if self._adapt:
            recognizer.new_profile()  # raises if the model can't
        for known in profile.values() if isinstance(profile, Mapping) else [profile]:
            if known is not None:
                recognizer.check_profile(known)
        check_range("backlog_s", backlog_s, 0.1, _MAX_WAIT_S, unit="seconds")
        check_range("idle_s", idle_s, 0.1, _MAX_WAIT_S, unit="seconds")
        self._recognizer, self._profile, self._settings = recognizer, profile, settings or StreamSettings()
        self._backlog_s, self._idle_s = backlog_s, idle_s
        self.dropped_s = 0.0
        self._streams: dict[Voice, _VoiceStream] = {}
        self._last_s: dict[Voice, float] = {}  # when the last frame came, of voices whose stream is open
        self._work: deque[_Work] = deque()
        self._waiting_s: dict[Voice, float] = {}
        self._arrived = asyncio.Event()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="emotone-background")

    @property
    def profiles(self) -> dict[Voice, Profile]:
        """The profile of each voice that has one, with what it said until now."""
        return {voice: stream.profile for voice, stream in self._streams.items() if stream.profile is not None}

    def push(self, voice: Voice, chunk: bytes, *, rate: int, channels: int) -> float:
        """Take a frame, and return the seconds of sound that were dropped for it, mostly 0.

        Parameters
        ----------
        voice
            Whose sound it is.
        chunk
            16-bit little-endian PCM, channels interleaved.  If it isn't, an answer says so; nothing is raised.
        rate, channels
            Sample rate, Hz, and number of channels.  They may change.
        """
        if self._closed or not chunk:
            return 0.0
        now = time.monotonic()
        try:
            _check_frame(chunk, rate=rate, channels=channels)
        except AudioError as error:
            self._add(_Work(voice, now, error=error))
            return 0.0
        work = _Work(voice, now, chunk, rate, channels)
        dropped_s = 0.0
        if self._waiting_s.get(voice, 0.0) + work.seconds > self._backlog_s:
            dropped_s = self._drop(voice, now)
        self._waiting_s[voice] = self._waiting_s.get(voice, 0.0) + work.seconds
        self._last_s[voice] = now
        self._add(work)
        return dropped_s

    def close(self) -> None:
        """Take no more sound.  `answers` ends after all that waits, and after the last utterance of each voice."""
        for voice in self._last_s:
            self._work.append(_Work(voice, time.monotonic()))
        self._last_s.clear()
        self._closed = True
        self._arrived.set()

    def shutdown(self) -> None:
        """Take no more sound, and drop what waits; the thread ends after its current step."""
        self._closed = True
        self._work.clear()
        self._arrived.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield the events and errors of all voices, in the order of their frames, until `close`; to be called once."""
        loop = asyncio.get_running_loop()
        while (work := await self._next()) is not None:
            for result in await loop.run_in_executor(self._thread, self._results, work):
                delay_s = time.monotonic() - work.arrived_s
                event, error = (result, None) if isinstance(result, Event) else (None, result)
                yield Answer(work.voice, event, error, delay_s)

    def _add(self, work: _Work) -> None:
        self._work.append(work)
        self._arrived.set()

    def _drop(self, voice: Voice, now: float) -> float:
        """Drop the frames of a voice that wait, and return their seconds."""
        dropped_s = sum(work.seconds for work in self._work if work.voice == voice)
        self._work = deque(work for work in self._work if work.voice != voice or not work.chunk)
        self._waiting_s[voice] = 0.0
        self._work.append(_Work(voice, now, dropped_s=dropped_s))
        self.dropped_s += dropped_s
        return dropped_s

    async def _next(self) -> _Work | None:
        """Return the next step as soon as there is one; None after the last."""
        while True:
            self._end_idle()
            if self._work:
                work = self._work.popleft()
                if work.chunk:
                    self._waiting_s[work.voice] -= work.seconds
                return work
            if self._closed:
                return None
            idle_at_s = min(self._last_s.values(), default=None)
            wait_s = None if idle_at_s is None else max(0.0, idle_at_s + self._idle_s - time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), wait_s)
            self._arrived.clear()

    def _end_idle(self) -> None:
        now = time.monotonic()
        for voice in [voice for voice, last_s in self._last_s.items() if now - last_s >= self._idle_s]:
            del self._last_s[voice]
            self._work.append(_Work(voice, now))

    def _results(self, work: _Work) -> list[Event | Exception]:
        """Do a step, on the thread; an error does not stop the other voices."""
        results: list[Event | Exception] = []
        try:
            if work.error is not None:
                raise work.error
            results.extend(self._stream(work.voice).events(work))
        except Exception as error:  # what plays the sound must go on, whatever happens here
            results.append(error)
        return results

    def _stream(self, voice: Voice) -> _VoiceStream:
        if voice not in self._streams:
            profile = self._profile.get(voice.user_id) if isinstance(self._profile, Mapping) else self._profile
            self._streams[voice] = _VoiceStream(self._recognizer, profile, self._adapt, self._settings)
        return self._streams[voice]


def _check_frame(chunk: bytes, *, rate: int, channels: int) -> None:
    """Raise `AudioError` unless a frame consists of whole 16-bit samples of all channels at a possible rate."""
    if type(rate) is not int or rate < 1 or type(channels) is not int or channels < 1:
        raise AudioError(
            f"a frame has the rate {rate!r} and {channels!r} channels; expected whole numbers, such as 16000 and 1"
        )
    if len(chunk) % (_SAMPLE_BYTES * channels):
        raise AudioError(
            f"a frame has {len(chunk)} bytes; expected 16-bit samples of {channels} channels, a multiple of "
            f"{_SAMPLE_BYTES * channels}"
        )
