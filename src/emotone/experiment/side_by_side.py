"""Models under several protocols side by side: what a score loses once no tested speaker is heard in training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import corpora, files
from emotone import protocols as splits
from emotone.errors import ConfigError
from emotone.experiment.compare import DEEP, MARKER, compare, configs, open_folder
from emotone.experiment.config import Config
from emotone.experiment.folds import N_INNER_FOLDS
from emotone.progress import Progress, named, part
from emotone.report import text
from emotone.runs import layout
from emotone.runs.comparison import LEVEL, SCORES, emotions_of, paired, paired_row, read_tested, scores_row

#: Marks the folder of several comparisons; `emotone.experiment.compare.MARKER` that of one.
SEVERAL = "comparisons.toml"
#: Share of the progress for what comes after the comparisons: tests on the clips in common, and pictures.
_REST = 0.01


def side_by_side(
    config: Config, models: Sequence[str], *, protocols: Sequence[str], progress: Progress | None = None
) -> Path:
    """Compare models under each of several protocols, and the protocols with one another.

    Each protocol has a whole comparison in ``config.out/<protocol>``, as `emotone.experiment.compare` writes it; what
    is finished is taken as it is, and models and protocols can be added.

    Parameters
    ----------
    config
        The experiment; its ``model`` and ``protocol`` do not matter.
    models
        Names; ``"all"`` stands for every registered one that needs no pretrained encoder.
    protocols
        Names in `emotone.protocols.PROTOCOLS` or paths of JSON files, at least two.  The first speaker-disjoint one is
        what rows are sorted by; how much more the first other one gives is called the leak.
    progress
        Told of steps, out of `emotone.progress.TOTAL`.

    Returns
    -------
    Path
        ``config.out``, which holds ``comparison.csv``, ``.json``, ``.png`` and ``.html`` over all protocols, and a
        folder a protocol.

    Raises
    ------
    ConfigError
        A model or protocol is unknown, a model can't learn from ``config.extractor``, there are fewer than two
        protocols or two of the same name, or a folder holds something else.
    ProtocolError
        The corpus lacks what a protocol needs; nothing has been trained then.

    See Also
    --------
    emotone.experiment.run : what else may be raised.
    """
    comparisons = _comparisons(config, protocols)
    for one in comparisons.values():
        configs(one, models)
    _check_folder(config.out)
    _check_protocols(config, comparisons)
    open_folder(config.out, config, marker=SEVERAL, free=("model", "protocol"))
    share = (1 - _REST) / len(comparisons)
    for place, (name, one) in enumerate(comparisons.items()):
        compare(one, models, named(part(progress, place * share, (place + 1) * share), name))
    told = _told(config, comparisons)
    _write(config.out, told)
    part(progress, 1 - _REST, 1.0)(1, 1, "done")
    return config.out


def _comparisons(config: Config, protocols: Sequence[str]) -> dict[str, Config]:
    """Make the comparison under each protocol, by the name of its folder."""
    given = list(dict.fromkeys(protocols))
    if len(given) < 2:
        raise ConfigError(f"protocols are {given}; expected at least two to set side by side, or use compare for one")
    names = [Path(protocol).stem if protocol.endswith(".json") else protocol for protocol in given]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two of the protocols {given} are called {name!r}; rename the file of one of them")
    return {
        name: replace(config, protocol=protocol, out=config.out / name)
        for name, protocol in zip(names, given, strict=True)
    }


def _check_folder(folder: Path) -> None:
    if (folder / MARKER).is_file():
        raise ConfigError(
            f"{folder} holds a comparison under one protocol, and several are named here; choose another folder with "
            "--out, or name that protocol alone"
        )


def _check_protocols(config: Config, comparisons: Mapping[str, Config]) -> None:
    """Lay every protocol once over the clips, so that one which does not fit is refused before hours of training."""
    corpus = corpora.load(config.corpora, config.data, channel=config.channel, emotions=config.emotions)
    for one in comparisons.values():
        splits.build(one.protocol, corpus, seed=one.seed)


def _told(config: Config, comparisons: Mapping[str, Config]) -> dict[str, Any]:
    """Compose what ``comparison.json`` holds.

    ``protocols`` come in the order given.  ``reference`` is the name of the one that rows are sorted by, best UAR
    first; ``leaking``, of the one that the leak is told of, or None.  A row has what does not depend on the protocol
    (``fit_s``, ``bundle_mb`` and ``recognition_ms`` are those of the reference), the ``leak``, and under
    ``protocols`` what the comparison under each of them found.
    """
    found = {name: files.read_json(one.out / "comparison.json") for name, one in comparisons.items()}
    disjoint = [name for name, told in found.items() if told["protocol"]["speaker_disjoint"]]
    others = [name for name in found if name not in disjoint]
    reference = (disjoint or others)[0]
    leaking = others[0] if disjoint and others else None
    rows = []
    for row in found[reference]["rows"]:
        under = {name: _row_of(told, row["model"]) for name, told in found.items()}
        leak = None if leaking is None else _leak(comparisons, row["model"], leaking=leaking, reference=reference)
        rows.append(
            {name: row[name] for name in ("model", "description", "family", "extractor")}
            | {name: row[name] for name in ("fit_s", "bundle_mb", "recognition_ms")}
            | {"leak": leak, "protocols": {name: _slim(told) for name, told in under.items()}}
        )
    protocols = [
        {"name": name, "best": told["best"], "protocol": told["protocol"], "facts": _facts(comparisons[name], told)}
        for name, told in found.items()
    ]
    told = {"reference": reference, "leaking": leaking, "level": LEVEL, "protocols": protocols, "rows": rows}
    chance = text.chance_uar(found[reference]["rows"][0]["test"])
    return {**told, "chance": chance, "words": _words(config, told)}


def _row_of(told: Mapping[str, Any], model: str) -> dict[str, Any]:
    return next(dict(row) for row in told["rows"] if row["model"] == model)


def _slim(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row of one comparison says of scores and differences; the rest stays in its own ``comparison.json``."""
    test = row["test"]
    return {
        **{score: test[score] for score in SCORES},
        **{name: test[name] for name in ("intervals", "n_clips", "ece")},
        **{name: row[name] for name in ("best", "significant", "paired", "fit_s")},
    }


