"""What decides the rows of an annotated archive."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emotone import hub
from emotone.audio import Channel
from emotone.errors import ConfigError
from emotone.recognition.session import DEFAULT
from emotone.validation import check_range

#: Most recordings of a part, and most bytes of them, where they are known.
PART_FILES, PART_BYTES = 256, 2**26


@dataclass(frozen=True)
class AnnotateSettings:
    """What decides the rows of an annotated archive; a run continues only with the same settings.

    Parameters
    ----------
    model, emotions, threshold
        As in `emotone.Recognizer`.
    channel, track
        What to read of each recording, see `emotone.audio.read`.
    timeline
        Whether there is a row for each segment of a timeline; by default there is a row for each recording.
    speakers
        "auto", a number, "channels" or "one", as in `Recognizer.timeline`; for timelines.
    adapt
        "auto" adapts to the source of the archive (each timeline to its own recording) and to the speakers of
        ``speaker_from``; "none": do not.
    source_profile
        Path of a saved profile of the source, in place of estimating it, so that several runs have the same.
    speaker_from
        "parent-folder", the name of a column of the manifest, or a regular expression that finds the speaker in a path;
        None: speakers are not known.
    embedding
        Whether the rows have the mean embedding of the speech; not for timelines.
    time_limit_s
        A recording is given up after so many seconds without progress, above 0.
    part_files, part_bytes
        Most recordings of a part of the output, 1 to 100,000, and most bytes of them.

    Raises
    ------
    ConfigError
        A setting is out of range, or two exclude each other.
    """

    model: str = DEFAULT
    emotions: tuple[str, ...] | None = None
    threshold: float | None = None
    channel: Channel = "mix"
    track: int | None = None
    timeline: bool = False
    speakers: str | int | None = None
    adapt: Literal["auto", "none"] = "auto"
    source_profile: str | None = None
    speaker_from: str | None = None
    embedding: bool = False
    time_limit_s: float = 120.0
    part_files: int = PART_FILES
    part_bytes: int = PART_BYTES

    def __post_init__(self) -> None:
        check_range("time_limit_s", self.time_limit_s, 0.1, 86_400)
        check_range("part_files", self.part_files, 1, 100_000)
        check_range("part_bytes", self.part_bytes, 1, 2**50)
        if self.adapt not in ("auto", "none"):
            raise ConfigError(f"adapt is {self.adapt!r}; expected 'auto' or 'none'")
        is_number = isinstance(self.speakers, int) and self.speakers >= 1
        if self.speakers is not None and not is_number and self.speakers not in ("auto", "channels", "one"):
            raise ConfigError(f"speakers is {self.speakers!r}; expected 'auto', a number, 'channels' or 'one'")
        if self.speakers is not None and not self.timeline:
            raise ConfigError(f"speakers is {self.speakers!r}, which is for timelines; set timeline as well")
        if self.speakers not in (None, "one") and self.speaker_from is not None:
            raise ConfigError(
                f"speakers is {self.speakers!r} and speaker_from is {self.speaker_from!r}, which names one speaker for "
                "each recording; leave out one of the two"
            )
        if self.adapt == "none" and self.source_profile is not None:
            raise ConfigError("adapt is 'none', which excludes source_profile; leave out one of the two")
        if self.embedding and self.timeline:
            raise ConfigError("embedding is for a row per recording; leave out embedding or timeline")

    @property
    def speakers_of_timeline(self) -> str | int | None:
        """What `Recognizer.timeline` is to do about speakers."""
        if self.speakers is None:
            return "one" if self.speaker_from is not None else "auto"
        return self.speakers

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON; paths of the model and of the profile are from the root."""
        named = asdict(self)
        is_path = self.model != DEFAULT and not hub.is_address(self.model)
        named["model"] = str(Path(self.model).expanduser().absolute()) if is_path else self.model
        if self.source_profile is not None:
            named["source_profile"] = str(Path(self.source_profile).expanduser().absolute())
        named["emotions"] = None if self.emotions is None else list(self.emotions)
        return named

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Return which settings another run has otherwise, as "channel is left, there mix"."""
        return [
            f"{name} is {value!r}, there {other.get(name)!r}"
            for name, value in self.to_dict().items()
            if other.get(name) != value
        ]
