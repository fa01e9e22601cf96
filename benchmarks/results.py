"""Run every experiment of docs/results.md, and write its tables.

    python benchmarks/results.py --data DIR [--out runs] [--seeds 3]

Every experiment is a run directory under --out, as the command in the table makes it.  Finished runs are not repeated,
and interrupted runs continue.  No choice depends on a test score: the "best" model has the best score on the validation
predictions.  On two cores the classic models take about an hour, the networks several hours more.
"""

import argparse
import json
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from emotone import experiment
from emotone.experiment import Config
from emotone.models import registry

BEGIN, END = "<!-- made by benchmarks/results.py: begin -->", "<!-- made by benchmarks/results.py: end -->"
AUGMENT = {"augment": ("speed",), "copies": 2}
#: What the networks of the table of targets are trained with, beyond the comparison's settings.
MORE = {"augment": ("speed",), "copies": 4}
FIVE = ("neutral", "calm", "happy", "sad", "angry")
SIX = (*FIVE, "fearful")
HEADER = (
    "| protocol | what | known before | required | hoped for | test, %, 95 % interval | reached | command |",
    "|---|---|---|---|---|---|---|---|",
)
PROTOCOLS = ("speaker-6fold", "random-70-15-15")
SEVEN = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust")


@dataclass(frozen=True)
class Target:
    """A row of the table of targets, in per cent."""

    protocol: str
    what: str
    known: str
    required: float
    hoped: float


RANDOM_TREES = Target("random-70-15-15", "{model}, accuracy", "65 % (published notebook)", 68, 72)
RANDOM_BEST = Target("random-70-15-15", "best on validation: {model}, accuracy", "68.7 % (376 features + SVM)", 77, 82)
SPEAKERS = Target(
    "speaker-6fold", "best on validation: {model}, UAR", "55.2 % (same); ComParE + linear SVM 56.2 %", 58, 63
)


@dataclass(frozen=True)
class Deep:
    """A target of the deep models: what is run, and the target for the model that is best on validation."""

    name: str
    target: Target
    models: tuple[str, ...]
    score: str
    settings: dict
    each: tuple[float, float] | None = None  # per cent that the F1 of each class shall exceed: required, hoped for
    seeds: int = 1


DEEP = (
    Deep(
        "random-cnn-bilstm",
        Target("random-70-15-15", "{model}, accuracy", "70 % on validation (published notebook)", 78, 84),
        ("cnn-bilstm",),
        "accuracy",
        {"protocol": "random-70-15-15", "epochs": 60},
        seeds=3,
    ),
    Deep(
        "six-cnn2d",
        Target("random-70-15-15, 6 classes", "{model}, accuracy", "47.17 % (published notebook)", 75, 82),
        ("cnn2d",),
        "accuracy",
        {"protocol": "random-70-15-15", "emotions": SIX, "epochs": 60},
        seeds=3,
    ),
    Deep(
        "five",
        Target(
            "random-80-20, 5 classes",
            "best on validation: {model}, accuracy; trained also on songs of the training actors",
            "88 % (published notebook)",
            90,
            94,
        ),
        ("cnn-bilstm", "resnet"),
        "accuracy",
        {"protocol": "random-80-20", "emotions": FIVE, "train_also": ("song",), "epochs": 60, "networks": 3},
        each=(82, 88),
    ),
    Deep(
        "speakers",
        Target(
            "speaker-6fold", "{model}, UAR; trained also on songs of the training actors", "62.3 % (ResLSTM-SA)", 63, 68
        ),
        ("resnet",),
        "uar",
        {"protocol": "speaker-6fold", "train_also": ("song",), "epochs": 25, "networks": 3},
    ),
)


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds ravdess/")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the run directories are")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="the page to write into")
    parser.add_argument("--seeds", type=int, default=3, help="how many random splits")
    chosen = parser.parse_args()
    base = Config(corpora=("ravdess",), data=chosen.data, out=chosen.out, **AUGMENT)
    with _Bar() as bar:
        every = chosen.out / "comparison"
        experiment.compare(replace(base, out=every), ["all"], protocols=PROTOCOLS, progress=bar.of("comparison"))
        speakers, random = (_compared(every / protocol) for protocol in PROTOCOLS)
        seven = replace(
            base, protocol="random-80-20", model="mlp", emotions=SEVEN, channel="all", out=chosen.out / "seven-mlp"
        )
        told_seven = [experiment.run(seven, bar.of("seven classes")).metrics]
        told_seven += _seeds(seven, chosen, bar, folder="seven-mlp")
        names = ("xgboost", "random-forest", _best(_classic(random), "accuracy"))
        spread = _other_seeds(base, names, chosen, bar)
        deep = [_deep(row, base, chosen, bar) for row in DEEP]
    lines = ["### Targets: classic models", "", *_targets(_classic(random), _classic(speakers), told_seven, spread)]
    lines += ["", "### Targets: deep models", "", *_deep_targets(deep)]
    lines += ["", "### Every model under a random and a speaker-disjoint protocol", "", *_side_by_side(chosen)]
    lines += ["", "### All models on new speakers", "", *_table(speakers)]
    lines += ["", "### All models on a random split", "", *_table(random)]
    lines += [
        "",
        "### Five classes, random split: scores by class",
        "",
        *_classes(next(runs[0] for row, _, runs in deep if row.each)),
    ]
    lines += ["", "### Seven classes, speech and song, MLP: scores by class", "", *_classes(told_seven[0])]
    _write(chosen.page, lines)


