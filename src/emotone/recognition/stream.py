"""Live sound in, events out: who speaks is answered for while they speak, and once more when they stop.

There are no threads here, and no clock: time is counted in samples, so the same sound gives the same events however it
is cut into chunks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES
from emotone.audio.decoding import AudioSource
from emotone.audio.resampling import SAMPLE_RATE, LiveResampler
from emotone.audio.speech_detector import FRAME, Probability, SpeechDetector, VadSettings
from emotone.errors import AudioError, ConfigError
from emotone.recognition.prediction import Prediction

if TYPE_CHECKING:
    from emotone.recognition.profile import SpeakerProfile

Kind = Literal["speech_start", "emotion", "speech_end"]
#: The shortest stretch that is answered for, and the shortest that a profile learns from, seconds.
_LEAST_HEARD_S = 1.0


@dataclass(frozen=True)
class Event:
    """What happened in a stream.

    Attributes
    ----------
    kind
        ``"speech_start"``: somebody began to speak; ``"emotion"``: what the last seconds sound like, while they
        speak; ``"speech_end"``: they stopped, and this is the answer for all that they said.
    time_s
        When, in seconds of the stream.
    prediction
        The answer; None at a start, and at the end of what was too short to be answered for.
    n_heard
        Utterances that the answer's profile of the speaker was taken from; 0 without adaptation.
    """

    kind: Kind
    time_s: float
    prediction: Prediction | None = None
    n_heard: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON: ``kind``, ``time_s``, and the keys of `Prediction.to_dict`.

        An event without a prediction has none of the latter.  ``n_heard`` is there if the stream adapted.
        """
        prediction = {} if self.prediction is None else self.prediction.to_dict()
        adapted = {"n_heard": self.n_heard} if self.n_heard else {}
        return {"kind": self.kind, "time_s": round(self.time_s, 3), **prediction, **adapted}


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is answered for.

    Attributes
    ----------
    every_s
        Seconds of speech between two answers while somebody speaks.
    window_s
        Seconds of speech that such an answer is for, the last ones.
    vad
        When speech begins and ends.
    """

    every_s: float = 0.5
    window_s: float = 3.0
    vad: VadSettings = VadSettings()

    def __post_init__(self) -> None:
        if not 0.1 <= self.every_s <= 60:
            raise ConfigError(f"every_s is {self.every_s}; expected seconds, 0.1 to 60")
        if not 0.5 <= self.window_s <= 30:
            raise ConfigError(f"window_s is {self.window_s}; expected seconds, 0.5 to 30")


class StreamModel(Protocol):
    """What a stream needs of `emotone.recognition.recognizer.Recognizer`."""

    emotions: tuple[str, ...]

    def new_profile(self) -> "SpeakerProfile":
        """Return the profile of an unknown speaker."""

    def check_profile(self, profile: "SpeakerProfile") -> None:
        """Refuse the profile of another model."""

    def adapt(self, clips: Iterable[AudioSource], *, profile: "SpeakerProfile | None" = None) -> "SpeakerProfile":
        """Return a profile that has also seen these clips."""

    def predict(self, source: AudioSource, *, profile: "SpeakerProfile | None" = None) -> Prediction:
        """Return the prediction for an utterance."""


class Stream:
    """Turns chunks of sound into events.

    Parameters
    ----------
    recognizer
        Answers; several streams may share it.
    rate
        Samples a second of what is pushed, Hz, 1,000 to 384,000.
    channels
        Of what is pushed, 1 to 32; they are averaged.
    profile
        How the speaker usually sounds, see `Recognizer.adapt`.
    adapt
        Whether each utterance tells how the speaker sounds, for those after it; for streams of one speaker.
    settings
        How it is answered for.
    probability
        See `SpeechDetector`.

    Attributes
    ----------
    profile
        What is known of the speaker so far, None where nothing is or the stream doesn't adapt.

    Raises
    ------
    AudioError
        The rate or the number of channels is out of range.
    ConfigError
        The model can't adapt, or ``profile`` is of another model.

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
        recognizer: "StreamModel",
        *,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        profile: "SpeakerProfile | None" = None,
        adapt: bool = False,
        settings: StreamSettings | None = None,
        probability: Probability | None = None,
    ) -> None:
        if profile is not None:
            recognizer.check_profile(profile)
        self.recognizer = recognizer
        self.profile = recognizer.new_profile() if adapt and profile is None else profile
        self.adapt = adapt
        self.settings = settings or StreamSettings()
        self._live = LiveResampler(rate, channels)
        self._detector = SpeechDetector(self.settings.vad, probability=probability)
        self._kept = np.zeros(0, np.float32)  # from sample `_first` on
        self._first = 0
        self._pending = np.zeros(0, np.float32)  # less than a frame
        self._answered = 0  # sample up to which the running utterance was answered for
        self._finished = False

    @property
    def time_s(self) -> float:
        """Seconds of the stream that were decided about."""
        return self._detector.n_samples / SAMPLE_RATE

    def push(self, chunk: bytes | bytearray | memoryview | NDArray[Any]) -> list[Event]:
        """Take the next chunk.

        Parameters
        ----------
        chunk
            16-bit little-endian PCM, channels interleaved, or an array (n,) or (n, channels) of floating point in
            [-1, 1] or int16; of any length, also none.

        Returns
        -------
        list of Event
            In order of time.

        Raises
        ------
        AudioError
            The chunk is of another type or shape, or has numbers that are not finite; or the stream was finished.
        """
        if self._finished:
            raise AudioError("the stream is finished and takes no more sound; begin a new one")
        return list(self._events(self._live.push(chunk)))

    def finish(self) -> list[Event]:
        """End the stream; what is being said ends with it.  A second time, nothing happens."""
        if self._finished:
            return []
        events = list(self._events(self._live.finish()))
        self._finished = True
        self._kept = np.concatenate([self._kept, self._pending])
        end = self._first + len(self._kept)
        begun = self._detector.begun
        for edge in self._detector.finish():
            stop = edge.sample if self._detector.n_samples > edge.sample else end
            events.append(self._ended(begun or 0, stop))
        return events

    def _events(self, samples: NDArray[np.float32]) -> Iterator[Event]:
        pending = np.concatenate([self._pending, samples])
        for at in range(0, len(pending) - FRAME + 1, FRAME):
            yield from self._frame(pending[at : at + FRAME])
        self._pending = pending[len(pending) - len(pending) % FRAME :].copy()

    def _frame(self, frame: NDArray[np.float32]) -> Iterator[Event]:
        detector = self._detector
        before = detector.begun
        self._kept = np.concatenate([self._kept, frame])
        for edge in detector.push_frame(frame):
            if edge.kind == "start":
                self._answered = edge.sample
                yield Event("speech_start", edge.sample / SAMPLE_RATE)
            else:
                yield self._ended(before or 0, edge.sample)
        now = detector.n_samples
        if detector.begun is None:
            margin = self.settings.vad.pad_s + self.settings.vad.min_speech_s
            self._forget(now - round(margin * SAMPLE_RATE) - FRAME)
        elif not detector.is_quiet and now - self._answered >= self.settings.every_s * SAMPLE_RATE:
            self._answered = now
            start = max(detector.begun, now - round(self.settings.window_s * SAMPLE_RATE))
            prediction = self._predict(start, now)
            if prediction is not None:
                yield Event("emotion", now / SAMPLE_RATE, prediction, self._n_heard)

    @property
    def _n_heard(self) -> int:
        return 0 if self.profile is None else self.profile.n_clips

    def _ended(self, start: int, stop: int) -> Event:
        prediction, heard = self._predict(start, stop), self._n_heard
        spoken = prediction is not None and prediction.is_speech and stop - start >= _LEAST_HEARD_S * SAMPLE_RATE
        if self.adapt and spoken:
            sound = self._kept[start - self._first : stop - self._first]
            self.profile = self.recognizer.adapt([(sound, SAMPLE_RATE)], profile=self.profile)
        self._forget(stop)
        return Event("speech_end", stop / SAMPLE_RATE, prediction, heard)

    def _predict(self, start: int, stop: int) -> Prediction | None:
        if stop - start < MIN_SAMPLES:
            return None
        sound = self._kept[start - self._first : stop - self._first]
        try:
            found = self.recognizer.predict((sound, SAMPLE_RATE), profile=self.profile if self._n_heard else None)
        except AudioError:  # what the detector took for speech is too soft for any answer
            return None
        return Prediction(
            found.emotion, found.confidence, found.scores, start / SAMPLE_RATE, stop / SAMPLE_RATE, found.speech
        )

    def _forget(self, before: int) -> None:
        if before > self._first:
            self._kept = self._kept[before - self._first :].copy()
            self._first = before
