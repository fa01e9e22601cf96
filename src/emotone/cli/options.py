"""The options of the commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Bundle = Annotated[
    str, typer.Option("--model", metavar="BUNDLE", help="Folder of a model bundle, or 'default' (built in).")
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="Name or number of the microphone.")]
ListDevices = Annotated[bool, typer.Option("--devices", help="List the microphones and exit.")]
ListenFormat = Annotated[
    Literal["live", "lines", "json"],
    typer.Option(help="Live bars, one line per utterance, or one JSON line per event."),
]
Adapt = Annotated[
    bool, typer.Option("--adapt", help="Adapt to the speaker after each utterance; for a single speaker.")
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 accepts other machines.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Key = Annotated[
    str | None,
    typer.Option(metavar="KEY", envvar="EMOTONE_KEY", help="Require this API key (Authorization: Bearer KEY)."),
]
Origins = Annotated[
    str,
    typer.Option(
        metavar="A,B",
        help="Accept requests from web pages of these origins, such as https://example.org.",
        show_default="none",
    ),
]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Recordings predicted at the same time.")]
AccessLog = Annotated[bool, typer.Option("--access-log", help="Log each request to stderr.")]
Page = Annotated[
    bool, typer.Option("--page/--no-page", help="Serve the web page at /, beside the HTTP API and WebSocket.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
Corpora = Annotated[
    list[str], typer.Argument(metavar="CORPUS", help="Corpora: names (ravdess, tess, ...), CSV manifests or folders.")
]
Data = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        envvar="EMOTONE_DATA",
        rich_help_panel="Data",
        help="Folder that holds the corpora, each under its name, or the corpus itself.",
    ),
]
ProtocolName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        rich_help_panel="Evaluation",
        help="Evaluation protocol: speaker-6fold, speaker-5fold, leave-one-speaker-out, statement-disjoint, "
        "random-70-15-15, random-80-20, cross-corpus, or a JSON file.",
    ),
]
Emotions = Annotated[
    str, typer.Option(metavar="A,B,C", rich_help_panel="Data", help="Use only these emotions.", show_default="all")
]
Channel = Annotated[
    Literal["speech", "song", "all"], typer.Option(rich_help_panel="Data", help="Use speech, song, or all recordings.")
]
TrainAlso = Annotated[
    str,
    typer.Option(
        "--train-also",
        metavar="CHANNEL",
        rich_help_panel="Training",
        help="Also train on this channel's clips of the training speakers, never test on them: speech or song.",
        show_default="none",
    ),
]
Augment = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        rich_help_panel="Training",
        help="Augment copies of the training clips: speed, noise, pitch, stretch, room, gain, time-mask, "
        "frequency-mask; and mixup, which mixes training clips.",
    ),
]
Conditions = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        rich_help_panel="Evaluation",
        help="Also test under these conditions: noise-20, noise-10, noise-5, noise-0 (dB), telephone, mp3-32, "
        "gain+20, gain-20, or all of these.",
        show_default="none",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        rich_help_panel="Training",
        help="Maximum number of training epochs of a network.",
        show_default="the model's own",
    ),
]
Networks = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        rich_help_panel="Training",
        help="Number of networks to train from different seeds and average.",
    ),
]
Copies = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, rich_help_panel="Training", help="Number of augmented copies of each training clip."
    ),
]
Balance = Annotated[
    Literal["weights", "augment", "none"],
    typer.Option(rich_help_panel="Training", help="Class balancing: class weights, augmented oversampling, or none."),
]
Tune = Annotated[
    bool,
    typer.Option("--tune", rich_help_panel="Training", help="Tune the hyperparameters on folds of the training data."),
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, rich_help_panel="Training", help="Random seed.")]
ExtractorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        rich_help_panel="Model",
        help="Features: auto (the model's own); functionals, egemaps or compare; log-mel or mfcc-frames for "
        "networks; or layers of a pretrained encoder, such as whisper-base@2,3 or hub:ORG/MODEL@9.",
    ),
]
KeepFeatures = Annotated[
    Literal["none", "csv", "parquet"],
    typer.Option(rich_help_panel="Output", help="Also write the features to the run directory in this format."),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", rich_help_panel="Output", help="Folder of the feature cache.", show_default="user's cache"
    ),
]
RunFolder = Annotated[Path, typer.Option(metavar="RUN", rich_help_panel="Output", help="Run directory to write.")]
AdaptTo = Annotated[
    str | None,
    typer.Option(
        "--adapt-to",
        metavar="DIR|FILE",
        rich_help_panel="Speaker",
        help="Adapt to a speaker: recordings of the person who speaks in FILE, or their saved profile (.json). "
        "The recordings need no labels and can have any emotion.",
        show_default="none",
    ),
]
SaveProfile = Annotated[
    Path | None,
    typer.Option(
        "--save-profile",
        metavar="FILE",
        rich_help_panel="Speaker",
        help="Save the speaker profile of --adapt-to as JSON.",
        show_default="not saved",
    ),
]
OutFolder = Annotated[Path, typer.Option(metavar="DIR", rich_help_panel="Output", help="Folder to write.")]
