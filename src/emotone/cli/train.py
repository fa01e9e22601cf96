"""The command ``train``."""

import shlex
from typing import Any

from emotone import experiment
from emotone.cli import console as output
from emotone.cli import options, results
from emotone.cli.app import command
from emotone.cli.settings import print_notes, takes
from emotone.experiment.config import SETTINGS
from emotone.experiment.tracking import Tracker
from emotone.formatting import left_out_text
from emotone.parallel import open_pool
from emotone.recognition import trust
from emotone.runs import layout


@command(
    "train ravdess --data data --out runs/cnn --model cnn2d --augment speed,noise",
    "train --config runs/cnn/config.toml --seed 1 --out runs/cnn-1",
)
@takes(*SETTINGS, from_file=True)
def train(
    settings: dict[str, Any],
    engine: options.Engine = "local",
    workers: options.Workers = None,
    address: options.Address = None,
    mlflow: options.Mlflow = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a model, evaluate it, and save it."""
    config = experiment.Config.from_dict(settings)
    print_notes(settings, [config.model])
    tracker = None if mlflow is None else Tracker(mlflow)
    opened = open_pool(engine, address=address, workers=workers)
    with opened as pool, output.ProgressBar(quiet=quiet) as progress:
        summary = experiment.run(config, progress=progress, pool=pool)
    console = output.console()
    results.print_protocol(console, summary.metrics["protocol"])
    console.print("", *results.scores(summary.metrics["test"]), "", sep="\n")
    results.print_trust(console, trust.of_run(summary.metrics, where=str(summary.folder / layout.METRICS)))
    for line in results.by_group(summary.metrics):
        console.print(line, markup=False, soft_wrap=True)
    for table in (*results.adapted(summary.metrics), *results.under_conditions(summary.metrics)):
        console.print(table)
    if left_out := left_out_text(summary.metrics.get("left_out", [])):
        output.print_lines(f"{left_out}.  Each file: {summary.folder / 'rejected.csv'}")
    bundle = summary.folder / "model"
    example = shlex.join(["emotone", "predict", "clip.wav", "--model", str(bundle)])
    page = summary.folder / layout.REPORT
    output.print_lines(f"Report: {page}", f"Model: {bundle}", f"Try it: {example}")
    if tracker is not None:
        results.print_logged(tracker.log(summary.folder))
