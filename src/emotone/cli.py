"""The command line: parse, call, print.

Everything that takes long to import is imported inside the command that needs it.
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import emotone
from emotone import _cli_options as options
from emotone import _cli_output as output
from emotone._cli_group import Group

app = typer.Typer(
    cls=Group,
    help="Which emotion a voice carries, and how far that answer can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # without boxes the help of train is half as long
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emotone {emotone.__version__}")
        raise typer.Exit()


def _names(value: str) -> tuple[str, ...]:
    """Split ``a,b,c``."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@app.command()
def predict(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings, or folders of them.")],
    model: options.Bundle = "default",
    format: options.AnswerFormat = "table",
    timeline: options.AsTimeline = False,
    picture: options.PictureFile = None,
    adapt_to: options.AdaptTo = None,
    save_profile: options.SaveProfile = None,
    quiet: options.Quiet = False,
) -> None:
    """Tell the emotion of recordings, each taken as one utterance, or with --timeline from moment to moment.

    A file that can't be read costs the others nothing; the exit status is then 1.
    """
    from emotone import _cli_predict, _cli_timeline
    from emotone.recognizer import Recognizer

    if save_profile is not None and adapt_to is None:
        raise typer.BadParameter("there is no profile to save: name recordings of the speaker with --adapt-to")
    if not timeline and (format in ("vtt", "audacity") or picture is not None):
        raise typer.BadParameter("vtt, audacity and --picture are of a timeline: add --timeline")
    recognizer, profile = Recognizer(model), None
    with output.ProgressBar(quiet=quiet, delay_s=1.0) as progress:
        if adapt_to is not None:
            profile = _cli_predict.speaker_profile(recognizer, adapt_to, progress=progress)
        if profile is not None and save_profile is not None:
            profile.save(save_profile)
        if timeline:
            segments = _cli_timeline.timelines(
                recognizer, files, format=format, picture=picture, profile=profile, progress=progress
            )
        else:
            told = _cli_predict.answers(recognizer, files, profile=profile, progress=progress)
    if timeline:
        _cli_timeline.finish(segments, format=format, picture=picture, threshold=recognizer.threshold)
        return
    if format == "json":
        _cli_predict.print_json(told)
    elif format == "csv":
        _cli_predict.print_csv(told, emotions=recognizer.emotions)
    else:
        _cli_predict.print_table(told, threshold=recognizer.threshold, profile=profile)
    if any(answer.prediction is None for answer in told):
        raise typer.Exit(1)


@app.command()
def listen(
    model: options.Bundle = "default",
    device: options.Device = None,
    devices: options.ListDevices = False,
    format: options.ListenFormat = "live",
    adapt: options.Adapt = False,
    adapt_to: options.AdaptTo = None,
) -> None:
    """Tell the emotion of who speaks into the microphone, until Ctrl-C."""
    from emotone import _cli_listen

    if devices:
        print(_cli_listen.devices())
        return
    _cli_listen.run(model, device=device, adapt=adapt, adapt_to=adapt_to, format=format)


@app.command()
def serve(
    model: options.Bundle = "default",
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    key: options.Key = None,
    origins: options.Origins = "",
    workers: options.Workers = 2,
    access_log: options.AccessLog = False,
    page: options.Page = True,
) -> None:
    """Answer with a web page, over HTTP and over WebSocket, until Ctrl-C."""
    from emotone import _cli_serve

    _cli_serve.run(
        model, host=host, port=port, key=key, origins=_names(origins), workers=workers, log=access_log, page=page
    )


