"""A configuration in, a run directory out: every score from models that never saw the clips they are asked about."""

import hashlib
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from emotone import audio, files, protocols
from emotone.augment.copies import Augmentation
from emotone.corpora import Corpus, count_groups
from emotone.errors import AudioError, CorpusError, EmotoneError
from emotone.experiment import calibration, card, folds, outputs, resume
from emotone.experiment.analyses import (
    adaptation,
    conditions,
    groups,
    occlusion,
    permutation_importance,
    rejection,
    worst_errors,
)
from emotone.experiment.analyses.conditions import gather_conditions
from emotone.experiment.analyses.speech_gate import speech_and_other
from emotone.experiment.config import Config
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.folds import FoldPlan
from emotone.experiment.training_set import COPIES, TrainingSet, check_extra, gather, gather_balance, load
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.progress import Progress, part
from emotone.recognition.recognizer import Recognizer
from emotone.runs import layout

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from emotone.features.base import Extractor

#: The bundle, in a run directory.
MODEL = "model"
N_CHECKED_CLIPS = 20
#: Clips that the check for speech learns from.
N_GATE_CLIPS = 300


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
        Told of steps, out of `emotone.progress.TOTAL`.

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
    if resume.is_finished(folder, config.to_dict()):
        _page(folder)
        return RunSummary(folder, files.read_json(folder / layout.METRICS))
    from emotone.features import registry as extractors  # brings torch, which a finished run does without

    extractor = extractors.get(config.extractor_name)
    store = FeatureStore(config.cache)
    corpus, extra = load(config)
    material = gather(corpus, extractor, config, store=store, extra=extra, progress=part(progress, 0.0, 0.4))
    protocol = protocols.build(config.protocol, material.own, seed=config.seed, digests=material.own_digests)
    protocols.check_leaks(protocol, material.own, digests=material.own_digests)
    plans = folds.plan(protocol, material, config)
    _check_extra(protocol, plans, material)
    every = np.arange(material.n_own, dtype=np.int64)
    training_sets = [every, *(rows for plan in plans for rows in plan.training_sets())]
    material = gather_balance(
        material, extractor, config, training_sets=training_sets, store=store, progress=part(progress, 0.4, 0.45)
    )
    material = gather_conditions(material, extractor, config, store=store, progress=part(progress, 0.45, 0.5))
    files.write_text(folder / layout.CONFIG, config.to_toml())
    files.write_json(folder / "folds.json", protocol.to_dict())
    outputs.write_left_out(folder, material)
    results = _all_folds(plans, material, config, extractor_digest=extractor.digest, progress=part(progress, 0.5, 0.9))
    measured = calibration.calibration(results, material)
    told = _write_scores(config, protocol, plans, results, material, threshold=measured["threshold"])
    last = part(progress, 0.9, 1.0)
    _export(config, extractor, told, results, material, measured=measured, store=store, progress=last)
    files.write_json(folder / layout.METRICS, told)
    shutil.rmtree(folder / layout.WORK, ignore_errors=True)
    _page(folder)
    return RunSummary(folder, told)


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a finished run, from what its folder holds alone.

    It comes after ``metrics.json``: a run is whole without its page, which can be made again at any time.
    """
    from emotone.report.pages import run as run_html

    page = folder / layout.REPORT
    files.write_text(page, run_html.page(folder))
    return page


def _page(folder: Path) -> None:
    """Write the page of a finished run that has none; one that can't be made costs no run."""
    if (folder / layout.REPORT).is_file():
        return
    try:
        write_report(folder)
    except (EmotoneError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        told = f"{folder / layout.REPORT} was not written: {error}; the run is whole, see 'emotone report'"
        warnings.warn(told, stacklevel=2)


def _check_extra(protocol: protocols.Protocol, plans: Sequence[FoldPlan], material: TrainingSet) -> None:
    """Check every pair of training and held-out clips that share no speaker: no extra clip may bring one back."""
    for plan in plans:
        if protocol.speaker_disjoint:
            check_extra(material, plan.fold.train, held_out=plan.fold.test)
        if plan.speaker_disjoint:
            for train, held_out in (*plan.inner, *([plan.validated] if plan.validated else [])):
                check_extra(material, train, held_out=held_out)


def _all_folds(
    plans: Sequence[FoldPlan], material: TrainingSet, config: Config, *, extractor_digest: str, progress: Progress
) -> list[FoldResult]:
    """Run the folds that are not on disk yet, each kept there as soon as it is done."""
    results = []
    for done, plan in enumerate(plans):
        key = folds.fingerprint(plan, material, config, extractor_digest=extractor_digest)
        path = config.out / layout.WORK / f"fold-{plan.number:02d}-{key[:32]}.npz"
        result = FoldResult.load(path)
        if result is None:
            stage = part(progress, done / len(plans), (done + 1) / len(plans))
            result = _run_fold(plan, material, config, checkpoint=path.with_suffix(""), progress=stage)
            result.save(path)
        results.append(result)
        progress(done + 1, len(plans), f"fold {plan.number} of {len(plans)} done")
    return results


def _run_fold(
    plan: FoldPlan, material: TrainingSet, config: Config, *, checkpoint: Path, progress: Progress
) -> FoldResult:
    """Run a fold; what scikit-learn has against the clips (too few neighbours, a single clip) is told as such."""
    try:
        return folds.run_fold(plan, material, config, checkpoint=checkpoint, progress=progress)
    except EmotoneError:
        raise
    except ValueError as error:
        n_clips = material.learnt(plan.fold.train).size
        raise CorpusError(
            f"the model {config.model!r} can't learn fold {plan.number} from {n_clips} clips: {error}; "
            "add clips, or choose another model"
        ) from error


def _write_scores(
    config: Config,
    protocol: protocols.Protocol,
    plans: Sequence[FoldPlan],
    results: Sequence[FoldResult],
    material: TrainingSet,
    *,
    threshold: float,
) -> dict[str, Any]:
    """Pool the folds and write all that they tell, but for ``metrics.json``, whose content is returned."""
    folder = config.out
    table = outputs.predictions(plans, results, material)
    told = outputs.summarise(table, protocol=protocol, plans=plans, material=material, config=config)
    for fold, result in zip(told["folds"], results, strict=True):
        fold["temperature"] = result.temperature
    files.write_table(folder / layout.PREDICTIONS, table)
    header = told["protocol"]
    told["left_out"] = count_groups(item for item in material.left_out if item.group != COPIES)
    told["unsure"] = rejection.write(folder, table, material=material, threshold=threshold, protocol=header)
    told["groups"] = groups.write(folder, table, material=material, protocol=header, seed=config.seed)
    adapted = adaptation.write_adaptation(
        folder, results, material, title=f"{config.model}, {protocol.name}: test clips of speakers heard before"
    )
    if adapted:
        told["adapted"] = adapted
    if config.conditions:
        told["conditions"] = conditions.write_conditions(folder, results, material)
    outputs.write_search(folder, results)
    permutation_importance.write(folder, results)
    worst_errors.write(folder, table, material)
    outputs.write_figures(folder, told)
    if config.features != "none":
        outputs.write_features(folder, material, kind=config.features)
    return told


def _export(
    config: Config,
    extractor: "Extractor",
    told: dict[str, Any],
    results: Sequence[FoldResult],
    material: TrainingSet,
    *,
    measured: Mapping[str, Any],
    store: FeatureStore,
    progress: Progress,
) -> None:
    """Fit the final model on all clips, extra ones too, and write its bundle."""
    from emotone.export import bundle as export

    progress(0, 2, "fitting the final model")
    epochs = folds.epochs_setting([epoch for result in results for epoch in result.epochs])
    own = config.of_networks if registry.get(config.model).family == "deep" else {}
    settings = own | folds.best_settings(results) | epochs
    every = np.arange(material.n_own, dtype=np.int64)
    fitted = folds.fit(
        every,
        material,
        config,
        settings=settings,
        checkpoint=config.out / layout.WORK / f"final-{_identity(config, material)}",
        progress=part(progress, 0, 0.5),
    )
    model = fitted.model
    outputs.write_curves(config.out, results, final=fitted, title=f"{config.model}: training")
    outputs.write_scaler(config.out, model, material)
    if extractor.is_graph and registry.get(config.model).adaptive:
        _set_gate(model, material, store.graph(extractor), config, progress=part(progress, 0.4, 0.5))
    part(progress, 0.5, 0.6)(0, 1, "exporting the final model")
    export.bundle(
        cast("Pipeline", model),
        extractor,
        card=card.card(config, told, material=material, settings=settings, measured=measured),
        out=config.out / MODEL,
        temperature=measured["temperature"],
        threshold=measured["threshold"],
        preprocessing=config.preprocessing,
        check_waveforms=waveforms(material.corpus, n_clips=N_CHECKED_CLIPS),
        graph=store.graph(extractor) if extractor.is_graph else None,
    )
    if extractor.is_graph and registry.get(config.model).family == "deep":
        final, stage = Recognizer(config.out / MODEL), part(progress, 0.6, 1.0)
        occlusion.write(
            config.out,
            final,
            material.own,
            preprocessing=config.preprocessing,
            seed=config.seed,
            progress=stage,
        )
    progress(2, 2, "done")


def _set_gate(
    model: registry.Estimator, material: TrainingSet, graph: bytes, config: Config, *, progress: Progress
) -> None:
    """Let an adaptive model tell whether there is speech at all."""
    from emotone.models.deep.speech_gate import fit_gate

    clips = [config.preprocessing.apply(clip) for clip in waveforms(material.corpus, n_clips=N_GATE_CLIPS)]
    cast("Pipeline", model)[-1].gate = fit_gate(*speech_and_other(clips, graph, seed=config.seed, progress=progress))


def _identity(config: Config, material: TrainingSet) -> str:
    """Digest what the final model is fitted on, so that no other model's checkpoint is taken for its own."""
    waveforms = [config.preprocessing.key, Augmentation(config.transforms, copy=0, seed=config.seed).spec]
    described = [config.to_toml(), *waveforms, *material.digests, *material.corpus.table["emotion"]]
    return hashlib.sha256("|".join(described).encode()).hexdigest()[:32]


def waveforms(corpus: Corpus, *, n_clips: int) -> list[audio.Waveform]:
    """Read some clips from all over the corpus, each (n,) float32 at 16 kHz.

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
