"""Measure who speaks when in composed conversations: wrong voices, diarisation errors and the number of voices.

`embedded` keeps the speech of conversations and the embeddings of its windows, because these take most of the time and
do not depend on how windows are clustered.  What is measured from them is the package's own `FoundPieces`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from conversation_sounds import RATE, Conversation, Spoken, Voices, compose
from numpy.typing import NDArray
from pyannote.core import Annotation, Segment
from pyannote.core import Timeline as PyannoteTimeline
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.optimize import linear_sum_assignment

from emotone import files
from emotone.audio.speech_detector import SpeechDetector
from emotone.recognition import voices as voices_module
from emotone.recognition.pieces import FoundPieces
from emotone.recognition.rttm import Turn
from emotone.recognition.voices import Projection, encoder
from emotone.recognition.windows import SpeechReader

#: Seconds from one moment to the next.
GRID_S = 0.05
#: Numbers of voices in the conversations.
NUMBERS = (1, 2, 3, 4)
_BLOCK_S = 30.0
_HERE = Path(__file__).parent


class Named(Protocol):
    """A part of a recording with its speaker: a segment of a timeline, or a turn."""

    @property
    def start_s(self) -> float:
        """Its first moment, in seconds."""

    @property
    def end_s(self) -> float:
        """Its last moment, in seconds."""

    @property
    def speaker(self) -> str | None:
        """Name of the speaker."""


class Truth(Protocol):
    """What is known of a conversation."""

    @property
    def truth(self) -> tuple[Spoken, ...]:
        """Sounds of voices."""

    @property
    def duration_s(self) -> float:
        """Length of the recording, in seconds."""


def conversations(
    data: Path, corpus: str, n_each: int, emotions: tuple[str, ...]
) -> Iterator[tuple[str, float | None, Callable[[], Conversation]]]:
    """Yield conversations of one to four voices, with even emotions and 70 % neutral, in turn.

    Yields
    ------
    A name, the probability of neutral clips (None for emotions that are equally frequent), and what composes the
    conversation.
    """
    voices = Voices(corpus, data, emotions)
    for n_voices in NUMBERS:
        if n_voices > len(voices.names):
            return
        for number in range(2 * n_each):
            neutral = 0.7 if number % 2 else None

            def composed(
                n_voices: int = n_voices, number: int = number, neutral: float | None = neutral
            ) -> Conversation:
                rng = np.random.default_rng([n_voices, number, *corpus.encode()])
                names = [str(name) for name in rng.choice(voices.names, n_voices, replace=False)]
                return compose(voices, names, rng, neutral=neutral)

            yield f"{corpus}-{n_voices}-{number}", neutral, composed


def grid(conversation: Truth) -> tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.str_]]:
    """Return moments (n,) at which a single voice speaks, with voice and emotion."""
    times = np.arange(GRID_S / 2, conversation.duration_s, GRID_S)
    n_voices, voice, emotion = np.zeros(len(times), int), np.full(len(times), "", "U40"), np.full(len(times), "", "U40")
    for spoken in conversation.truth:
        inside = (times >= spoken.begin_s) & (times < spoken.end_s)
        n_voices[inside & (voice != spoken.voice)] += 1
        voice[inside], emotion[inside] = spoken.voice, spoken.emotion
    single = n_voices == 1
    return times[single], voice[single], emotion[single]


def at(segments: Iterable[Any], times: NDArray[np.float64], value: Callable[[Any], str]) -> NDArray[np.str_]:
    """Return a value of the segment at each moment (n,); "" where no segment is."""
    result = np.full(len(times), "", "U40")
    for segment in segments:
        result[(times >= segment.start_s) & (times < segment.end_s)] = value(segment)
    return result


def wrong_voice(conversation: Truth, segments: Iterable[Named]) -> float:
    """Return the share of speech that has another voice's name, in percent; names are matched as well as possible."""
    times, voice, _ = grid(conversation)
    named = at(segments, times, lambda segment: segment.speaker or "unknown")
    voice, named = voice[named != ""], named[named != ""]
    shared = np.array(
        [[np.sum((voice == name) & (named == other)) for other in np.unique(named)] for name in np.unique(voice)]
    )
    rows, columns = linear_sum_assignment(-shared)
    return 100 * (1 - float(shared[rows, columns].sum()) / len(voice))


def error_rate(conversation: Truth, segments: Iterable[Named]) -> float:
    """Return the diarisation error rate by pyannote.metrics in percent: collar 0.25 s, without overlap."""
    reference, hypothesis = Annotation(), Annotation()
    for number, spoken in enumerate(conversation.truth):
        reference[Segment(spoken.begin_s, spoken.end_s), number] = spoken.voice
    for number, segment in enumerate(segments):
        hypothesis[Segment(segment.start_s, segment.end_s), number] = segment.speaker or "unknown"
    whole = PyannoteTimeline([Segment(0, conversation.duration_s)])
    # pyannote.metrics has the collar as the whole width
    return 100 * float(DiarizationErrorRate(collar=0.5, skip_overlap=True)(reference, hypothesis, uem=whole))


