"""The options that commands share; imported by `emotone.cli` alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Bundle = Annotated[
    str, typer.Option("--model", metavar="BUNDLE", help="A bundle's folder, or 'default', the built-in.")
]
AnswerFormat = Annotated[
    Literal["table", "json", "csv", "vtt", "audacity"],
    typer.Option(help="How to print the answers; vtt (subtitles) and audacity (labels) are of a timeline."),
]
AsTimeline = Annotated[bool, typer.Option("--timeline", help="Tell who sounds how from moment to moment.")]
PictureFile = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Draw the timeline into this PNG file.")
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="A microphone, by name or number.")]
ListDevices = Annotated[bool, typer.Option("--devices", help="List the microphones and end.")]
ListenFormat = Annotated[
    Literal["live", "lines", "json"], typer.Option(help="Moving bars, a line an utterance, or a line an event.")
]
Adapt = Annotated[
    bool, typer.Option("--adapt", help="Learn from each utterance how the speaker sounds; for one speaker.")
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 lets other machines in.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", envvar="EMOTONE_KEY", help="Answer those alone who send it as bearer key.")
]
Origins = Annotated[
    str,
    typer.Option(
        metavar="A,B", help="Pages of these origins may ask, such as https://example.org.", show_default="none"
    ),
]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Recordings that are answered for at once.")]
AccessLog = Annotated[bool, typer.Option("--access-log", help="A line for each request, on stderr.")]
Page = Annotated[bool, typer.Option("--page/--no-page", help="Show the web page at /, beside HTTP and WebSocket.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Draw no progress bar.")]
Corpora = Annotated[
    list[str], typer.Argument(metavar="CORPUS", help="Names (ravdess, tess, ...), CSV manifests or folders.")
]
Data = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="EMOTONE_DATA", help="The folder that holds the corpora by name, or the corpus itself."
    ),
]
ProtocolName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="How to split: speaker-6fold, speaker-5fold, leave-one-speaker-out, statement-disjoint, "
        "random-70-15-15, random-80-20, cross-corpus, or a JSON file.",
    ),
]
Emotions = Annotated[str, typer.Option(metavar="A,B,C", help="Only these emotions.", show_default="all")]
Channel = Annotated[Literal["speech", "song", "all"], typer.Option(help="Which recordings of the corpora.")]
TrainAlso = Annotated[
    str,
    typer.Option(
        "--train-also",
        metavar="CHANNEL",
        help="Learn from this channel's clips of the training speakers too, and test none: speech or song.",
        show_default="none",
    ),
]
Augment = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="For copies of training clips: speed, noise, pitch, stretch, room, gain, time-mask, frequency-mask; "
        "and mixup, which mixes clips.",
    ),
]
Conditions = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Also test on clips that went through: noise-20, noise-10, noise-5, noise-0 (dB), telephone, mp3-32, "
        "gain+20, gain-20, or all of these.",
        show_default="none",
    ),
]
Epochs = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Epochs of a network, at most.", show_default="the model's own")
]
Networks = Annotated[
    int, typer.Option(metavar="N", min=1, help="Networks of a deep model, from different seeds, averaged.")
]
Copies = Annotated[int, typer.Option(metavar="N", min=0, help="Augmented copies of each training clip.")]
Balance = Annotated[
    Literal["weights", "augment", "none"], typer.Option(help="What makes every emotion count the same.")
]
Tune = Annotated[bool, typer.Option("--tune", help="Search the model's settings, inside the training folds.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of everything that chance decides.")]
ExtractorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Features: auto, which is the model's own; functionals, egemaps or compare; log-mel or mfcc-frames for "
        "networks; or layers of a pretrained encoder, such as whisper-base@2,3 or hub:ORG/MODEL@9.",
    ),
]
KeepFeatures = Annotated[
    Literal["none", "csv", "parquet"], typer.Option(help="Also write the features into the run, as this.")
]
Cache = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where features are kept.", show_default="user's cache")
]
RunFolder = Annotated[Path, typer.Option(metavar="RUN", help="The run directory to write.")]
AdaptTo = Annotated[
    str | None,
    typer.Option(
        "--adapt-to",
        metavar="DIR|FILE",
        help="Recordings of one person, who speaks in FILE too, or their saved profile (.json): the model then knows "
        "how this person usually sounds. They need no labels; any emotions will do.",
        show_default="none",
    ),
]
SaveProfile = Annotated[
    Path | None,
    typer.Option(
        "--save-profile", metavar="FILE", help="Keep what --adapt-to learnt, as JSON.", show_default="not kept"
    ),
]
OutFolder = Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")]
