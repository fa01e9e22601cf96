"""Train several models on the same folds, under one protocol or several, and compare them."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import corpora, files, protocols, runs
from emotone.audio import SAMPLE_RATE, Waveform
from emotone.errors import ConfigError
from emotone.experiment import resume
from emotone.experiment.config import Config
from emotone.experiment.finish import waveforms
from emotone.experiment.folds import N_INNER_FOLDS
from emotone.experiment.run import run_all
from emotone.models import registry
from emotone.parallel import Pool
from emotone.progress import Progress, named, part
from emotone.recognition.recognizer import Recognizer
from emotone.runs import layout
from emotone.runs.comparison import DEEP, compare_group, compare_protocols, table
from emotone.runs.folder import RunFolder

#: Settings of a comparison under one protocol, and under several.
MARKER, MARKER_OF_SEVERAL = "comparison.toml", "comparisons.toml"
ALL = "all"
N_TIMED_CLIPS = 20
#: Columns of the predictions that are the same for every model.
_SAME = ["row", "path", "speaker", "emotion", "fold"]


def compare(
    config: Config,
    models: Sequence[str],
    *,
    protocols: Sequence[str] = (),
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train every model on the same folds and features, under each protocol, and write the comparison.

    The folds of models with the same features run at the same time.  Finished runs and folds are used again, so an
    interrupted comparison continues, and models and protocols can be added.

    Parameters
    ----------
    config
        The experiment; its ``model`` is ignored, and so is its ``protocol`` if ``protocols`` are named.
    models
        Names; ``"all"`` means all models that need no pretrained encoder.
    protocols
        Names in `emotone.protocols.PROTOCOLS` or paths of JSON files; empty: ``config.protocol``.  With several, the
        first speaker-disjoint one sorts the models; what the first other one gains over it is called the leak.
    pool
        Where features and folds are computed; the processes of this machine if not given.

    Returns
    -------
    Path
        ``config.out``, which holds ``comparison.csv``, ``.json``, ``.png`` and ``.html``, and a run directory for each
        model; with several protocols, a folder like this for each protocol.

    Raises
    ------
    ConfigError
        A model or protocol is unknown, a model can't use ``config.extractor``, two protocols have the same name, or a
        folder contains something else; see also `emotone.experiment.run`.
    ProtocolError
        The corpus lacks what a protocol needs; nothing was trained.
    """
    names = list(dict.fromkeys(protocols)) or [config.protocol]
    if len(names) > 1:
        return _compare_protocols(config, models, names, pool, progress)
    return _compare_models(replace(config, protocol=names[0]), models, pool, progress)


def configs(config: Config, models: Sequence[str]) -> dict[str, Config]:
    """Return the experiment of each model, by its name, each in a separate folder in ``config.out``."""
    free = [name for name, spec in registry.MODELS.items() if spec.from_scratch]  # without a pretrained encoder
    chosen = [models] if isinstance(models, str) else models
    names = dict.fromkeys(name for model in chosen for name in (free if model == ALL else [model]))
    if not names:
        raise ConfigError(f"no model is named; expected some of {', '.join(registry.MODELS)}, or 'all'")
    for name in names:
        registry.get(name)
    return {name: replace(config, model=name, out=config.out / name) for name in names}


def open_folder(config: Config, *, marker: str, free: Sequence[str]) -> None:
    """Check that ``config.out`` may be written, and write the settings into it as ``marker``, without ``free``."""
    settings = {name: value for name, value in config.to_dict().items() if name not in free}
    resume.is_finished(config.out, settings, marker=marker, ignored=free)
    lines = config.to_toml().splitlines(keepends=True)
    files.write_text(config.out / marker, "".join(line for line in lines if line.partition(" = ")[0] not in free))