class _Bar:
    """A progress bar that runs on for experiment after experiment."""

    def __enter__(self) -> "_Bar":
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._shown = Progress(*columns, console=Console(stderr=True))
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.stop()

    def of(self, what: str):  # noqa: ANN201
        task = self._shown.add_task(what, total=None)
        return lambda done, total, words: self._shown.update(
            task, completed=done, total=total, description=f"{what}: {words}"
        )


def _compared(folder: Path) -> dict[str, dict]:
    """Metrics of every model that was compared in a folder."""
    names = [name for name, spec in registry.MODELS.items() if spec.from_scratch]
    return {name: json.loads((folder / name / "metrics.json").read_text(encoding="utf-8")) for name in names}


def _classic(results: dict[str, dict]) -> dict[str, dict]:
    return {name: metrics for name, metrics in results.items() if registry.get(name).family == "classic"}


def _best(results: dict[str, dict], score: str) -> str:
    return max(results, key=lambda name: results[name]["validation"][score])


def _seeds(config: Config, chosen: argparse.Namespace, bar: _Bar, *, folder: str) -> list[dict]:
    runs = []
    for seed in range(1, chosen.seeds):
        out = chosen.out / "seeds" / f"{folder}-{seed}"
        runs.append(experiment.run(replace(config, seed=seed, out=out), bar.of(f"{folder}, seed {seed}")).metrics)
    return runs


def _other_seeds(base: Config, names: tuple[str, ...], chosen: argparse.Namespace, bar: _Bar) -> dict[str, list[dict]]:
    config = replace(base, protocol="random-70-15-15")
    return {name: _seeds(replace(config, model=name), chosen, bar, folder=f"random-{name}") for name in names}


def _deep(row: Deep, base: Config, chosen: argparse.Namespace, bar: _Bar) -> tuple[Deep, str, list[dict]]:
    """Run a target: the model that is best on validation with seed 0, and its metrics with every seed."""
    config = replace(base, **MORE, **row.settings)

    def run(model: str, seed: int) -> dict:
        out = chosen.out / "deep" / f"{row.name}-{model}-{seed}"
        return experiment.run(replace(config, model=model, seed=seed, out=out), bar.of(f"{row.name}, {model}")).metrics

    first = {model: run(model, 0) for model in row.models}
    best = _best(first, row.score)
    return row, best, [first[best], *(run(best, seed) for seed in range(1, min(row.seeds, chosen.seeds)))]


