"""Which speakers a timeline has: none, one, found ones, one a channel, or those of an RTTM file."""

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

from emotone import audio
from emotone.audio import AudioSource, Channel
from emotone.audio.sources import DecodedElsewhere, read_once
from emotone.audio.speech_detector import Gate, SpeechDetector
from emotone.errors import ConfigError
from emotone.progress import Progress, Repeated
from emotone.recognition import rttm
from emotone.recognition.arguments import open_checked
from emotone.recognition.channel_pieces import ChannelPieces
from emotone.recognition.diarization import check_number
from emotone.recognition.pieces import DetectedPieces, FoundPieces, Pieces, TurnPieces
from emotone.recognition.prediction import CROSSTALK_NOTE, SPEAKERS_NOTE
from emotone.recognition.rttm import Turn
from emotone.recognition.speaker_names import MAX_SPEAKERS, ONLY, names_of_channels
from emotone.recognition.timeline import TimelineSettings
from emotone.recognition.windows import SpeechReader, blocks_with_progress

#: "auto", "one", "channels", a number, the path of an RTTM file, or turns.
Speakers: TypeAlias = str | int | os.PathLike[str] | Sequence[Turn]
AUTO, ONE, CHANNELS, TURNS = "auto", "one", "channels", "turns"
#: Where several speak in more of a recording than this share, its channels seem to hold the same voices.
_MUCH_OVERLAP = 0.3


class Choice(NamedTuple):
    """How speakers are found.

    Attributes
    ----------
    kind
        "auto", "one", "channels" or "turns"; None if speakers are not looked for.
    n_speakers
        Number of speakers, for "auto"; None if it is estimated.
    turns
        For "turns".
    """

    kind: str | None
    n_speakers: int | None = None
    turns: tuple[Turn, ...] = ()


def choice_of(speakers: Speakers | None, *, recording: str = "") -> Choice:
    """Read the argument ``speakers``.

    Parameters
    ----------
    speakers
        None: speakers are not looked for.
    recording
        Path of the recording, which chooses among several in an RTTM file.

    Raises
    ------
    ConfigError
        It is not one of these.
    """
    if speakers is None or speakers in (AUTO, ONE, CHANNELS):
        return Choice(None if speakers is None else str(speakers))
    if isinstance(speakers, str) and speakers.strip().isdecimal() and len(speakers.strip()) < 10:
        speakers = int(speakers)
    if isinstance(speakers, Integral) and not isinstance(speakers, bool):
        check_number(int(speakers))
        return Choice(AUTO, int(speakers))
    if isinstance(speakers, str | os.PathLike):
        if not os.path.exists(speakers) and not os.fspath(speakers).lower().endswith(".rttm"):
            raise _unknown(speakers)
        return Choice(TURNS, turns=rttm.read(speakers, recording=recording))
    if isinstance(speakers, Sequence) and all(isinstance(turn, Turn) for turn in speakers):
        turns = tuple(turn for turn in speakers if isinstance(turn, Turn))
        for turn in turns:
            if not 0 <= turn.start_s < turn.end_s < math.inf:
                raise ConfigError(f"{turn} is no turn; expected seconds with 0 <= start_s < end_s")
        return Choice(TURNS, turns=turns)
    raise _unknown(speakers)


def _unknown(speakers: Any) -> ConfigError:
    return ConfigError(
        f"speakers is {speakers!r:.80}; expected auto, one, channels, a number from 1 to {MAX_SPEAKERS}, or the path "
        "of an RTTM file"
    )


class Opened(NamedTuple):
    """The speech of a recording, and the notes on it, which are complete when all was read."""

    pieces: Pieces
    notes: "Notes"


class Notes:
    """Sentences on a recording that was read."""

    def __init__(self, recording: audio.Recording, choice: Choice, pieces: Pieces) -> None:
        self._recording, self._choice, self._pieces = recording, choice, pieces

    def __call__(self) -> tuple[str, ...]:
        """Return the sentences."""
        if self._choice.kind == CHANNELS:
            overlap_s = sum(last - first for first, last in self._pieces.overlaps()) / audio.SAMPLE_RATE
            is_shared = overlap_s > _MUCH_OVERLAP * self._recording.n_samples / audio.SAMPLE_RATE
            return (CROSSTALK_NOTE,) if is_shared else ()
        notes: tuple[str, ...] = (SPEAKERS_NOTE,) if self._recording.has_two_people else ()
        missing = sorted({turn.speaker for turn in self._choice.turns} - set(self._pieces.speakers()))
        if missing:
            names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            notes += (f"no turn in which they speak alone: {names}",)
        elif self._choice.kind == TURNS and not self._choice.turns:
            notes += ("the RTTM has no turns",)
        n_found = len(set(self._pieces.speakers()))
        if self._choice.n_speakers is not None and 0 < n_found < self._choice.n_speakers:
            notes += (f"only {n_found} of {self._choice.n_speakers} speakers could be found",)
        return notes


@contextlib.contextmanager
def opened(
    source: AudioSource,
    choice: Choice,
    *,
    channel: Channel,
    track: int | None,
    settings: TimelineSettings,
    gate: Gate | None,
    progress: Progress | None,
) -> Iterator[Opened]:
    """Open a recording as pieces of speech.

    Raises
    ------
    ConfigError
        ``channel`` excludes speakers on channels, or there is one channel only.
    AudioError
        As in `Recognizer.timeline`.
    """
    with contextlib.ExitStack() as stack:
        if choice.kind == CHANNELS:
            source = _reopenable(source)
            with open_checked(source, track=track) as recording:
                names = channel_names(recording, channel=channel)
            recordings = [
                stack.enter_context(open_checked(source, channel=number + 1, track=track))
                for number in range(len(names))
            ]
            blocks = [
                blocks_with_progress(each, progress if number == 0 else None) for number, each in enumerate(recordings)
            ]
            readers = [SpeechReader([], SpeechDetector(settings.vad, gate=gate)) for _ in names]
            call = ChannelPieces(blocks, readers, names)
            yield Opened(call, Notes(recordings[0], choice, call))
            return
        recording = stack.enter_context(open_checked(source, channel=channel, track=track))
        repeated = Repeated(progress)
        sound = blocks_with_progress(recording, repeated)
        pieces: Pieces
        if choice.kind == TURNS:
            pieces = TurnPieces(sound, choice.turns)
        else:
            reader = SpeechReader(sound, SpeechDetector(settings.vad, gate=gate))
            if choice.kind == AUTO:
                pieces = FoundPieces(reader, n_speakers=choice.n_speakers, check=repeated.again)
            else:
                pieces = DetectedPieces(reader, speaker=ONLY if choice.kind == ONE else None)
        yield Opened(pieces, Notes(recording, choice, pieces))


def _reopenable(source: AudioSource) -> AudioSource:
    """Return a source that can be opened several times at once."""
    source = read_once(source)
    if isinstance(source, str | os.PathLike | bytes | tuple | DecodedElsewhere):
        return source
    return source.read()


def channel_names(recording: audio.Recording, *, channel: Channel) -> list[str]:
    """Return the name of each channel's speaker.

    Raises
    ------
    ConfigError
        ``channel`` chooses one of them, or their number is not 2 to 20.
    """
    if channel != "mix":
        raise ConfigError(
            f"channel is {channel!r}, and speakers is channels, which reads all; leave out one of the two"
        )
    try:
        return names_of_channels(recording.n_channels)
    except ConfigError as error:
        raise ConfigError(f"{recording.name}: {error}") from error
