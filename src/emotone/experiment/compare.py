"""Several models under identical folds: which is best, by how much, and whether that could be chance."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import corpora, files
from emotone.audio import SAMPLE_RATE, Waveform
from emotone.errors import ConfigError
from emotone.experiment import resume
from emotone.experiment.config import Config
from emotone.experiment.run import MODEL, run, waveforms
from emotone.metrics.significance import holm
from emotone.models import registry
from emotone.progress import Progress, named, part
from emotone.recognition.recognizer import Recognizer
from emotone.runs.comparison import LEVEL, SCORES, emotions_of, paired, paired_row, read_tested, scores_row

MARKER = "comparison.toml"
ALL = "all"
DEEP = "deep"
N_TIMED_CLIPS = 20
#: Columns of the predictions that are the same for every model.
_SAME = ["row", "path", "speaker", "emotion", "fold"]


def compare(config: Config, models: Sequence[str], progress: Progress | None = None) -> Path:
    """Run every model under the same protocol, folds and features, and write the comparison.

    Each model has a whole run directory in ``config.out/<model>``; those that are finished are taken as they are, so
    an interrupted comparison goes on and a finished one can be given more models.

    Parameters
    ----------
    config
        The experiment; its ``model`` does not matter.
    models
        Names; ``"all"`` stands for every registered one that needs no pretrained encoder.
    progress
        Told of steps, out of `emotone.progress.TOTAL`.

    Returns
    -------
    Path
        ``config.out``, which holds ``comparison.csv``, ``.json``, ``.png`` and ``.html`` and a folder a model.

    Raises
    ------
    ConfigError
        A model is unknown or can't learn from ``config.extractor``, or a folder holds something else.

    See Also
    --------
    emotone.experiment.run : what else may be raised.
    emotone.experiment.side_by_side : the same under several protocols.
    """
    runs = configs(config, models)  # all of them, before any is trained: the last may be the one that can't be
    folder = config.out
    open_folder(folder, config, marker=MARKER, free=("model",))
    results = {}
    for place, (name, one) in enumerate(runs.items()):
        stage = part(progress, 0.98 * place / len(runs), 0.98 * (place + 1) / len(runs))
        results[name] = run(one, named(stage, name)).metrics
    corpus = corpora.load(config.corpora, config.data, channel=config.channel, emotions=config.emotions)
    clips = waveforms(corpus, n_clips=N_TIMED_CLIPS)
    told = _comparison(runs, results, clips)
    _write(folder, told, results)
    part(progress, 0.98, 1.0)(1, 1, "done")
    return folder


def configs(config: Config, models: Sequence[str]) -> dict[str, Config]:
    """Make the experiment of each model, by its name, each in a folder of its own in ``config.out``.

    Raises
    ------
    ConfigError
        A model is unknown, or can't learn from the extractor that ``config`` names.
    """
    return {name: replace(config, model=name, out=config.out / name) for name in _names(models)}


def open_folder(folder: Path, config: Config, *, marker: str, free: Sequence[str]) -> None:
    """Refuse a folder that holds something else, and put the settings into it as ``marker``.

    Parameters
    ----------
    marker
        Name of the file that holds the settings.
    free
        Settings that do not matter, and may differ from one time to the next.
    """
    settings = {name: value for name, value in config.to_dict().items() if name not in free}
    resume.is_finished(folder, settings, marker=marker, ignored=free)
    lines = config.to_toml().splitlines(keepends=True)
    files.write_text(folder / marker, "".join(line for line in lines if line.partition(" = ")[0] not in free))


def _names(models: Sequence[str]) -> list[str]:
    """Settle the models' names: each once, all of them known."""
    given = [models] if isinstance(models, str) else list(models)
    names = list(dict.fromkeys(name for one in given for name in (_from_scratch() if one == ALL else [one])))
    if not names:
        raise ConfigError(f"no model is named; expected some of {', '.join(registry.MODELS)}, or 'all'")
    for name in names:
        registry.get(name)
    return names


def _from_scratch() -> list[str]:
    """Every model but those whose pretrained encoder would have to be downloaded."""
    return [name for name, spec in registry.MODELS.items() if spec.from_scratch]