def _deep_targets(targets: list[tuple[Deep, str, list[dict]]]) -> list[str]:
    lines = list(HEADER)
    for row, model, runs in targets:
        extra = ["--epochs", str(row.settings["epochs"])]
        if "emotions" in row.settings:
            extra += ["--emotions", ",".join(row.settings["emotions"])]
        if "networks" in row.settings:
            extra += ["--networks", str(row.settings["networks"])]
        if "train_also" in row.settings:
            extra += ["--train-also", ",".join(row.settings["train_also"])]
        command = _command(model, row.settings["protocol"], *extra, copies=MORE["copies"])
        values = [metrics["test"][row.score] for metrics in runs]
        lines.append(_line(row.target, model, runs[0], row.score, command, values if len(values) > 1 else []))
        if row.each is not None:
            lines.append(_each(row, model, runs))
    return lines


def _each(row: Deep, model: str, runs: list[dict]) -> str:
    """The line of the class with the lowest F1."""
    assert row.each is not None  # the caller's condition
    weakest = [min(metrics["test"]["per_class"]["f1"].items(), key=lambda item: item[1]) for metrics in runs]
    levels = [sum(100 * value > level for _, value in weakest) for level in row.each]
    reached = "hoped for" if levels[1] == len(runs) else "required" if levels[0] == len(runs) else "**no**"
    if 0 < levels[0] < len(runs):
        reached = f"on {levels[0]} of {len(runs)} splits"
    (emotion, value), *others = weakest
    listed = ", ".join(f"{name} {_percent(share)}" for name, share in others)
    shown = f"**{_percent(value)}** ({emotion})" + (f"; other splits: {listed}" if others else "")
    what = f"{model}, F1 of the weakest class"
    return f"| the same | {what} | 81 | {row.each[0]} | {row.each[1]} | {shown} | {reached} | the same |"


