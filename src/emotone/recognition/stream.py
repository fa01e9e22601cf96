"""Predict emotion in live sound: repeatedly during speech, and once more when it ends.

Time is counted in samples, without threads or a clock, so the sizes of the chunks do not change the events.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES
from emotone.audio.decoding import AudioSource
from emotone.audio.resampling import SAMPLE_RATE, LiveResampler
from emotone.audio.speech_detector import FRAME, Gate, Probability, SpeechDetector, VadSettings
from emotone.errors import AudioError, EmotoneError
from emotone.recognition.arguments import check_switch
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.windows import RecentSamples
from emotone.validation import check_range

Kind = Literal["speech_start", "emotion", "speech_end"]
#: Shorter utterances do not change the speaker's profile, seconds.
_MIN_ADAPTATION_S = 1.0


@dataclass(frozen=True)
class Event:
    """An event in a stream.

    Attributes
    ----------
    kind
        ``"speech_start"``: speech began; ``"emotion"``: a prediction for the last seconds, during speech;
        ``"speech_end"``: speech ended, with a prediction for the whole utterance.
    time_s
        Seconds from the start of the stream.
    prediction
        None at the start of speech, and at the end of an utterance that is too short or too soft for a prediction.
    speaker
        Name of the speaker, if each has a channel; see `emotone.recognition.channel_stream`.
    """

    kind: Kind
    time_s: float
    prediction: Prediction | None = None
    speaker: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON: ``kind``, ``time_s``, and the keys of `Prediction.to_dict`.

        An event without a prediction has ``speaker`` only of the latter, if it is known.
        """
        prediction = {} if self.prediction is None else self.prediction.to_dict()
        speaker = {} if self.speaker is None else {"speaker": self.speaker}
        return {"kind": self.kind, "time_s": round(self.time_s, 3), **prediction, **speaker}


@dataclass(frozen=True)
class StreamSettings:
    """Settings of a stream.

    Attributes
    ----------
    every_s
        Seconds between two predictions during speech, 0.1 to 60.
    window_s
        Each such prediction covers at most this many seconds, the last ones, 0.5 to 30.
    vad
        Settings of the speech detector.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """

    every_s: float = 0.5
    window_s: float = 3.0
    vad: VadSettings = VadSettings()

    def __post_init__(self) -> None:
        check_range("every_s", self.every_s, 0.1, 60, unit="seconds")
        check_range("window_s", self.window_s, 0.5, 30, unit="seconds")


class StreamModel(Protocol):
    """The part of `emotone.recognition.recognizer.Recognizer` that a stream uses."""

    emotions: tuple[str, ...]

    @property
    def speech_gate(self) -> Gate | None:
        """The model's own probability of speech."""

    def new_profile(self) -> SpeakerProfile:
        """Return the profile of an unknown speaker."""

    def check_profile(self, profile: Profile) -> None:
        """Raise `ConfigError` for the profile of another model."""

    def adapt(self, clips: Iterable[AudioSource], *, profile: SpeakerProfile | None = None) -> SpeakerProfile:
        """Return the profile of the speaker, extended by these clips."""

    def adapt_source(self, clips: Iterable[AudioSource], *, profile: SourceProfile | None = None) -> SourceProfile:
        """Return the profile of the source, extended by these clips."""

    def predict(self, source: AudioSource, *, profile: Profile | None = None) -> Prediction:
        """Return the prediction for an utterance."""


