"""Emotion over time in a recording of any length: the answer, and how it is saved."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import files
from emotone.audio.speech_detector import VadSettings
from emotone.errors import ConfigError
from emotone.recognition.prediction import NOT_ADAPTED, Prediction, shares
from emotone.recognition.speakers import Speaker
from emotone.recognition.timeline_formats import FORMATS, format_for
from emotone.validation import check_range

Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class TimelineSettings:
    """Settings of a timeline.

    Attributes
    ----------
    window_s
        Length of the windows that the model predicts, seconds, 0.5 to 30.
    step_s
        Seconds from one window to the next, 0.1 to ``window_s``; also the time resolution of the segments.
    vad
        Settings of the speech detector.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """

    window_s: float = 3.0
    step_s: float = 1.0
    vad: VadSettings = field(default_factory=VadSettings)

    def __post_init__(self) -> None:
        check_range("window_s", self.window_s, 0.5, 30, unit="seconds")
        check_range("step_s", self.step_s, 0.1, self.window_s, unit="seconds, at most window_s")

    @property
    def every(self) -> int:
        """One of so many windows counts in a profile, so that only the last two of a piece may overlap."""
        return math.ceil(round(self.window_s / self.step_s, 6))


@dataclass(frozen=True)
class Timeline:
    """Emotion over time in a recording.

    Attributes
    ----------
    segments
        Segments of speech with a single label each, in order of time.
    duration_s
        Duration of the recording, seconds.
    emotions
        k names, in the order of the bundle.
    envelope
        (m,) the largest amplitude in each `ENVELOPE_STEP_S` of the recording, for a picture of it.
    notes
        Sentences on what else there is to know about the recording.
    adapted
        "source" and "speaker" -> number of clips that the answers are adapted to, the most of any segment.
    speakers
        What is known of each speaker, in order of their first words; empty if speakers were not looked for.
    overlaps
        Begin and end, in seconds, of sound in which several people speak at once.  No segment covers it, unless the
        speakers have a channel each.
    file
        Path or name of the recording, for formats that hold it; "" if it has none, as bytes.
    """

    segments: tuple[Prediction, ...]
    duration_s: float
    emotions: tuple[str, ...]
    envelope: Waveform = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    adapted: Mapping[str, int] = field(default_factory=NOT_ADAPTED.copy)
    speakers: tuple[Speaker, ...] = ()
    overlaps: tuple[tuple[float, float], ...] = ()
    file: str = field(default="", compare=False)

    def with_adapted(self, adapted: Mapping[str, int]) -> "Timeline":
        """Return the timeline with these numbers of clips in every segment."""
        segments = tuple(replace(segment, adapted=adapted) for segment in self.segments)
        return replace(self, segments=segments, adapted=adapted)

    @property
    def spoken_s(self) -> float:
        """Seconds that segments cover; where several speakers have one at once, they count once."""
        total, until = 0.0, 0.0
        for segment in self.segments:
            total += max(0.0, segment.end_s - max(segment.start_s, until))
            until = max(until, segment.end_s)
        return total

    def shares(self) -> dict[str, float]:
        """Return label -> share of the speech, in [0, 1], the largest first; empty without speech."""
        return shares(self.segments)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON; the emotion of a segment is null if it is unsure or no speech."""
        return {
            "duration_s": round(self.duration_s, 3),
            "spoken_s": round(self.spoken_s, 3),
            "shares": {label: round(share, 6) for label, share in self.shares().items()},
            "notes": list(self.notes),
            "adapted": dict(self.adapted),
            "speakers": [speaker.to_dict() for speaker in self.speakers],
            "overlaps": [[round(begin, 3), round(end, 3)] for begin, end in self.overlaps],
            "segments": [segment.to_dict() for segment in self.segments],
        }

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:
        """Write the timeline to a file, atomically.

        Parameters
        ----------
        path
            The file; an existing file is replaced.
        format
            A name in `emotone.recognition.timeline_formats.FORMATS`; None: the suffix of the file decides (.json, .csv,
            .vtt, .srt, .txt for Audacity, .rttm, .TextGrid, .eaf, .audformat.csv).

        Raises
        ------
        ConfigError
            The format is unknown, or the file can't be written: its folder does not exist, for example.
        """
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown timeline format {format!r}; expected {', '.join(FORMATS)}")
        form = format_for(os.fspath(path)) if format is None else FORMATS[format]
        target = Path(path)
        try:
            target.parent.stat()  # a misspelt folder is an error, and is not created
            files.write_text(target, form.write(self))
        except OSError as error:
            raise ConfigError(
                f"the timeline can't be written to {str(target)!r} ({error}); check the folder and the free space"
            ) from error