def _leak(comparisons: Mapping[str, Config], model: str, *, leaking: str, reference: str) -> dict[str, Any]:
    """Say how much more UAR a model has where it knows the tested speakers.

    Returns
    -------
    ``uar``: the difference of the two pooled UARs, leaking minus reference, a share.  ``same_clips``: the same over
    the clips that both test, with 95 % interval, p value and number of clips; None where there is no such clip.
    """
    runs = [comparisons[name].out / model for name in (leaking, reference)]
    results = [files.read_json(run / layout.METRICS) for run in runs]
    first, second = (read_tested(run).set_index("row") for run in runs)
    both = first.index.intersection(second.index)
    clip = ["path", "speaker", "emotion"]
    if not first.loc[both, clip].equals(second.loc[both, clip]):
        raise ConfigError(
            f"{runs[0]} and {runs[1]} hold different clips under the same numbers: the corpus changed between the two. "
            "Delete both folders and run again"
        )
    told: dict[str, Any] = {"uar": results[0]["test"]["uar"] - results[1]["test"]["uar"], "same_clips": None}
    if both.size:
        test = paired(first.loc[both], second.loc[both], emotions=emotions_of(results[0]))
        told["same_clips"] = {**test.to_dict(), "n_clips": int(both.size)}
    return told


def _facts(comparison: Config, told: Mapping[str, Any]) -> dict[str, Any]:
    """Count what a protocol does with the clips: clips in all, learnt from (mean over folds), developed and tested on.

    ``n_shared`` is how many tested speakers some fold also learns from.
    """
    folds = files.read_json(comparison.out / told["best"] / "folds.json")["folds"]
    sides = {side: [np.asarray(fold[side], dtype=np.int64) for fold in folds] for side in ("train", "dev", "test")}
    tested = {speaker for fold in folds for speaker in fold["test_speakers"]} - {""}
    shared = {speaker for fold in folds for speaker in set(fold["test_speakers"]) & set(fold["train_speakers"])} - {""}
    return {
        "n_folds": len(folds),
        "n_clips": int(np.unique(np.concatenate([rows for side in sides.values() for rows in side])).size),
        "n_train": float(np.mean([rows.size for rows in sides["train"]])),
        "n_dev": sum(rows.size for rows in sides["dev"]),
        "n_tested": sum(rows.size for rows in sides["test"]),
        "n_speakers": len(tested),
        "n_shared": len(shared),
    }


