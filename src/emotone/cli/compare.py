"""The command ``compare``."""

import json
from dataclasses import replace
from typing import Annotated, Any

import typer

from emotone import experiment, runs
from emotone.cli import console as output
from emotone.cli import options, results
from emotone.cli.app import command
from emotone.cli.settings import print_notes, takes
from emotone.experiment.config import SETTINGS
from emotone.experiment.settings import Setting
from emotone.experiment.tracking import Tracker
from emotone.parallel import open_pool
from emotone.recognition import trust

_PROTOCOL = Setting(
    "Evaluation",
    "Protocols (see 'emotone train --help'). Several also show how much known voices help.",
    metavar="A,B,C",
    default="speaker-6fold,random-70-15-15",
)


@command(
    "compare ravdess --data data --models svm,mlp --out runs/two",
    "compare ravdess --data /shared/data --models all --out runs/all --engine ray --address 10.0.0.1:6379",
)
@takes(
    *(name for name, setting in SETTINGS.items() if not setting.train_only),
    from_file=True,
    protocol=_PROTOCOL,
    out=replace(SETTINGS["out"], text="Folder to write.", metavar="DIR"),
)
def compare(
    settings: dict[str, Any],
    models: Annotated[
        str,
        typer.Option(metavar="A,B,C", rich_help_panel="Model", help="Models (see 'emotone train --help'), or 'all'."),
    ],
    engine: options.Engine = "local",
    workers: options.Workers = None,
    address: options.Address = None,
    mlflow: options.Mlflow = None,
    quiet: options.Quiet = False,
) -> None:
    """Compare models on the same folds.

    Writes a table (CSV, JSON), a picture and an HTML page. With several protocols, each gets a folder.
    Folds and models run at the same time, on this machine or a cluster; the scores are the same.
    """
    names = options.parse_names(models)
    protocols = options.parse_names(settings.get("protocol", _PROTOCOL.default))
    # `compare` sets the model of each run; here it must only suit the extractor.
    first = next((name for name in names if name != "all"), "svm")
    config = experiment.Config.from_dict(settings | {"model": first, "protocol": (*protocols, "")[0]})
    print_notes(settings, names)
    tracker = None if mlflow is None else Tracker(mlflow)
    opened = open_pool(engine, address=address, workers=workers)
    with opened as pool, output.ProgressBar(quiet=quiet) as progress:
        folder = experiment.compare(config, names, protocols=protocols, pool=pool, progress=progress)
    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    console = output.console()
    tested = [entry["protocol"] for entry in comparison.get("protocols", [comparison])]
    for protocol in tested:
        results.print_protocol(console, protocol)
    several = "protocols" in comparison
    table = results.side_by_side(comparison) if several else results.comparison(comparison["rows"])
    console.print("", table, "", sep="\n")
    results.print_sentences(console, [trust.comparison_note(tested)])
    output.print_lines(f"Table, picture and page: {folder}")
    if tracker is not None:
        for name, run_folder in runs.folders_of(folder).items():
            results.print_logged(tracker.log(run_folder, name=name), name=name)
