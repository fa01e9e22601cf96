"""TODO src/emotone/cli/train.py."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotone.cli import console as output
from emotone.cli import options
from emotone.cli.app import _names, app
from emotone.cli.console import bar, coloured, one_line, plain_table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


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
    print_protocol(console, summary.metrics["protocol"])
    console.print("", *scores(summary.metrics["test"]), "", sep="\n")
    for words in by_group(summary.metrics):
        console.print(words, markup=False, soft_wrap=True)
    for line in (*adapted(summary.metrics), *under_conditions(summary.metrics)):
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
        folder = experiment.compare(config, names, protocols=protocols, progress=progress)
    told = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    console = output.console()
    for one in told.get("protocols", [told]):
        print_protocol(console, one["protocol"])
    table = side_by_side(told) if "protocols" in told else comparison(told["rows"])
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
    print_protocol(console, result["protocol"])
    console.print("", *scores(result), "", sep="\n")
    console.print(f"{100 * result['unsure']:.1f} % of the answers are under the model's threshold: unsure")
    if result["unknown"]:
        left_out = ", ".join(f"{clips} clips {emotion}" for emotion, clips in result["unknown"].items())
        output.note(f"left out, since the model does not know the emotion: {left_out}")
    if result["rejected"]:
        first = result["rejected"][0]
        output.note(f"{len(result['rejected'])} recordings left out; the first: {first['path']}: {first['reason']}")
    if out is not None:
        console.print(f"Written to {out}", markup=False, soft_wrap=True)


def _tell_licences(corpora: list[str]) -> None:
    """Warn, before anything is computed, where a model must not become a product."""
    from emotone.corpora import registry

    for name in dict.fromkeys(corpora):
        info = registry.find(name)
        if info is not None and not info.commercial_use:
            output.note(f"licence of {info.name}: {info.licence}; a model trained on it is not for commercial use")


_METRICS = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}
_LEVELS = {"0": "none", "neutral": "all neutral ones", "all": "all, and the clip itself"}


def scores(result: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out one result of ``metrics.json``: scores with their intervals, then the recall of each emotion.

    Parameters
    ----------
    result
        What `emotone.metrics.summary` returns.
    """
    table = plain_table("", "%", "95 % interval", numbers=("%",))
    for key, label in _METRICS.items():
        interval = result["intervals"][key]
        table.add_row(label, f"{100 * result[key]:.1f}", f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}")
    recalls = plain_table("emotion", "recall %", "", "clips", numbers=("recall %", "clips"))
    support = result["per_class"]["support"]
    for emotion, recall in result["per_class"]["recall"].items():
        has_clips = support[emotion] > 0  # without a clip there is no recall
        recalls.add_row(
            coloured(emotion),
            f"{100 * recall:.1f}" if has_clips else "-",
            coloured(emotion, bar(recall, width=20)) if has_clips else "",
            str(support[emotion]),
        )
    return [table, "", recalls]


def adapted(told: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out what an adaptive model gained from a speaker's clips; nothing of another model's ``metrics.json``."""
    if "adapted" not in told:
        return []
    table = plain_table("clips of the speaker heard", "UAR %", "accuracy %", numbers=("UAR %", "accuracy %"))
    for row in told["adapted"]["test"]:
        table.add_row(
            _LEVELS.get(row["level"], row["level"]), f"{100 * row['uar']:.1f}", f"{100 * row['accuracy']:.1f}"
        )
    return [table, ""]


def under_conditions(told: Mapping[str, Any]) -> list["RenderableType"]:
    """Lay out the test scores under conditions; nothing where there were none."""
    if "conditions" not in told:
        return []
    table = plain_table("condition", "UAR %", "accuracy %", numbers=("UAR %", "accuracy %"))
    for row in told["conditions"]:
        name = "as recorded" if row["condition"] == "none" else row["condition"]
        table.add_row(name, f"{100 * row['uar']:.1f}", f"{100 * row['accuracy']:.1f}")
    return [table, ""]


def by_group(told: Mapping[str, Any]) -> list[str]:
    """Tell the UAR by kind of clip, a line a kind, and the range of single speakers; nothing of an older run."""
    lines = []
    for column, found in told.get("groups", {}).items():
        if column == "speaker":
            shares = sorted(100 * one["uar"] for name, one in found.items() if name != "unknown")
            if len(shares) > 1:
                lines.append(f"UAR of single speakers: {shares[0]:.1f} to {shares[-1]:.1f} %")
        elif len(found) > 1:  # of one corpus, it is in the table above
            shown = ", ".join(f"{one_line(name)} {100 * one['uar']:.1f}" for name, one in found.items())
            lines.append(f"UAR by {column}: {shown} %")
    return [*lines, ""] if lines else []


def print_protocol(console: "Console", told: Mapping[str, Any]) -> None:
    """Print a protocol in words, with its warning, where it has one, in yellow; broken at words on a terminal alone."""
    from rich.text import Text

    from emotone.report.text import protocol_lines

    words, *warning = protocol_lines(told)
    text = Text(one_line(words))
    for line in warning:
        text.append(f"\n{one_line(line)}", style="yellow")
    console.print(text, soft_wrap=not console.is_terminal)


def comparison(rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Lay out the models side by side, in the order of ``comparison.json``; MB of the bundle, ms of a recognition."""
    numbers = ("UAR %", "accuracy %", "macro F1 %", "MB", "ms")
    table = plain_table("model", "UAR %", "95 % interval", "accuracy %", "macro F1 %", "MB", "ms", numbers=numbers)
    for row in rows:
        table.add_row(
            one_line(row["model"]),
            f"{100 * row['uar']:.1f}",
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f}",
            f"{100 * row['accuracy']:.1f}",
            f"{100 * row['macro_f1']:.1f}",
            f"{row['bundle_mb']:.1f}",
            f"{row['recognition_ms']:.0f}",
        )
    return table


def side_by_side(told: Mapping[str, Any]) -> "Table":
    """Lay out the models under several protocols: UAR in % with its 95 % interval, the leak in points, ms.

    Parameters
    ----------
    told
        What the ``comparison.json`` of several protocols holds.
    """
    names = [one["name"] for one in told["protocols"]]
    leak = ["leak"] if told["leaking"] is not None else []
    columns = {name: f"UAR %, {name}" for name in names}
    table = plain_table("model", *columns.values(), *leak, "ms", numbers=(*columns.values(), "leak", "ms"))
    for row in told["rows"]:
        cells = []
        for name in names:
            found = row["protocols"][name]
            low, high = (100 * found["intervals"]["uar"][end] for end in ("low", "high"))
            cells.append(f"{100 * found['uar']:.1f} ({low:.1f} to {high:.1f})")
        if leak:
            cells.append(f"{100 * row['leak']['uar']:+.1f}")
        table.add_row(one_line(row["model"]), *cells, f"{row['recognition_ms']:.0f}")
    return table
