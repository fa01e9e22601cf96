"""The command ``train``."""

import shlex
from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import licences, options, results
from emotone.cli.app import Command, app, examples, parse_names


@app.command(
    cls=Command,
    epilog=examples(
        "train ravdess --data data --out runs/svm",
        "train ravdess --data data --out runs/cnn --model cnn2d --augment speed,noise",
    ),
)
def train(
    corpora: options.Corpora,
    data: options.Data,
    out: options.RunFolder,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Model",
            help="Model: svm, linear-svm, logistic-regression, knn, random-forest, extra-trees, xgboost, mlp, "
            "ensemble; networks: cnn-bilstm, lstm, cnn1d, cnn2d, resnet or adaptive.",
        ),
    ] = "svm",
    protocol: options.ProtocolName = "speaker-6fold",
    emotions: options.Emotions = "",
    channel: options.Channel = "speech",
    train_also: options.TrainAlso = "",
    augment: options.Augment = "",
    copies: options.Copies = 1,
    epochs: options.Epochs = None,
    networks: options.Networks = 1,
    balance: options.Balance = "weights",
    tune: options.Tune = False,
    conditions: options.Conditions = "",
    seed: options.Seed = 0,
    extractor: options.ExtractorName = "auto",
    features: options.KeepFeatures = "none",
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a model, evaluate it, and save it."""
    from emotone import experiment

    config = experiment.Config(
        corpora=tuple(corpora),
        data=data,
        out=out,
        model=model,
        protocol=protocol,
        emotions=parse_names(emotions) or None,
        channel=channel,
        train_also=parse_names(train_also),
        augment=parse_names(augment),
        copies=copies,
        epochs=epochs,
        networks=networks,
        balance=balance,
        tune=tune,
        conditions=parse_names(conditions),
        seed=seed,
        extractor=extractor,
        features=features,
        cache=cache,
    )
    licences.warn_of(corpora)
    with output.ProgressBar(quiet=quiet) as progress:
        summary = experiment.run(config, progress=progress)
    console = output.console()
    results.print_protocol(console, summary.metrics["protocol"])
    console.print("", *results.scores(summary.metrics["test"]), "", sep="\n")
    for words in results.by_group(summary.metrics):
        console.print(words, markup=False, soft_wrap=True)
    for line in (*results.adapted(summary.metrics), *results.under_conditions(summary.metrics)):
        console.print(line)
    bundle = summary.folder / "model"
    console.print(f"Model: {bundle}", markup=False, soft_wrap=True)
    command = shlex.join(["emotone", "predict", "clip.wav", "--model", str(bundle)])
    console.print(f"Try it: {command}", markup=False, soft_wrap=True)
