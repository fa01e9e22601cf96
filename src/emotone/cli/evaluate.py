"""The command ``evaluate``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emotone import experiment
from emotone.cli import console as output
from emotone.cli import options, results
from emotone.cli.app import command
from emotone.cli.settings import takes
from emotone.experiment.evaluate import Adapt
from emotone.formatting import left_out_text, percent
from emotone.recognition.adaptation import SOURCE_CLIPS


@command("evaluate runs/svm/model emodb --data data", "evaluate default emodb --data data --adapt both")
@takes("corpora", "data", "channel", "labels")
def evaluate(
    settings: dict[str, Any],
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE", help="Folder of a model bundle, 'default' (built in), or hub:USER/MODEL[@REVISION]."
        ),
    ],
    adapt: Annotated[
        Adapt,
        typer.Option(
            help=f"First adapt without labels: to each corpus on {SOURCE_CLIPS} clips (source), to each speaker on "
            "all their clips (speaker), or to the speaker within the corpus (both)."
        ),
    ] = "none",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write metrics and predictions to this folder.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate a trained model on another corpus.

    Scores cover the emotions that the model and the corpus share.
    """
    with output.ProgressBar(quiet=quiet) as progress:
        result = experiment.evaluate(
            bundle, settings.pop("corpora"), **settings, adapt=adapt, out=out, progress=progress
        )
    console = output.console()
    results.print_protocol(console, result["protocol"])
    console.print("", *results.scores(result), "", sep="\n")
    console.print(f"{percent(result['unsure'])} of the answers are under the model's threshold: unsure")
    results.print_sentences(console, ["", "According to the model's card:", *result["trust"]])
    if result["unknown"]:
        left_out = ", ".join(f"{clips} clips {emotion}" for emotion, clips in result["unknown"].items())
        output.note(f"left out, since the model does not know the emotion: {left_out}")
    if result["rejected"]:
        first = result["rejected"][0]
        output.note(f"{left_out_text(result['left_out'])}; the first: {first['path']}: {first['reason']}")
    if out is not None:
        output.print_lines(f"Written to {out}")
