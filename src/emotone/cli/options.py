"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Bundle = Annotated[
    str, typer.Option("--model", metavar="BUNDLE", help="Folder of a model bundle, or 'default' (built in).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
AdaptTo = Annotated[
    str | None,
    typer.Option(
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
        metavar="FILE",
        rich_help_panel="Speaker",
        help="Save the speaker profile of --adapt-to as JSON.",
        show_default="not saved",
    ),
]