@app.command()
def train(
    corpora: options.Corpora,
    data: options.Data,
    out: options.RunFolder,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="svm, linear-svm, logistic-regression, knn, random-forest, extra-trees, xgboost, mlp or ensemble; "
            "networks: cnn-bilstm, lstm, cnn1d, cnn2d, resnet or adaptive.",
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
    """Train a model, score it honestly, and write it as a bundle."""
    from emotone import experiment

    config = experiment.Config(
        corpora=tuple(corpora),
        data=data,
        out=out,
        model=model,
        protocol=protocol,
        emotions=_names(emotions) or None,
        channel=channel,
        train_also=_names(train_also),
        augment=_names(augment),
        copies=copies,
        epochs=epochs,
        networks=networks,
        balance=balance,
        tune=tune,
        conditions=_names(conditions),
        seed=seed,
        extractor=extractor,
        features=features,
        cache=cache,
    )
    _tell_licences(corpora)
    with output.ProgressBar(quiet=quiet) as progress:
        summary = experiment.run(config, progress=progress)
    console = output.console()
    output.print_protocol(console, summary.metrics["protocol"])
    console.print("", *output.scores(summary.metrics["test"]), "", sep="\n")
    for words in output.by_group(summary.metrics):
        console.print(words, markup=False, soft_wrap=True)
    for line in (*output.adapted(summary.metrics), *output.under_conditions(summary.metrics)):
        console.print(line)
    bundle = summary.folder / "model"
    console.print(f"Model: {bundle}", markup=False, soft_wrap=True)
    command = shlex.join(["emotone", "predict", "clip.wav", "--model", str(bundle)])
    console.print(f"Try it: {command}", markup=False, soft_wrap=True)


@app.command()
def compare(
    corpora: options.Corpora,
    data: options.Data,
    models: Annotated[str, typer.Option(metavar="A,B,C", help="Names of models, as train takes them; or 'all'.")],
    out: options.OutFolder,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="A,B,C", help="One or more, as train takes them; of several, what the speaker leak costs is told."
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
    seed: options.Seed = 0,
    extractor: options.ExtractorName = "auto",
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Compare models on the same folds: CSV, picture and HTML page.

    Under several protocols, each gets a folder, and the comparison is over all of them.
    """
    import json

    from emotone import experiment

    names, protocols = _names(models), _names(protocol)
    config = experiment.Config(
        corpora=tuple(corpora),
        data=data,
        out=out,
        model=next((name for name in names if name != "all"), "svm"),  # none counts, but it must suit the extractor
        protocol=protocols[0] if protocols else "",
        emotions=_names(emotions) or None,
        channel=channel,
        train_also=_names(train_also),
        augment=_names(augment),
        copies=copies,
        epochs=epochs,
        networks=networks,
        balance=balance,
        tune=tune,
        seed=seed,
        extractor=extractor,
        cache=cache,
    )
    _tell_licences(corpora)
    with output.ProgressBar(quiet=quiet) as progress:
        if len(set(protocols)) > 1:
            folder = experiment.side_by_side(config, names, protocols=protocols, progress=progress)
        else:
            folder = experiment.compare(config, names, progress=progress)
    told = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    console = output.console()
    for one in told.get("protocols", [told]):
        output.print_protocol(console, one["protocol"])
    table = output.side_by_side(told) if "protocols" in told else output.comparison(told["rows"])
    console.print("", table, "", sep="\n")
    console.print(f"Table, picture and page: {folder}", markup=False, soft_wrap=True)


@app.command()
def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle's folder, or 'default'.")],
    corpora: options.Corpora,
    data: options.Data,
    channel: options.Channel = "speech",
    adapt: Annotated[
        bool, typer.Option("--adapt", help="First hear all clips of each speaker, without their labels.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write metrics and predictions here.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure a bundle on another corpus.

    Over the emotions that both know.
    """
    from emotone import experiment

    with output.ProgressBar(quiet=quiet) as progress:
        result = experiment.evaluate(
            bundle, tuple(corpora), data, channel=channel, adapt=adapt, out=out, progress=progress
        )
    console = output.console()
    output.print_protocol(console, result["protocol"])
    console.print("", *output.scores(result), "", sep="\n")
    console.print(f"{100 * result['unsure']:.1f} % of the answers are under the model's threshold: unsure")
    if result["unknown"]:
        left_out = ", ".join(f"{clips} clips {emotion}" for emotion, clips in result["unknown"].items())
        output.note(f"left out, since the model does not know the emotion: {left_out}")
    if result["rejected"]:
        first = result["rejected"][0]
        output.note(f"{len(result['rejected'])} recordings left out; the first: {first['path']}: {first['reason']}")
    if out is not None:
        console.print(f"Written to {out}", markup=False, soft_wrap=True)


@app.command()
def fetch(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A name, such as ravdess.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The data folder; the corpus gets a folder in it.")] = Path(
        "data"
    ),
    quiet: options.Quiet = False,
) -> None:
    """Download a corpus from its authors, and verify it.

    An interrupted download goes on where it stopped.
    """
    from emotone.corpora import fetch as fetching

    for line in fetching.notice(corpus).splitlines():
        output.note(line)
    with output.ProgressBar(quiet=quiet) as progress:
        folder = fetching.fetch(corpus, to=to, progress=progress)
    typer.echo(output.one_line(folder))


@app.command()
def explore(
    corpora: options.Corpora,
    data: options.Data,
    out: options.OutFolder,
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Also tell what sets these two emotions apart.")
    ] = None,
    emotions: options.Emotions = "",
    channel: options.Channel = "speech",
    seed: options.Seed = 0,
    cache: options.Cache = None,
    quiet: options.Quiet = False,
) -> None:
    """Show what a corpus holds and how its emotions sound: a page, with pictures and tables beside it."""
    from emotone import _cli_explore

    with output.ProgressBar(quiet=quiet) as progress:
        page = _cli_explore.run(
            corpora,
            data=data,
            out=out,
            pair=compare,
            emotions=_names(emotions) or None,
            channel=channel,
            seed=seed,
            cache=cache,
            progress=progress,
        )
    output.console().print(f"Page: {page}", markup=False, soft_wrap=True)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories of train; several are compared.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page to write.", show_default="RUN/report.html; runs.html"),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Write the page of a run again, or one that compares several."""
    from emotone import _cli_report

    with output.ProgressBar(quiet=quiet) as progress:
        page = _cli_report.run(runs, out=out, progress=progress)
    output.console().print(f"Page: {page}", markup=False, soft_wrap=True)


def _tell_licences(corpora: list[str]) -> None:
    """Warn, before anything is computed, where a model must not become a product."""
    from emotone.corpora import registry

    for name in dict.fromkeys(corpora):
        info = registry.find(name)
        if info is not None and not info.commercial_use:
            output.note(f"licence of {info.name}: {info.licence}; a model trained on it is not for commercial use")


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="emotone")
