"""The command ``compare``."""

from typing import Annotated

import typer

from emotone.cli import console as output
from emotone.cli import licences, options, results
from emotone.cli.app import Command, app, examples, parse_names


@app.command(
    cls=Command,
    epilog=examples(
        "compare ravdess --data data --models svm,mlp --out runs/two",
        "compare ravdess --data data --models all --out runs/all --protocol speaker-6fold",
    ),
)
def compare(
    corpora: options.Corpora,
    data: options.Data,
    models: Annotated[
        str,
        typer.Option(metavar="A,B,C", rich_help_panel="Model", help="Models (see 'emotone train --help'), or 'all'."),
    ],
    out: options.OutFolder,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            rich_help_panel="Evaluation",
            help="Protocols, see 'emotone train --help'. Several also show the effect of the speaker leak.",
        ),
    ] = "speaker-6fold,random-70-15-15",
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
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Compare models on the same folds.

    Writes a table (CSV, JSON), a picture and an HTML page. With several protocols, each gets a folder of its own.
    """
    import json

    from emotone import experiment

    names, protocols = parse_names(models), parse_names(protocol)
    config = experiment.Config(
        corpora=tuple(corpora),
        data=data,
        out=out,
        model=next((name for name in names if name != "all"), "svm"),  # none counts, but it must suit the extractor
        protocol=protocols[0] if protocols else "",
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
        cache=cache,
    )
    licences.warn_of(corpora)
    with output.ProgressBar(quiet=quiet) as progress:
        folder = experiment.compare(config, names, protocols=protocols, progress=progress)
    told = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    console = output.console()
    for one in told.get("protocols", [told]):
        results.print_protocol(console, one["protocol"])
    table = results.side_by_side(told) if "protocols" in told else results.comparison(told["rows"])
    console.print("", table, "", sep="\n")
    console.print(f"Table, picture and page: {folder}", markup=False, soft_wrap=True)