class Embedded(NamedTuple):
    """The speech of a conversation.

    Attributes
    ----------
    name
        Corpus, number of voices and number of the conversation.
    truth, duration_s
        Of the conversation.
    stretches
        First sample of each stretch of speech, and its samples.
    windows
        Of each stretch, what the encoder returns.
    """

    name: str
    truth: tuple[Spoken, ...]
    duration_s: float
    stretches: Sequence[tuple[int, NDArray[np.float32]]]
    windows: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]

    @property
    def n_voices(self) -> int:
        """Number of voices."""
        return len({spoken.voice for spoken in self.truth})

    def turns(self, directions: Projection, n_speakers: int | None = None) -> tuple[Turn, ...]:
        """Return who speaks when, as the package finds it."""
        waiting = iter(self.windows)
        pieces = FoundPieces(
            iter(self.stretches),  # type: ignore[arg-type]  # of a reader, only its stretches are asked for
            n_speakers=n_speakers,
            voices=lambda samples: next(waiting),  # type: ignore[arg-type]
            directions=directions,
        )
        times = [(piece.start / RATE, (piece.start + len(piece.samples)) / RATE) for piece in pieces]
        return tuple(Turn(str(name), *time) for name, time in zip(pieces.speakers(), times, strict=True))


def embedded(name: str, composed: Callable[[], Conversation], *, cache: Path) -> Embedded:
    """Return the speech of a conversation; it is composed and embedded if it is not in the cache.

    Speech is what the detector of the package finds without the second opinion of an emotion model.
    """
    file = cache / f"{_version()}-{name}.npz"
    if not file.exists():
        _keep(name, composed(), file)
    with np.load(file, allow_pickle=False) as stored:
        ends, starts = np.cumsum(stored["lengths"]), stored["starts"]
        parts = np.split(stored["samples"].astype(np.float32) / 32_768, ends[:-1])
        n_windows = np.cumsum(stored["n_windows"])[:-1]
        windows = zip(np.split(stored["centres"], n_windows), np.split(stored["rows"], n_windows), strict=True)
        truth = zip(stored["times"].tolist(), stored["names"].tolist(), strict=True)
        return Embedded(
            name,
            tuple(Spoken(*times, *names) for times, names in truth),
            float(stored["duration_s"]),
            tuple(zip(starts.tolist(), parts, strict=True)),
            tuple(windows),
        )


def _version() -> str:
    """Return a text that changes with the code that makes the cache."""
    sources = [Path(voices_module.__file__), voices_module.ENCODER, _HERE / "conversation_sounds.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def _keep(name: str, conversation: Conversation, file: Path) -> None:
    samples = conversation.samples
    size = round(_BLOCK_S * RATE)
    blocks = [samples[first : first + size] for first in range(0, len(samples), size)]
    stretches = list(SpeechReader(blocks, SpeechDetector()))
    windows = [encoder()(sound) for _, sound in stretches]
    sound = np.concatenate([part for _, part in stretches])
    with files.replacing(file) as path, path.open("wb") as stream:
        np.savez(
            stream,
            samples=np.clip(sound * 32_768, -32_768, 32_767).astype(np.int16),
            starts=np.array([start for start, _ in stretches]),
            lengths=np.array([len(part) for _, part in stretches]),
            centres=np.concatenate([centres for centres, _ in windows]),
            rows=np.concatenate([rows for _, rows in windows]),
            n_windows=np.array([len(centres) for centres, _ in windows]),
            times=np.array([spoken[:2] for spoken in conversation.truth]),
            names=np.array([spoken[2:] for spoken in conversation.truth]),
            duration_s=np.array(conversation.duration_s),
        )


@dataclass(frozen=True)
class SpeakerFigures:
    """What one conversation shows.

    Attributes
    ----------
    wrong
        Share of speech that is given to the wrong voice, in percent, the number of voices given.
    n_found, error_rate, wrong_found
        Number of voices that were found, diarisation error rate and share of speech that is given to the wrong
        voice, both in percent, the number not given.
    """

    corpus: str
    n_voices: int
    wrong: float
    n_found: int
    error_rate: float
    wrong_found: float


def speaker_figures(speech: Embedded, corpus: str, directions: Projection) -> SpeakerFigures:
    """Measure a conversation."""
    automatic = speech.turns(directions)
    n_found = len({turn.speaker for turn in automatic})
    known = automatic if n_found == speech.n_voices else speech.turns(directions, speech.n_voices)
    return SpeakerFigures(
        corpus,
        speech.n_voices,
        wrong_voice(speech, known),
        n_found,
        error_rate(speech, automatic),
        wrong_voice(speech, automatic),
    )


def speaker_table(rows: Sequence[SpeakerFigures]) -> str:
    """Return a table with a line for each number of voices; corpora count the same.  ± is a standard error."""
    lines = [
        "| voices | conversations | number right | too few | too many | diarisation error, number not given "
        "| wrong voice: not given; given |",
        "|---|---|---|---|---|---|---|",
    ]
    for n_voices in sorted({row.n_voices for row in rows}):
        own = [row for row in rows if row.n_voices == n_voices]
        by_corpus: Mapping[str, list[SpeakerFigures]] = {
            name: [row for row in own if row.corpus == name] for name in dict.fromkeys(row.corpus for row in own)
        }

        def mean(value: Callable[[SpeakerFigures], float], by_corpus: Mapping[str, list[SpeakerFigures]]) -> float:
            return float(np.mean([np.mean([value(row) for row in each]) for each in by_corpus.values()]))

        counts = [
            100 * mean(lambda row, sign=sign: np.sign(row.n_found - row.n_voices) == sign, by_corpus)  # type: ignore[misc]
            for sign in (0, -1, 1)
        ]
        spread = float(np.std([row.error_rate for row in own]) / np.sqrt(len(own)))
        lines.append(
            f"| {n_voices} | {len(own)} | {counts[0]:.0f} % | {counts[1]:.0f} % | {counts[2]:.0f} % | "
            f"{mean(lambda row: row.error_rate, by_corpus):.1f} ± {spread:.1f} % | "
            f"{mean(lambda row: row.wrong_found, by_corpus):.1f}; {mean(lambda row: row.wrong, by_corpus):.1f} % |"
        )
    return "\n".join(lines) + "\n"