def _words(config: Config, told: Mapping[str, Any]) -> list[str]:
    """Say in sentences what differs between the protocols, and what does not."""
    words = [_protocol_words(one) for one in told["protocols"]]
    if told["leaking"] is not None:
        words.append(
            f"What is called leak is {told['leaking']} minus {told['reference']}: known voices above all, and whatever "
            "else differs between the two, such as how many clips are learnt from."
        )
    if config.transforms:
        made = f"{config.copies} altered {'copy' if config.copies == 1 else 'copies'} of each training clip"
        more = ", and more of the rarer emotions" if config.balance == "augment" else ""
        how = ", ".join(name for name in config.augment if name != "mixup")
        words.append(f"Learnt from under each protocol: the clips, and {made}{more} ({how}).")
    if config.mixup:
        words.append("Training clips were mixed with one another as well, under each protocol.")
    if config.train_also:
        also = " and ".join(config.train_also)
        words.append(
            f"Learnt from under each protocol as well: {also} clips of the training speakers; none of them is tested. "
            "Where tested speakers are shared, these are their voices too."
        )
    if config.tune:
        words.append(f"Settings were searched inside each training part, on {N_INNER_FOLDS} inner folds.")
    deep = [row["model"] for row in told["rows"] if row["family"] == DEEP]
    if deep:
        words.append(_epochs_words(deep, told["protocols"]))
    return words


def _protocol_words(one: Mapping[str, Any]) -> str:
    facts = one["facts"]
    share = f"{facts['n_train']:.0f} of {facts['n_clips']} clips ({100 * facts['n_train'] / facts['n_clips']:.0f} %)"
    folds = "one fold" if facts["n_folds"] == 1 else f"each of {facts['n_folds']} folds"
    dev = f", and keeps {facts['n_dev']} for validation" if facts["n_dev"] else ""
    tested = "every clip is tested once" if facts["n_tested"] == facts["n_clips"] else f"{facts['n_tested']} are tested"
    if one["protocol"]["speaker_disjoint"]:
        voices = "no tested speaker is heard in training"
    elif facts["n_speakers"]:
        voices = f"{facts['n_shared']} of {facts['n_speakers']} tested speakers are also heard in training"
    else:
        voices = "the clips name no speaker, so a tested voice may be heard in training"
    return f"{one['name']}: {folds} learns from {share}{dev}; {tested}; {voices}."


def _epochs_words(deep: Sequence[str], protocols: Sequence[Mapping[str, Any]]) -> str:
    """Say what networks use that other models do not: validation clips, and of whom."""
    known = [one["name"] for one in protocols if not one["protocol"]["speaker_disjoint"]]
    voices = f" Under {' and '.join(known)} those are clips of tested speakers too." if known else ""
    return (
        f"Networks ({', '.join(deep)}) choose their number of epochs on validation clips, never on tested ones; other "
        f"models have no such use of them.{voices}"
    )


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    """One line of ``comparison.csv``: what is found under a protocol has its name before it, ``<protocol>_uar``."""
    row = {name: told[name] for name in ("model", "description", "family", "extractor")}
    for name, found in told["protocols"].items():
        columns = {"best": found["best"], **scores_row(found), **paired_row(found), "fit_s": found["fit_s"]}
        row |= {f"{name}_{column}": value for column, value in columns.items()}
    leak = told["leak"]
    if leak is not None:
        same = leak["same_clips"] or {}
        row |= {"leak": leak["uar"], "leak_same_clips": same.get("difference")}
        row |= {f"leak_same_clips_{end}": same.get(end) for end in ("low", "high")}
    return row | {name: told[name] for name in ("bundle_mb", "recognition_ms")}


def _write(folder: Path, told: dict[str, Any]) -> None:
    """Write the comparison over all protocols as JSON, table, picture and page."""
    from emotone.report.figures import style
    from emotone.report.pages import side_by_side

    files.write_json(folder / "comparison.json", told)
    files.write_table(folder / "comparison.csv", pd.DataFrame([_row(row) for row in told["rows"]]))
    picture = style.save(side_by_side.picture(told), folder / "comparison.png")
    files.write_text(folder / "comparison.html", side_by_side.page(told, comparison_png=picture.read_bytes()))
