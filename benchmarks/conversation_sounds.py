"""Compose conversations from the clips of corpora, with the truth: who speaks when, and with which emotion."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from emotone import audio, corpora
from emotone.audio.speech_bounds import islands

RATE = audio.SAMPLE_RATE
#: Kinds of noise that are mixed in; the other kinds are sounds of animals and people.
NOISES = ("rain", "sea_waves", "helicopter", "crackling_fire")
_LONGEST_TURN_S, _SHORTEST_CLIP_S, _SHORTEST_TURN_S = 10.0, 0.8, 1.0
#: Shares of conversations in a room, with noise, and of turns that begin before the one before has ended.
_IN_ROOM, _WITH_NOISE, _OVERLAPPING = 0.5, 0.5, 0.1
_PAUSES_S, _WITHIN_S, _OVERLAP_S = (0.2, 1.5), (0.1, 0.4), (0.3, 1.0)
_LEVELS_DB, _SNR_DB = (-8.0, 0.0), (20.0, 35.0)
#: Silence within a clip that lasts this long is no speech.
_SILENCE_S = 0.3

Waveform = NDArray[np.float32]


class Spoken(NamedTuple):
    """Sound of a voice: times in seconds."""

    begin_s: float
    end_s: float
    voice: str
    emotion: str


@dataclass(frozen=True)
class Conversation:
    """A composed recording.

    Attributes
    ----------
    samples
        (n,) float32 at 16 kHz.
    truth
        In order of their beginnings; sounds of different voices may overlap.
    """

    samples: Waveform
    truth: tuple[Spoken, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE

    @property
    def voices(self) -> tuple[str, ...]:
        """Names, in order of their first words."""
        return tuple(dict.fromkeys(spoken.voice for spoken in self.truth))

    def rttm(self) -> str:
        """Return who speaks when, in NIST's format."""
        return "".join(
            f"SPEAKER conversation 1 {spoken.begin_s:.3f} {spoken.end_s - spoken.begin_s:.3f} <NA> <NA> "
            f"{spoken.voice} <NA> <NA>\n"
            for spoken in self.truth
        )


@dataclass
class Voices:
    """The clips of a corpus, by voice and emotion, without silence at both ends.

    Parameters
    ----------
    corpus
        Name of the corpus.
    data
        The folder of the corpora.
    emotions
        Clips of other emotions are left out.
    """

    corpus: str
    data: Path
    emotions: tuple[str, ...]
    _clips: dict[str, Waveform] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        table = corpora.load(self.corpus, self.data).table
        table = table[table["emotion"].isin(self.emotions)]
        self.paths: dict[str, dict[str, list[str]]] = {}
        for (voice, emotion), rows in table.groupby(["speaker", "emotion"]):
            self.paths.setdefault(str(voice), {})[str(emotion)] = [str(path) for path in rows["path"]]

    @property
    def names(self) -> list[str]:
        """Voices with three emotions or more."""
        return sorted(name for name, emotions in self.paths.items() if len(emotions) >= 3)

    @property
    def emotions_of_voices(self) -> set[str]:
        """Emotions of the clips."""
        return {emotion for emotions in self.paths.values() for emotion in emotions}

    def clip(self, path: str) -> Waveform:
        """Return a clip at a level of -26 dB."""
        if path not in self._clips:
            samples = audio.read(path)
            sounds = islands(samples, gap_s=_SILENCE_S)
            samples = samples[sounds[0][0] : sounds[-1][1]]
            self._clips[path] = (samples * (0.05 / max(1e-6, float(np.sqrt(np.mean(samples**2)))))).astype(np.float32)
        return self._clips[path]

    def drawn(self, voice: str, emotion: str, rng: np.random.Generator) -> Waveform:
        """Return any clip of a voice and emotion that is long enough for a turn."""
        paths = self.paths[voice][emotion]
        for _ in range(10):
            samples = self.clip(paths[rng.integers(len(paths))])
            if _SHORTEST_CLIP_S * RATE <= len(samples) <= _LONGEST_TURN_S * RATE:
                break
        return samples[: round(_LONGEST_TURN_S * RATE)]

    def emotion(self, voice: str, rng: np.random.Generator, *, neutral: float | None) -> str:
        """Return an emotion of a voice; all equally often, or neutral with the given probability."""
        names = sorted(self.paths[voice])
        if neutral is not None and "neutral" in names:
            if rng.random() < neutral:
                return "neutral"
            names.remove("neutral")
        return names[rng.integers(len(names))]


