"""Run experiments: evaluate models under a protocol, fit them on all clips, and write the run directories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone import files, protocols
from emotone.augment import Scene
from emotone.errors import LeakError
from emotone.experiment import clips, elsewhere, folds, outputs, resume, tasks
from emotone.experiment.analyses.conditions import gather_conditions
from emotone.experiment.config import Config
from emotone.experiment.finish import ensure_page, finish
from emotone.experiment.folds import FoldPlan
from emotone.experiment.tasks import Group
from emotone.experiment.training_set import Rows, TrainingSet, gather, gather_balance, load, read
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.parallel import LocalPool, Pool
from emotone.progress import Progress, part
from emotone.runs import layout

if TYPE_CHECKING:
    from emotone.corpora import Corpus
    from emotone.features.base import Extractor


@dataclass(frozen=True)
class RunSummary:
    """A run directory, and the contents of its ``metrics.json``."""

    folder: Path
    metrics: dict[str, Any]


def run(config: Config, progress: Progress | None = None, *, pool: Pool | None = None) -> RunSummary:
    """Evaluate a model under a protocol, fit it on all clips, and write the run directory.

    An interrupted run continues: finished features and folds are not computed again.  A finished run with the same
    settings is returned unchanged.  ``metrics.json`` is written last, so a folder that has it is complete.

    Parameters
    ----------
    config
        The experiment; ``config.out`` may be missing, empty, or a run with the same settings.
    progress
        Called with the steps done, out of `emotone.progress.TOTAL`.
    pool
        Where features and folds are computed; the processes of this machine if not given.

    Raises
    ------
    ConfigError
        The folder contains something else, or a name is unknown.
    CorpusError, FeatureError, ProtocolError
        The corpus can't be read, or lacks what the protocol needs.
    LeakError
        A recording, or a speaker that the protocol keeps apart, would be both in training and in the test.
    ExportError
        The fitted model can't be converted to a graph that gives the same scores.
    WorkerError
        A process died.
    """
    return run_all({config.model: config}, progress, pool=pool)[config.model]


def run_all(
    experiments: Mapping[str, Config], progress: Progress | None = None, *, pool: Pool | None = None
) -> dict[str, RunSummary]:
    """Run experiments that differ in their model and folder only; see `run`.

    Models with the same features share them, and their folds run at the same time.

    Parameters
    ----------
    experiments
        Name of the model -> experiment.
    """
    groups: dict[tuple[str, str], dict[str, Config]] = {}
    for name, config in experiments.items():
        if resume.is_finished(config.out, config.to_dict()):
            _check_clips(config, pool or LocalPool())
            ensure_page(config.out)
        else:
            key = (config.extractor_name, registry.get(config.model).family)
            groups.setdefault(key, {})[name] = config
    n_models, done = sum(map(len, groups.values())), 0
    for group in groups.values():
        stage = part(progress, done / n_models, (done + len(group)) / n_models)
        _run_group(group, pool or LocalPool(), progress=stage, several=len(experiments) > 1)
        done += len(group)
    return {
        name: RunSummary(config.out, files.read_json(config.out / layout.METRICS))
        for name, config in experiments.items()
    }


def _check_clips(config: Config, pool: Pool) -> None:
    """Check that a finished run is of the clips that its command names now."""

    def digests(own: "Corpus") -> Sequence[str]:
        from emotone.features import registry as extractors

        extractor, store = extractors.get(config.extractor_name), FeatureStore(config.cache)
        return store.compute(own, extractor, preprocessing=config.preprocessing, pool=pool).digests

    clips.check(config.out, lambda: read(config), digests)


def _run_group(experiments: Mapping[str, Config], pool: Pool, *, progress: Progress, several: bool) -> None:
    """Run experiments with the same features and the same family of models."""
    from emotone.features import registry as extractors  # loads torch, which a finished run does not need

    first = next(iter(experiments.values()))
    extractor, store = extractors.get(first.extractor_name), FeatureStore(first.cache)
    stage = part(progress, 0.0, 0.5 / len(experiments))
    corpora = load(first)
    described = clips.Clips.of(*corpora)  # before the recordings are read
    protocol, plans, training_set = _prepare(first, corpora, extractor, store, pool=pool, progress=stage)
    for config in experiments.values():
        files.write_text(config.out / layout.CONFIG, config.to_toml())
        clips.write(config.out, described, training_set.own, training_set.own_digests)
        files.write_json(config.out / layout.FOLDS, protocol.to_dict())
        outputs.write_left_out(config.out, training_set)
    group = Group(experiments, plans, training_set, is_named=several)
    last = 1 - 0.1 if len(experiments) == 1 else 0.85
    stage = part(progress, 0.5 / len(experiments), last)
    results = tasks.run_folds(group, extractor_digest=extractor.digest, pool=pool, progress=stage)
    stage = part(progress, last, 1.0)
    finish(group, protocol, results, extractor=extractor, store=store, pool=pool, progress=stage)


def _prepare(
    config: Config,
    corpora: "tuple[Corpus, Corpus | None]",
    extractor: "Extractor",
    store: FeatureStore,
    *,
    pool: Pool,
    progress: Progress,
) -> tuple[protocols.Protocol, list[FoldPlan], TrainingSet]:
    """Build and check the folds of the own and the extra clips, and compute all features."""
    if config.sounds is not None:
        _ = Scene(folder=config.sounds).spec  # a folder without recordings is an error now, not after the training
    corpus, extra = corpora
    stage = part(progress, 0.0, 0.8)
    training_set = gather(corpus, extractor, config, store=store, extra=extra, pool=pool, progress=stage)
    if config.elsewhere:
        elsewhere.checked_corpora(training_set)
    own, digests = training_set.own, training_set.own_digests
    protocol = protocols.build(config.protocol, own, seed=config.seed, digests=digests)
    protocols.check_leaks(protocol, own, digests=digests)
    plans = folds.plan(protocol, training_set, config)
    _check_extra(protocol, plans, training_set)
    sets = [training_set.own_rows, *(rows for plan in plans for rows in plan.training_sets())]
    stage = part(progress, 0.8, 0.9)
    training_set = gather_balance(
        training_set, extractor, config, training_sets=sets, store=store, pool=pool, progress=stage
    )
    stage = part(progress, 0.9, 1.0)
    return protocol, plans, gather_conditions(training_set, extractor, config, store=store, pool=pool, progress=stage)


def _check_extra(protocol: protocols.Protocol, plans: Sequence[FoldPlan], training_set: TrainingSet) -> None:
    """Check that extra clips add no held-out speaker to training clips that should share no speaker with them."""
    for plan in plans:
        if protocol.speaker_disjoint:
            check_extra(training_set, plan.fold.train, held_out=plan.fold.test)
        if plan.speaker_disjoint:
            for train, held_out in (*plan.inner, *([plan.validated] if plan.validated else [])):
                check_extra(training_set, train, held_out=held_out)


def check_extra(training_set: TrainingSet, train: Rows, *, held_out: Rows) -> None:
    """Check that no extra clip of a held-out speaker is used for training.

    Parameters
    ----------
    train, held_out
        Rows of own clips without common speakers.

    Raises
    ------
    LeakError
        A model of ``train`` would be trained on an extra clip of a speaker in ``held_out``.
    """
    speakers = np.asarray(training_set.speakers)
    rows = training_set.origin[training_set.training_rows(train)]
    extra = np.unique(rows[rows >= training_set.n_own])
    shared = sorted(set(speakers[extra]) & set(speakers[held_out]))
    if shared:
        raise LeakError(
            f"extra clips of {', '.join(shared)} are used for training, and {shared[0]} is held out; expected extra "
            "clips of training speakers only. This is a defect of Emotone: train without --train-also, and report it"
        )