class Stream:
    """Turn chunks of sound into events.

    Parameters
    ----------
    recognizer
        The model; several streams may share it.
    rate
        Sample rate of the chunks, Hz, 1,000 to 384,000.
    channels
        Number of channels of the chunks, 1 to 32; they are averaged.
    profile
        Profile of the speaker, see `Recognizer.adapt`, or of the source, see `Recognizer.adapt_source`.
    adapt
        Add each utterance to the profile, for the next ones.  Without ``profile``, or with that of a speaker, the
        stream must have a single speaker; that of a source can have any number of speakers.
    settings
        Window, interval and speech detection.
    probability
        See `SpeechDetector`.

    Attributes
    ----------
    profile
        The current profile; None without ``profile`` and ``adapt``.

    Raises
    ------
    AudioError
        The rate or the number of channels is out of range.
    ConfigError
        The model can't adapt, or ``profile`` belongs to another model.

    Notes
    -----
    A microphone::

        stream = Stream(recognizer, rate=48_000)
        for chunk in microphone:
            for event in stream.push(chunk):
                print(event)
    """

    def __init__(
        self,
        recognizer: StreamModel,
        *,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        profile: Profile | None = None,
        adapt: bool = False,
        settings: StreamSettings | None = None,
        probability: Probability | None = None,
    ) -> None:
        check_switch("adapt", adapt)
        if profile is not None:
            recognizer.check_profile(profile)
        self.recognizer = recognizer
        self.profile: Profile | None = recognizer.new_profile() if adapt and profile is None else profile
        self.adapt = adapt
        self.settings = settings or StreamSettings()
        self._live = LiveResampler(rate, channels)
        gate = None if probability is not None else recognizer.speech_gate
        self._detector = SpeechDetector(self.settings.vad, probability=probability, gate=gate)
        self._kept = RecentSamples()
        self._pending = np.zeros(0, np.float32)  # less than a frame
        self._predicted = 0  # number of the sample at which the last prediction was made
        self._finished = False

    @property
    def time_s(self) -> float:
        """Seconds of the stream that were processed."""
        return self._detector.n_samples / SAMPLE_RATE

    def push(self, chunk: bytes | bytearray | memoryview | NDArray[Any]) -> list[Event]:
        """Process the next chunk and return its events in order of time.

        Parameters
        ----------
        chunk
            16-bit little-endian PCM, channels interleaved, or an array (n,) or (n, channels) of floating point in
            [-1, 1] or int16; of any length, also empty.

        Raises
        ------
        AudioError
            The chunk has the wrong type or shape or values that are not finite, or the stream is finished.
        BundleError
            The model fails.  The stream is then finished, since events of this chunk are lost.
        """
        if self._finished:
            raise AudioError("the stream is finished and accepts no more sound; start a new stream")
        samples = self._live.push(chunk)
        try:
            return list(self._events(samples))
        except EmotoneError:
            self._finished = True
            raise

    def finish(self) -> list[Event]:
        """End the stream and any current utterance.  A second call returns no events."""
        if self._finished:
            return []
        events = list(self._events(self._live.finish()))
        self._finished = True
        self._kept.append(self._pending)
        begun = self._detector.begun
        for edge in self._detector.finish():
            stop = edge.sample if self._detector.n_samples > edge.sample else self._kept.end
            events.append(self._ended(begun or 0, stop))
        return events

    def _events(self, samples: NDArray[np.float32]) -> Iterator[Event]:
        pending = np.concatenate([self._pending, samples])
        whole = len(pending) - len(pending) % FRAME
        self._pending = pending[whole:].copy()
        for at in range(0, whole, FRAME):
            yield from self._frame(pending[at : at + FRAME])

    def _frame(self, frame: NDArray[np.float32]) -> Iterator[Event]:
        detector = self._detector
        before = detector.begun
        self._kept.append(frame)
        for edge in detector.push_frame(frame):
            if edge.kind == "start":
                self._predicted = edge.sample
                yield Event("speech_start", edge.sample / SAMPLE_RATE)
            else:
                yield self._ended(before or 0, edge.sample)
        now = detector.n_samples
        if detector.begun is None:
            self._kept.drop_before(now - round(detector.lookback_s * SAMPLE_RATE))
        elif not detector.is_quiet and now - self._predicted >= self.settings.every_s * SAMPLE_RATE:
            self._predicted = now
            start = max(detector.begun, now - round(self.settings.window_s * SAMPLE_RATE))
            prediction = self._predict(start, now)
            if prediction is not None:
                yield Event("emotion", now / SAMPLE_RATE, prediction)

    def _ended(self, start: int, stop: int) -> Event:
        prediction = self._predict(start, stop)
        is_speech = prediction is not None and prediction.is_speech
        if self.adapt and is_speech and stop - start >= _MIN_ADAPTATION_S * SAMPLE_RATE:
            utterance = (self._kept.between(start, stop), SAMPLE_RATE)
            with contextlib.suppress(AudioError):  # a part of it was speech, its utterances are not
                if isinstance(self.profile, SourceProfile):
                    self.profile = self.recognizer.adapt_source([utterance], profile=self.profile)
                elif isinstance(self.profile, SpeakerProfile):
                    self.profile = self.recognizer.adapt([utterance], profile=self.profile)
        self._kept.drop_before(stop)
        return Event("speech_end", stop / SAMPLE_RATE, prediction)

    def _predict(self, start: int, stop: int) -> Prediction | None:
        if stop - start < MIN_SAMPLES:
            return None
        utterance = (self._kept.between(start, stop), SAMPLE_RATE)
        try:
            prediction = self.recognizer.predict(utterance, profile=self.profile)
        except AudioError:  # the detector took it for speech, but it is too soft for a prediction
            return None
        return replace(prediction, start_s=start / SAMPLE_RATE, end_s=stop / SAMPLE_RATE)