def compose(
    voices: Voices,
    names: list[str],
    rng: np.random.Generator,
    *,
    duration_s: float = 180.0,
    neutral: float | None = None,
    as_channels: bool = False,
) -> Conversation:
    """Return a conversation of these voices.

    Turns last one to ten seconds and consist of clips of one voice.  Pauses last up to 1.5 s; a tenth of the turns
    begin before the one before has ended.  Every voice has its level and its place.  Half of the conversations
    are in a room, half have noise.

    Parameters
    ----------
    neutral
        Probability that a clip is neutral; None: all emotions of the voice are equally frequent.
    as_channels
        Return samples (n, voices), a channel for each voice.
    """
    rooms = _responses(voices.data, len(names), rng) if rng.random() < _IN_ROOM else [None] * len(names)
    gains = 10 ** (rng.uniform(*_LEVELS_DB, size=len(names)) / 20)
    length = round(duration_s * RATE)
    tracks = np.zeros((length + 30 * RATE, len(names)), np.float32)
    truth: list[Spoken] = []
    at, last = round(rng.uniform(*_PAUSES_S) * RATE), -1
    while at < length:
        number = _next(len(names), last, rng)
        at, last = _add_turn(tracks, truth, voices, names[number], number, at, rng, neutral=neutral), number
        is_overlapping = rng.random() < _OVERLAPPING
        gap_s = -rng.uniform(*_OVERLAP_S) if is_overlapping else rng.uniform(*_PAUSES_S)
        at = max(0, at + round(gap_s * RATE))
    tracks = tracks[: round(max(spoken.end_s for spoken in truth) * RATE) + RATE]
    for number, response in enumerate(rooms):
        sound = tracks[:, number] * gains[number]
        tracks[:, number] = sound if response is None else _in_room(sound, response)
    noise = _noise(voices.data, len(tracks), rng) if rng.random() < _WITH_NOISE else None
    samples = tracks if as_channels else tracks.sum(axis=1)
    if noise is not None:
        level = 0.05 * 10 ** (-rng.uniform(*_SNR_DB) / 20)
        samples = samples + level * (noise[:, None] if as_channels else noise)
    samples = samples / max(1.0, float(np.abs(samples).max()) / 0.95)
    return Conversation(samples.astype(np.float32), tuple(sorted(truth)))


def _next(n_voices: int, last: int, rng: np.random.Generator) -> int:
    """Return the voice of the next turn; another one than before, if there is one."""
    others = [number for number in range(n_voices) if number != last] or [0]
    return int(rng.choice(others))


def _add_turn(
    tracks: Waveform,
    truth: list[Spoken],
    voices: Voices,
    voice: str,
    number: int,
    at: int,
    rng: np.random.Generator,
    *,
    neutral: float | None,
) -> int:
    """Write a turn into the track of its voice, and return its end."""
    target_s = rng.uniform(_SHORTEST_TURN_S, _LONGEST_TURN_S)
    begin = at
    while True:
        emotion = voices.emotion(voice, rng, neutral=neutral)
        samples = voices.drawn(voice, emotion, rng)
        if at > begin and (at + len(samples) - begin) > _LONGEST_TURN_S * RATE:
            break
        tracks[at : at + len(samples), number] += samples
        for first, end in islands(samples, gap_s=_SILENCE_S):
            truth.append(Spoken((at + first) / RATE, (at + end) / RATE, voice, emotion))
        at += len(samples)
        if at - begin >= target_s * RATE:
            break
        at += round(rng.uniform(*_WITHIN_S) * RATE)
    return at


def _responses(data: Path, n: int, rng: np.random.Generator) -> list[Waveform]:
    """Return the response of a room for each of n places, with unit energy."""
    files = sorted((data / "rooms").glob("*.flac"))
    responses = []
    for number in rng.choice(len(files), n, replace=False):
        response = audio.read(files[number], channel="left")
        responses.append((response / np.sqrt(np.sum(response**2))).astype(np.float32))
    return responses


def _in_room(sound: Waveform, response: Waveform) -> Waveform:
    n = next_fast_len(len(sound) + len(response), real=True)
    spectrum = np.fft.rfft(sound, n) * np.fft.rfft(response, n)
    first = int(np.abs(response).argmax())  # the direct sound arrives in time
    return np.fft.irfft(spectrum, n)[first : first + len(sound)].astype(np.float32)


def _noise(data: Path, n: int, rng: np.random.Generator) -> Waveform:
    """Return noise of unit level, repeated."""
    files = [file for kind in NOISES for file in sorted((data / "noise" / kind).glob("*"))]
    sound = audio.read(files[rng.integers(len(files))])
    sound = np.resize(sound / max(1e-6, float(np.sqrt(np.mean(sound**2)))), n)
    return np.asarray(sound, np.float32)
