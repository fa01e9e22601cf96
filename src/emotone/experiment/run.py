"""A configuration in, a run directory out: every score from models that never saw the clips they are asked about."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from emotone import audio, corpora, splits
from emotone.corpora import Corpus
from emotone.errors import AudioError, CorpusError, EmotoneError
from emotone.experiment import files, folds, outputs
from emotone.experiment.config import Config
from emotone.experiment.folds import FoldResult, Plan
from emotone.experiment.material import Material, gather, gather_balance
from emotone.experiment.steps import part
from emotone.features.store import FeatureStore
from emotone.progress import Progress

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from emotone.features.base import Extractor

#: The bundle, in a run directory.
MODEL = "model"
N_CHECKED_CLIPS = 20


@dataclass(frozen=True)
class RunSummary:
    """What a run left: its folder, and what ``metrics.json`` holds."""

    folder: Path
    metrics: dict[str, Any]


def run(config: Config, progress: Progress | None = None) -> RunSummary:
    """Evaluate a model under a protocol, fit it on all clips, and write the run directory.

    A run that was interrupted goes on: features and folds that are done are not done again.  A finished one of the
    same settings is returned as it is.  ``metrics.json`` is written last, so a folder that has it is complete.

    Parameters
    ----------
    config
        The experiment; ``config.out`` may be missing, empty, or an unfinished run of the same settings.
    progress
        Told of steps, out of `emotone.experiment.steps.TOTAL`.

    Raises
    ------
    ConfigError
        The folder holds something else, or a name is unknown.
    CorpusError, FeatureError, ProtocolError
        The corpus can't be read, or lacks what the protocol needs.
    LeakError
        A recording, or a voice that the protocol keeps apart, would be both in training and in the test.
    ExportError
        The fitted model could not be turned into a graph that gives the same answers.
    """
    folder = config.out
    if files.is_finished(folder, config.to_dict()):
        return RunSummary(folder, files.read_json(folder / files.METRICS))
    from emotone.features import registry as extractors  # brings torch, which a finished run does without

    extractor = extractors.get(config.extractor)
    store = FeatureStore(config.cache)
    corpus = corpora.load(config.corpora, config.data, channel=config.channel, emotions=config.emotions)
    material = gather(corpus, extractor, config, store=store, progress=part(progress, 0.0, 0.4))
    protocol = splits.build(config.protocol, material.corpus, seed=config.seed, digests=material.digests)
    splits.check_leaks(protocol, material.corpus, digests=material.digests)
    plans = folds.plan(protocol, material, config)
    every = np.arange(len(material.corpus), dtype=np.int64)
    training_sets = [every, *(rows for plan in plans for rows in plan.training_sets())]
    material = gather_balance(
        material, extractor, config, training_sets=training_sets, store=store, progress=part(progress, 0.4, 0.5)
    )
    files.write_text(folder / files.CONFIG, config.to_toml())
    files.write_json(folder / "folds.json", protocol.to_dict())
    outputs.write_left_out(folder, material)
    results = _all_folds(plans, material, config, extractor_digest=extractor.digest, progress=part(progress, 0.5, 0.9))
    told = _write_scores(config, protocol, plans, results, material)
    _export(config, extractor, told, results, material, store=store, progress=part(progress, 0.9, 1.0))
    files.write_json(folder / files.METRICS, told)
    shutil.rmtree(folder / files.WORK, ignore_errors=True)
    return RunSummary(folder, told)


def _all_folds(
    plans: Sequence[Plan], material: Material, config: Config, *, extractor_digest: str, progress: Progress
) -> list[FoldResult]:
    """Run the folds that are not on disk yet, each kept there as soon as it is done."""
    results = []
    for done, plan in enumerate(plans):
        key = folds.fingerprint(plan, material, config, extractor_digest=extractor_digest)
        path = config.out / files.WORK / f"fold-{plan.number:02d}-{key[:32]}.npz"
        result = FoldResult.load(path)
        if result is None:
            stage = part(progress, done / len(plans), (done + 1) / len(plans))
            result = _run_fold(plan, material, config, progress=stage)
            result.save(path)
        results.append(result)
        progress(done + 1, len(plans), f"fold {plan.number} of {len(plans)} done")
    return results


def _run_fold(plan: Plan, material: Material, config: Config, *, progress: Progress) -> FoldResult:
    """Run a fold; what scikit-learn has against the clips (too few neighbours, a single clip) is told as such."""
    try:
        return folds.run_fold(plan, material, config, progress=progress)
    except EmotoneError:
        raise
    except ValueError as error:
        raise CorpusError(
            f"the model {config.model!r} can't learn fold {plan.number} from {plan.fold.train.size} clips: {error}; "
            "add clips, or choose another model"
        ) from error


def _write_scores(
    config: Config,
    protocol: splits.Protocol,
    plans: Sequence[Plan],
    results: Sequence[FoldResult],
    material: Material,
) -> dict[str, Any]:
    """Pool the folds and write all that they tell, but for ``metrics.json``, whose content is returned."""
    folder = config.out
    table = outputs.predictions(plans, results, material)
    told = outputs.summarise(table, protocol=protocol, plans=plans, emotions=material.emotions, seed=config.seed)
    files.write_table(folder / files.PREDICTIONS, table)
    outputs.write_search(folder, results)
    outputs.write_figures(folder, told)
    if config.features != "none":
        outputs.write_features(folder, material, kind=config.features)
    return told


def _export(
    config: Config,
    extractor: "Extractor",
    told: dict[str, Any],
    results: Sequence[FoldResult],
    material: Material,
    *,
    store: FeatureStore,
    progress: Progress,
) -> None:
    """Fit the final model on all clips and write its bundle."""
    from emotone import export

    progress(0, 2, "fitting the final model")
    settings = folds.best_settings(results)
    every = np.arange(len(material.corpus), dtype=np.int64)
    model, _ = folds.fit(every, material, config, settings=settings)
    outputs.write_scaler(config.out, model, material)
    progress(1, 2, "exporting the final model")
    measured = outputs.calibration(results, material)
    export.bundle(
        cast("Pipeline", model),
        extractor,
        card=outputs.card(config, told, material=material, settings=settings, measured=measured),
        out=config.out / MODEL,
        temperature=measured["temperature"],
        threshold=measured["threshold"],
        check_waveforms=waveforms(material.corpus, n_clips=N_CHECKED_CLIPS),
        graph=store.graph(extractor) if extractor.is_graph else None,
    )
    progress(2, 2, "done")


def waveforms(corpus: Corpus, *, n_clips: int) -> list[audio.Waveform]:
    """Read some clips from all over the corpus, trimmed, each (n,) float32 at 16 kHz.

    One that can't be read is passed over: ``rejected.csv`` names it.
    """
    rows = np.unique(np.linspace(0, len(corpus) - 1, num=min(n_clips, len(corpus))).round().astype(int))
    clips = corpus.table.iloc[rows]
    read = []
    for path, start_s, end_s in zip(clips["path"], clips["start_s"], clips["end_s"], strict=True):
        try:
            read.append(audio.read(path, start_s=start_s, end_s=end_s))
        except AudioError:
            continue
    return read