def _compare_models(config: Config, models: Sequence[str], pool: Pool | None, progress: Progress | None) -> Path:
    """Compare the models under the protocol of ``config``."""
    experiments = configs(config, models)  # all of them before any training: the last one can be the wrong one
    open_folder(config, marker=MARKER, free=("model",))
    run_all(experiments, part(progress, 0, 0.98), pool=pool)
    finished = {name: runs.read(experiment.out) for name, experiment in experiments.items()}
    _check_same(finished)
    comparison = compare_group(finished)
    clips = waveforms(_corpus(config), n_clips=N_TIMED_CLIPS)
    for place, row in enumerate(comparison["rows"]):
        experiment, spec = experiments[row["name"]], registry.get(row["name"])
        model = {"model": row.pop("name"), "description": spec.description, "family": spec.family}
        costs = _costs(experiment.out, clips)
        comparison["rows"][place] = {**model, "extractor": experiment.extractor_name, **row, **costs}
    confusion = config.out / comparison["best"] / "figures" / "confusion_test.png"
    _write(config.out, comparison, confusion_png=confusion.read_bytes())
    part(progress, 0.98, 1.0)(1, 1, "done")
    return config.out


def _corpus(config: Config) -> corpora.Corpus:
    return corpora.load(
        config.corpora, config.data, channel=config.channel, emotions=config.emotions, labels=config.labels
    )


def _check_same(finished: Mapping[str, RunFolder]) -> None:
    """Raise ConfigError if models were tested on different clips or folds."""
    first, *others = finished.values()
    for other in others:
        # a network chooses its number of epochs on the validation clips, another model does not use them
        headers = [{**run.metrics["protocol"], "validation": ""} for run in (first, other)]
        if headers[0] != headers[1] or not other.tested[_SAME].equals(first.tested[_SAME]):
            raise ConfigError(
                f"{first.path} and {other.path} were tested on different clips or folds, though their settings are "
                "the same: the corpus changed between the two. Delete both folders and run again"
            )


def _costs(run_folder: Path, clips: Sequence[Waveform]) -> dict[str, float]:
    """Measure seconds per fit, megabytes of the bundle, and milliseconds per recognition (features and model)."""
    bundle = run_folder / layout.MODEL
    recognizer = Recognizer(bundle)
    durations_ms = []
    for clip in (clips[0], *clips):  # the first clip twice: the runtime allocates memory on its first call
        started = time.perf_counter()
        recognizer.predict((clip, SAMPLE_RATE))
        durations_ms.append(1000 * (time.perf_counter() - started))
    return {
        "fit_s": float(np.mean(pd.read_csv(run_folder / "timing.csv")["fit_s"])),
        "bundle_mb": sum(path.stat().st_size for path in bundle.iterdir()) / 1e6,
        "recognition_ms": statistics.median(durations_ms[1:]),
    }


def _compare_protocols(
    config: Config, models: Sequence[str], names: Sequence[str], pool: Pool | None, progress: Progress | None
) -> Path:
    """Compare the models under each protocol, and the protocols with each other."""
    experiments = _by_protocol(config, names)
    for experiment in experiments.values():
        configs(experiment, models)
    if (config.out / MARKER).is_file():
        raise ConfigError(
            f"{config.out} holds a comparison under one protocol, and several are named here; choose another folder "
            "with --out, or name that protocol alone"
        )
    corpus = _corpus(config)
    for experiment in experiments.values():  # a protocol that does not fit is refused before hours of training
        protocols.build(experiment.protocol, corpus, seed=experiment.seed)
    open_folder(config, marker=MARKER_OF_SEVERAL, free=("model", "protocol"))
    share = 0.99 / len(experiments)
    for place, (name, experiment) in enumerate(experiments.items()):
        _compare_models(experiment, models, pool, named(part(progress, place * share, (place + 1) * share), name))
    comparison = compare_protocols({name: experiment.out for name, experiment in experiments.items()})
    comparison["words"] = _words(config, comparison)
    _write(config.out, comparison)
    part(progress, 0.99, 1.0)(1, 1, "done")
    return config.out


