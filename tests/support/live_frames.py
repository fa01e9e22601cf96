"""Samples of the repository as live frames of 20 ms, at any rate and with any number of channels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from emotone import audio
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
#: Two utterances: a woman, a pause, and a man.
SPOKEN = ("woman_plain.wav", "man_lively.wav")


@dataclass(frozen=True)
class Sound:
    """16-bit PCM, interleaved."""

    pcm: bytes
    rate: int = 16_000
    channels: int = 1

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (2 * self.rate * self.channels)

    def frames(self, seconds: float = 0.02) -> list[bytes]:
        """The frames; the last may be shorter."""
        size = round(self.rate * seconds) * 2 * self.channels
        return [self.pcm[start : start + size] for start in range(0, len(self.pcm), size)]

    def part(self, start_s: float, end_s: float) -> "Sound":
        """A part of the sound."""
        start, end = (round(at * self.rate) * 2 * self.channels for at in (start_s, end_s))
        return Sound(self.pcm[start:end], self.rate, self.channels)


@cache
def spoken(names: Sequence[str] = SPOKEN, *, rate: int = 16_000, channels: int = 1, pause_s: float = 1.0) -> Sound:
    """Sample clips with a pause before each and after the last; a second channel has half the level."""
    pause = np.zeros(round(pause_s * audio.SAMPLE_RATE), np.float32)
    parts = [part for name in names for part in (pause, audio.read(SAMPLES / name))]
    mono = soxr.resample(np.concatenate([*parts, pause]), audio.SAMPLE_RATE, rate)
    levels = 1 / 2 ** np.arange(channels)
    pcm = (np.clip(mono[:, None] * levels, -1, 1) * 32_767).astype("<i2").tobytes()
    return Sound(pcm, rate, channels)


def direct(recognizer: Recognizer, sound: Sound, *, adapt: bool | None = None, **settings) -> list[Event]:
    """The events of `Recognizer.stream` itself."""
    adapt = recognizer.adapts if adapt is None else adapt
    stream = recognizer.stream(rate=sound.rate, channels=sound.channels, adapt=adapt, **settings)
    return [event for frame in sound.frames() for event in stream.push(frame)] + stream.finish()


def example(partner: str) -> list[str]:
    """The Python blocks of a section of docs/voice-agents.md."""
    page = (SAMPLES.parent / "docs" / "voice-agents.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {partner}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def utterances(events: Sequence[Event]) -> list:
    """The predictions for utterances."""
    return [event.prediction for event in events if event.kind == "speech_end" and event.prediction is not None]
