"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotone.errors import AudioError

if TYPE_CHECKING:
    from emotone.audio.raw import RawFormat


def _check_channel(value: str) -> str:
    from emotone.audio.channels import channel_number

    try:
        channel_number(value.lower())
    except AudioError:
        raise typer.BadParameter(f"--channel is {value!r}; expected mix, left, right, or a number from 1") from None
    return value.lower()


def parse_names(value: str) -> tuple[str, ...]:
    """Split ``a,b,c``."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def names(value: str | None) -> tuple[str, ...] | None:
    """Return the names of ``--emotions``; None without it."""
    if value is None:
        return None
    emotions = parse_names(value)
    if len(emotions) < 2:
        raise typer.BadParameter(
            f"--emotions is {value!r}; expected two or more with commas and no spaces between them: happy,sad,angry"
        )
    return emotions


def raw_format(value: str | None, *, track: int | None = None) -> RawFormat | None:
    """Return the format of ``--raw``; None without it; an error if ``--track`` is given too."""
    if value is None:
        return None
    if track is not None:
        raise typer.BadParameter(f"--track is {track}, and the sound of --raw has no tracks; leave out one of the two")
    from emotone.audio.raw import RawFormat

    try:
        return RawFormat.parse(value)
    except AudioError as error:
        raise typer.BadParameter(f"--raw: {error}") from error


Bundle = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="BUNDLE",
        rich_help_panel="Model",
        help="Folder of a model bundle, 'default' (built in), or hub:USER/MODEL[@REVISION].",
    ),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(rich_help_panel="Job", help="Where to work: processes of this machine, or a Ray cluster."),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel="Job",
        help="Address of the Ray cluster, such as 10.0.0.1:6379.",
        show_default="RAY_ADDRESS, or this machine alone",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel="Job",
        help="Clips, folds and models that are worked on at the same time; the cores are shared among them. It changes "
        "no score of a classic model.",
        show_default="one for each core; for networks one for each machine",
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        metavar="ADDRESS",
        rich_help_panel="Output",
        help="Also log each finished run to this store of MLflow, such as sqlite:///runs.db or http://localhost:5000.",
        show_default="not logged",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
Adapt = Annotated[
    Literal["auto", "none"],
    typer.Option(
        "--adapt",
        rich_help_panel="Adaptation",
        help="auto: adapt to the source, what the recordings have in common (microphone, room, language), if there is "
        "enough of it, and to the speakers that a timeline finds; none: do not.",
    ),
]
AdaptTo = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|FILE",
        rich_help_panel="Adaptation",
        help="Adapt to a speaker: recordings of the person who speaks in FILE, or their saved profile (.json). "
        "The recordings need no labels and can have any emotion.",
        show_default="none",
    ),
]
Speakers = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N|channels|FILE.rttm|one",
        rich_help_panel="Speakers",
        help="Who speaks: auto finds the speakers by their voices, a number finds so many; channels: one on each "
        "channel; an RTTM file says it; one: a single voice.",
        show_default="auto; one with --adapt-to",
    ),
]
Voices = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel="Speakers",
        help="Name the speakers: a folder of clips for each person, by the name of the person. Ask them for consent.",
        show_default="none",
    ),
]
SourceProfile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel="Adaptation",
        help="Profile of the source that --save-profile saved, in place of estimating it.",
        show_default="none",
    ),
]
SaveProfile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel="Adaptation",
        help="Save the profile as JSON: that of the speaker if one is adapted to, otherwise that of the source.",
        show_default="not saved",
    ),
]
Channel = Annotated[
    str,
    typer.Option(
        "--channel",
        metavar="CHANNEL",
        rich_help_panel="Recording",
        help="Channel of each recording: its number from 1, left, right, or mix for the mean of all.",
        callback=_check_channel,
    ),
]
Track = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        rich_help_panel="Recording",
        help="Sound track, for files with several (videos).",
        show_default="the file's default",
    ),
]
Raw = Annotated[
    str | None,
    typer.Option(
        "--raw",
        metavar="FORMAT",
        rich_help_panel="Recording",
        help="Read sound without a header: ENCODING:RATE:CHANNELS, such as s16le:8000:1 or mulaw:8000:1.",
        show_default="the file has a header",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        min=0.0,
        max=1.0,
        rich_help_panel="Model",
        help="Below this confidence, 0 to 1, the answer is unsure.",
        show_default="the model's",
    ),
]
Emotions = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        rich_help_panel="Model",
        help="Only these emotions can occur, such as happy,sad,angry; their scores sum to 1.",
        show_default="all",
    ),
]