def _by_protocol(config: Config, protocols: Sequence[str]) -> dict[str, Config]:
    """Return the experiment under each protocol, by the name of its folder."""
    names = [Path(protocol).stem if protocol.endswith(".json") else protocol for protocol in protocols]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two of the protocols {protocols} are called {name!r}; rename the file of one of them")
    return {
        name: replace(config, protocol=protocol, out=config.out / name)
        for name, protocol in zip(names, protocols, strict=True)
    }


def _words(config: Config, comparison: Mapping[str, Any]) -> list[str]:
    """Describe in sentences what differs between the protocols, and what does not."""
    words = [_protocol_words(entry) for entry in comparison["protocols"]]
    if comparison["leaking"] is not None:
        words.append(
            f"The leak is the UAR under {comparison['leaking']} minus the UAR under {comparison['reference']}. Known "
            "voices cause most of it; other differences, such as the number of training clips, add to it."
        )
    if config.transforms:
        copies = f"{config.copies} altered {'copy' if config.copies == 1 else 'copies'} of each training clip"
        more = ", and more of the rarer emotions" if config.balance == "augment" else ""
        transforms = ", ".join(name for name in config.augment if name != "mixup")
        words.append(f"Training clips under each protocol: the clips, and {copies}{more} ({transforms}).")
    if config.mixup:
        words.append("Training clips were also mixed with each other, under each protocol.")
    if config.train_also:
        also = " and ".join(config.train_also)
        words.append(
            f"Additional training clips under each protocol: {also} clips of the training speakers; none of them is "
            "tested. If a protocol shares test speakers with training, these clips are of their voices too."
        )
    if config.tune:
        words.append(f"Settings were searched inside each training part, on {N_INNER_FOLDS} inner folds.")
    deep = [row["model"] for row in comparison["rows"] if row["family"] == DEEP]
    if deep:
        known = [entry["name"] for entry in comparison["protocols"] if not entry["protocol"]["speaker_disjoint"]]
        voices = f" Under {' and '.join(known)} these include clips of test speakers." if known else ""
        words.append(
            f"Networks ({', '.join(deep)}) choose their number of epochs on validation clips, never on test clips; "
            f"other models do not use validation clips in training.{voices}"
        )
    return words


def _protocol_words(entry: Mapping[str, Any]) -> str:
    facts = entry["facts"]
    share = f"{facts['n_train']:.0f} of {facts['n_clips']} clips ({100 * facts['n_train'] / facts['n_clips']:.0f} %)"
    folds = "one fold" if facts["n_folds"] == 1 else f"each of {facts['n_folds']} folds"
    dev = f", and keeps {facts['n_dev']} for validation" if facts["n_dev"] else ""
    tested = "every clip is tested once" if facts["n_tested"] == facts["n_clips"] else f"{facts['n_tested']} are tested"
    if entry["protocol"]["speaker_disjoint"]:
        voices = "no test speaker is in training"
    elif facts["n_speakers"]:
        voices = f"{facts['n_shared']} of {facts['n_speakers']} test speakers are also in training"
    else:
        voices = "the clips have no speaker names, so a test speaker may be in training"
    return f"{entry['name']}: {folds} trains on {share}{dev}; {tested}; {voices}."


def _write(folder: Path, comparison: Mapping[str, Any], *, confusion_png: bytes = b"") -> None:
    """Write the comparison as JSON, table, picture and page."""
    from emotone.report.figures import style
    from emotone.report.figures.comparison import comparison_picture
    from emotone.report.pages import comparison as pages

    files.write_json(folder / layout.COMPARISON, comparison)
    files.write_table(folder / "comparison.csv", table(comparison))
    picture = style.save(comparison_picture(comparison), folder / "comparison.png")
    page = pages.page(comparison, comparison_png=picture.read_bytes(), confusion_png=confusion_png)
    files.write_text(folder / "comparison.html", page)