def _side_by_side(chosen: argparse.Namespace) -> list[str]:
    """Table and picture of all models under both protocols."""
    folder = chosen.out / "comparison"
    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    figures = chosen.page.parent / "figures"
    figures.mkdir(exist_ok=True)
    shutil.copyfile(folder / "comparison.png", figures / "comparison.png")
    new, known = PROTOCOLS
    lines = [
        f"| model | {new}: UAR | {known}: UAR | leak, points | p against the best ({new}) | fit, s | MB | ms a clip |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison["rows"]:
        under = [row["protocols"][name] for name in (new, known)]
        spans = [scores["intervals"]["uar"] for scores in under]
        shown = [
            f"{_percent(scores['uar'])} ({_percent(span['low'])} to {_percent(span['high'])})"
            for scores, span in zip(under, spans, strict=True)
        ]
        paired = under[0]["paired"]
        chance = "best" if paired is None else f"{paired['p_holm']:.2g}"
        costs = [f"{row['fit_s']:.0f}", f"{row['bundle_mb']:.1f}", f"{row['recognition_ms']:.0f}"]
        lines.append(
            "| " + " | ".join([row["model"], *shown, f"{100 * row['leak']['uar']:.1f}", chance, *costs]) + " |"
        )
    command = "emotone compare ravdess --data DIR --models all --augment speed --copies 2 --out runs/comparison"
    return [f"`{command}`", "", *lines, "", "![UAR of every model under both protocols](figures/comparison.png)"]


def _command(model: str, protocol: str, *extra: str, copies: int = 2) -> str:
    words = ["emotone", "train", "ravdess", "--data", "DIR", "--model", model, "--protocol", protocol, *extra]
    return "`" + shlex.join([*words, "--augment", "speed", "--copies", str(copies), "--out", "RUN"]) + "`"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _over_seeds(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    return (
        f" (mean of {len(values)} splits {_percent(mean(values))}, {_percent(min(values))} to {_percent(max(values))})"
    )


def _line(target: Target, model: str, metrics: dict, score: str, command: str, values: list[float]) -> str:
    value, interval = metrics["test"][score], metrics["test"]["intervals"][score]
    judged = 100 * (mean(values) if values else value)  # several splits are judged by their mean
    reached = "hoped for" if judged >= target.hoped else "required" if judged >= target.required else "**no**"
    shown = f"**{_percent(value)}**, {_percent(interval['low'])} to {_percent(interval['high'])}{_over_seeds(values)}"
    what = target.what.format(model=model)
    cells = [target.protocol, what, target.known, f"{target.required:g}", f"{target.hoped:g}", shown, reached, command]
    return "| " + " | ".join(cells) + " |"


def _targets(random: dict, speakers: dict, seven: list[dict], spread: dict[str, list[dict]]) -> list[str]:
    """The table of targets: what was asked, what was reached, and the command."""
    lines = list(HEADER)

    def over(name: str) -> list[float]:
        return [random[name]["test"]["accuracy"], *(run["test"]["accuracy"] for run in spread[name])]

    for name in ("xgboost", "random-forest"):
        command = _command(name, "random-70-15-15")
        lines.append(_line(RANDOM_TREES, name, random[name], "accuracy", command, over(name)))
    best = max(random, key=lambda name: random[name]["validation"]["accuracy"])
    lines.append(_line(RANDOM_BEST, best, random[best], "accuracy", _command(best, "random-70-15-15"), over(best)))
    best = max(speakers, key=lambda name: speakers[name]["validation"]["uar"])
    lines.append(_line(SPEAKERS, best, speakers[best], "uar", _command(best, "speaker-6fold"), []))
    first = speakers[best]["folds"][0]["uar"]
    lines.append(
        f"| the same | fold 1 alone: no test actor was in the inner folds that settings were chosen on | | | | "
        f"{_percent(first)} | | the same |"
    )
    command = _command("mlp", "random-80-20", "--channel", "all", "--emotions", ",".join(SEVEN))
    for score, known in (("accuracy", "80.93 % (published notebook)"), ("macro_f1", "80.81 %")):
        target = Target("random-80-20, 7 classes, speech and song", "{model}, " + score, known, 83, 88)
        values = [run["test"][score] for run in seven]
        lines.append(_line(target, "mlp", seven[0], score, command, values))
    weakest = [min(run["test"]["per_class"]["recall"].items(), key=lambda item: item[1]) for run in seven]
    emotion, recall = weakest[0]
    above = sum(recall > 0.75 for _, recall in weakest)
    reached = "required" if above == len(weakest) else f"on {above} of {len(weakest)} splits" if above else "**no**"
    listed = ", ".join(f"{name} {_percent(value)}" for name, value in weakest[1:])
    lines.append(
        f"| the same | mlp, recall of the weakest class | neutral 67 % | 75 | | **{_percent(recall)}** ({emotion}); "
        f"other splits: {listed} | {reached} | the same |"
    )
    return lines


def _table(results: dict[str, dict]) -> list[str]:
    lines = [
        "| model | validation UAR | test UAR | 95 % interval | accuracy | macro F1 | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, metrics in sorted(results.items(), key=lambda item: -item[1]["validation"]["uar"]):
        test, interval = metrics["test"], metrics["test"]["interval"]
        span = f"{_percent(interval['low'])} to {_percent(interval['high'])}"
        cells = [name, _percent(metrics["validation"]["uar"]), _percent(test["uar"]), span, _percent(test["accuracy"])]
        lines.append("| " + " | ".join([*cells, _percent(test["macro_f1"]), f"{test['ece']:.3f}"]) + " |")
    protocol = next(iter(results.values()))["protocol"]
    return [protocol["description"], "", *lines]


def _classes(metrics: dict) -> list[str]:
    table = metrics["test"]["per_class"]
    lines = ["| emotion | precision | recall | F1 | clips |", "|---|---|---|---|---|"]
    for emotion in table["recall"]:
        shares = [_percent(table[score][emotion]) for score in ("precision", "recall", "f1")]
        lines.append("| " + " | ".join([emotion, *shares, str(table["support"][emotion])]) + " |")
    return [metrics["protocol"]["description"], "", *lines]


def _write(page: Path, lines: list[str], *, begin: str = BEGIN, end: str = END) -> None:
    """Put the tables between two marks of the page, at its end if they are not there; the words around them stay."""
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Results\n"
    if begin not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    temporary = page.with_suffix(".part")
    temporary.write_text("\n".join([before + begin, "", *lines, "", end + after]), encoding="utf-8")
    temporary.replace(page)


if __name__ == "__main__":
    main()