def _comparison(
    runs: Mapping[str, Config], results: Mapping[str, dict[str, Any]], clips: Sequence[Waveform]
) -> dict[str, Any]:
    """Compose what ``comparison.json`` holds; rows come best UAR first, ``low`` and ``high`` are of the UAR."""
    names = sorted(results, key=lambda name: (-results[name]["test"]["uar"], name))
    tables = {name: read_tested(runs[name].out) for name in names}
    _check_same(runs, results, tables)
    best = names[0]
    tests = {name: paired(tables[best], tables[name], emotions=emotions_of(results[best])) for name in names[1:]}
    corrected = holm({name: test.p_value for name, test in tests.items()})
    told = []
    for name in names:
        difference = {**tests[name].to_dict(), "p_holm": corrected[name]} if name in tests else None
        told.append(
            {
                "model": name,
                "description": registry.get(name).description,
                "family": registry.get(name).family,
                "extractor": runs[name].extractor_name,
                "best": name == best,
                "significant": None if difference is None else corrected[name] < LEVEL,
                "paired": difference,
                **{score: results[name]["test"][score] for score in SCORES},
                **{end: results[name]["test"]["interval"][end] for end in ("low", "high")},
                "test": results[name]["test"],
                "validation": {score: results[name]["validation"][score] for score in SCORES},
                **_costs(runs[name].out, clips),
            }
        )
    return {"protocol": results[best]["protocol"], "best": best, "level": LEVEL, "rows": told}


def _check_same(
    runs: Mapping[str, Config], results: Mapping[str, dict[str, Any]], tables: Mapping[str, pd.DataFrame]
) -> None:
    """Refuse to compare models that were not asked about the same clips in the same folds."""
    (first, table), *others = tables.items()
    for name, other in others:
        protocols = [_without_use(results[one]["protocol"]) for one in (first, name)]
        if protocols[0] != protocols[1] or not other[_SAME].equals(table[_SAME]):
            raise ConfigError(
                f"{runs[first].out} and {runs[name].out} were tested on different clips or folds, though their "
                "settings are the same: the corpus changed between the two. Delete both folders and run again"
            )


def _without_use(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a model does with the validation clips: a network chooses its number of epochs on them."""
    return {name: value for name, value in protocol.items() if name != "validation"}


def _costs(run_folder: Path, clips: Sequence[Waveform]) -> dict[str, float]:
    """Seconds of a fit, megabytes of the bundle, and milliseconds of a recognition (features and model)."""
    seconds = pd.read_csv(run_folder / "timing.csv")["fit_s"]
    size = sum(path.stat().st_size for path in (run_folder / MODEL).iterdir())
    recognizer = Recognizer(run_folder / MODEL)
    took = []
    for clip in (clips[0], *clips):  # the first one once more: the runtime allocates on its first call
        started = time.perf_counter()
        recognizer.predict((clip, SAMPLE_RATE))
        took.append(1000 * (time.perf_counter() - started))
    return {"fit_s": float(np.mean(seconds)), "bundle_mb": size / 1e6, "recognition_ms": statistics.median(took[1:])}


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``comparison.csv``."""
    row = {name: told[name] for name in ("model", "description", "family", "extractor", "best")}
    row |= {**scores_row(told["test"]), "ece": told["test"]["ece"], **paired_row(told)}
    return row | {name: told[name] for name in ("fit_s", "bundle_mb", "recognition_ms")}


def _write(folder: Path, told: dict[str, Any], results: Mapping[str, dict[str, Any]]) -> None:
    """Write the comparison as JSON, table, picture and page."""
    from emotone.report.figures import comparison as plots_comparison
    from emotone.report.figures import style
    from emotone.report.pages import comparison as compare_html

    files.write_json(folder / "comparison.json", told)
    files.write_table(folder / "comparison.csv", pd.DataFrame([_row(model) for model in told["rows"]]))
    tests = {name: result["test"] for name, result in results.items()}
    deep = [row["model"] for row in told["rows"] if row["family"] == DEEP]
    drawn = plots_comparison.comparison_picture(tests, protocol=told["protocol"], deep=deep)
    picture = style.save(drawn, folder / "comparison.png")
    best = folder / told["best"] / "figures" / "confusion_test.png"
    page = compare_html.page(told, comparison_png=picture.read_bytes(), confusion_png=best.read_bytes())
    files.write_text(folder / "comparison.html", page)
