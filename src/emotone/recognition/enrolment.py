"""Name the speakers of a recording after people whose clips are known."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotone.audio import AudioSource, open_recording
from emotone.audio.speech_detector import Gate, SpeechDetector
from emotone.errors import AudioError, ConfigError
from emotone.recognition.pieces import FoundPieces, Piece, Pieces
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.speaker_names import ONLY, UNKNOWN
from emotone.recognition.voices import encoder
from emotone.recognition.windows import Envelope, SpeechReader

#: Least similarity (cosine) of a speaker's mean embedding and that of a person's clips.  With five clips, it is 0.86 to
#: 0.96 for the same voice, and below 0.85 for 95 % of others of the same corpus.  With two clips it is lower.
_SAME_VOICE = 0.85


@dataclass(frozen=True, eq=False)
class Voice:
    """A person who may be in a recording.

    Attributes
    ----------
    embedding
        (256,) mean embedding of the voice.
    profile
        Profile of the speaker; None if the model does not adapt.
    """

    embedding: NDArray[np.float64]
    profile: SpeakerProfile | None = None


def voice_embedding(clips: Iterable[AudioSource], *, gate: Gate | None) -> NDArray[np.float64]:
    """Return the mean embedding (256,) of the speech in clips of a person.

    Raises
    ------
    AudioError
        A clip can't be read, or there is no speech in any.
    """
    rows = []
    for clip in clips:
        with open_recording(clip) as recording:
            for _, samples in SpeechReader(recording.blocks(30.0), SpeechDetector(gate=gate)):
                rows.append(encoder()(samples)[1])
    if not rows:
        raise AudioError("there is no speech in the clips of a voice; record a few sentences")
    return np.asarray(np.concatenate(rows).mean(axis=0), np.float64)


def check_voices(voices: Mapping[str, Voice], *, kind: str | None) -> None:
    """Raise `ConfigError` unless voices fit the way in which speakers are found (`speaker_choice.Choice.kind`)."""
    if voices and kind != "auto":
        raise ConfigError(
            'voices name the speakers that speakers="auto" or a number finds; set it, or leave out voices'
        )
    if not isinstance(voices, Mapping):
        raise ConfigError(f"voices are {voices!r:.80}; expected a dictionary, name -> Recognizer.voice(clips)")
    for name, voice in voices.items():
        if not isinstance(name, str) or not name.strip() or name == UNKNOWN or re.fullmatch(r"speaker \d+", name):
            raise ConfigError(
                f"the name of a voice is {name!r:.80}; expected text, and neither {UNKNOWN} nor {ONLY}, which are "
                "names of voices that are not known"
            )
        if not isinstance(voice, Voice):
            raise ConfigError(f"the voice of {name} is {voice!r:.80}; expected a Voice, see Recognizer.voice")


def named(pieces: Pieces, voices: Mapping[str, Voice]) -> Pieces:
    """Return pieces whose speakers have the names of known voices."""
    return NamedPieces(pieces, voices) if voices and isinstance(pieces, FoundPieces) else pieces


class NamedPieces:
    """Pieces whose speakers are named after the most similar known voices; see `Pieces`."""

    def __init__(self, pieces: FoundPieces, voices: Mapping[str, Voice]) -> None:
        self._pieces, self._voices = pieces, voices

    def __iter__(self) -> Iterator[Piece]:
        yield from self._pieces

    def speakers(self) -> list[str | None]:
        """Return the name of each piece's speaker."""
        names = self._names()
        return [names.get(str(speaker), speaker) for speaker in self._pieces.speakers()]

    def _names(self) -> dict[str, str]:
        """Return found speaker -> name, the most similar pairs first; a name is that of one speaker."""
        similar = {
            (speaker, name): float(
                embedding @ voice.embedding / np.linalg.norm(embedding) / np.linalg.norm(voice.embedding)
            )
            for speaker, embedding in self._pieces.voices().items()
            for name, voice in self._voices.items()
        }
        result: dict[str, str] = {}
        for speaker, name in sorted(similar, key=lambda pair: -similar[pair]):
            is_free = speaker not in result and name not in result.values()
            if is_free and similar[speaker, name] >= _SAME_VOICE:
                result[speaker] = name
        return result

    def overlaps(self) -> list[tuple[int, int]]:
        """Return what several people say at once."""
        return self._pieces.overlaps()

    @property
    def n_samples(self) -> int:
        """Samples read so far."""
        return self._pieces.n_samples

    @property
    def envelope(self) -> Envelope:
        """The peaks of what was read so far."""
        return self._pieces.envelope
