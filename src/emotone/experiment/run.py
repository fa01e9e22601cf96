"""Run an experiment: evaluate a model under a protocol, fit it on all clips, and write the run directory."""

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

#: Clips on which the graph is compared with the fitted model.
N_CHECKED_CLIPS = 20
#: Clips on which the detector of non-speech is trained.
N_GATE_CLIPS = 300


@dataclass(frozen=True)
class RunSummary:
    """A run directory, and the contents of its ``metrics.json``."""

    folder: Path
    metrics: dict[str, Any]


def run(config: Config, progress: Progress | None = None) -> RunSummary:
    """Evaluate a model under a protocol, fit it on all clips, and write the run directory.

    An interrupted run continues: finished features and folds are not computed again.  A finished run with the same
    settings is returned unchanged.  ``metrics.json`` is written last, so a folder that has it is complete.

    Parameters
    ----------
    config
        The experiment; ``config.out`` may be missing, empty, or a run with the same settings.
    progress
        Called with the steps done, out of `emotone.progress.TOTAL`.

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
    """
    folder = config.out
    if resume.is_finished(folder, config.to_dict()):
        _page(folder)
        return RunSummary(folder, files.read_json(folder / layout.METRICS))
    from emotone.features import registry as extractors  # loads torch, which a finished run does not need

    extractor, store = extractors.get(config.extractor_name), FeatureStore(config.cache)
    protocol, plans, training_set = _prepare(config, extractor, store, progress=part(progress, 0.0, 0.5))
    files.write_text(folder / layout.CONFIG, config.to_toml())
    files.write_json(folder / layout.FOLDS, protocol.to_dict())
    outputs.write_left_out(folder, training_set)
    digest, stage = extractor.digest, part(progress, 0.5, 0.9)
    results = _all_folds(plans, training_set, config, extractor_digest=digest, progress=stage)
    measured = calibration.calibration(results, training_set)
    scores = _write_scores(config, protocol, plans, results, training_set, threshold=measured["threshold"])
    last = part(progress, 0.9, 1.0)
    _export(config, extractor, scores, results, training_set, measured=measured, store=store, progress=last)
    files.write_json(folder / layout.METRICS, scores)
    shutil.rmtree(folder / layout.WORK, ignore_errors=True)
    _page(folder)
    return RunSummary(folder, scores)


def _prepare(
    config: Config, extractor: "Extractor", store: FeatureStore, *, progress: Progress
) -> tuple[protocols.Protocol, list[FoldPlan], TrainingSet]:
    """Read the corpora, build and check the folds, and compute all features."""
    corpus, extra = load(config)
    training_set = gather(corpus, extractor, config, store=store, extra=extra, progress=part(progress, 0.0, 0.8))
    own, digests = training_set.own, training_set.own_digests
    protocol = protocols.build(config.protocol, own, seed=config.seed, digests=digests)
    protocols.check_leaks(protocol, own, digests=digests)
    plans = folds.plan(protocol, training_set, config)
    _check_extra(protocol, plans, training_set)
    sets, stage = (
        [training_set.own_rows, *(rows for plan in plans for rows in plan.training_sets())],
        part(progress, 0.8, 0.9),
    )
    training_set = gather_balance(training_set, extractor, config, training_sets=sets, store=store, progress=stage)
    stage = part(progress, 0.9, 1.0)
    return protocol, plans, gather_conditions(training_set, extractor, config, store=store, progress=stage)


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a finished run, using only the files in its folder."""
    from emotone.report.pages import run as run_html

    page = folder / layout.REPORT
    files.write_text(page, run_html.page(folder))
    return page


def _page(folder: Path) -> None:
    """Write the page of a finished run if it is missing; warn if that fails, since the run is complete without it."""
    if (folder / layout.REPORT).is_file():
        return
    try:
        write_report(folder)
    except (EmotoneError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        message = f"{folder / layout.REPORT} was not written: {error}; the run is complete, try 'emotone report' again"
        warnings.warn(message, stacklevel=2)


def _check_extra(protocol: protocols.Protocol, plans: Sequence[FoldPlan], training_set: TrainingSet) -> None:
    """Check that extra clips add no held-out speaker to training clips that should share no speaker with them."""
    for plan in plans:
        if protocol.speaker_disjoint:
            check_extra(training_set, plan.fold.train, held_out=plan.fold.test)
        if plan.speaker_disjoint:
            for train, held_out in (*plan.inner, *([plan.validated] if plan.validated else [])):
                check_extra(training_set, train, held_out=held_out)


def _all_folds(
    plans: Sequence[FoldPlan], training_set: TrainingSet, config: Config, *, extractor_digest: str, progress: Progress
) -> list[FoldResult]:
    """Run the folds without a stored result, and store each result at once."""
    results = []
    for done, plan in enumerate(plans):
        key = folds.fingerprint(plan, training_set, config, extractor_digest=extractor_digest)
        path = config.out / layout.WORK / f"fold-{plan.number:02d}-{key[:32]}.npz"
        result = FoldResult.load(path)
        if result is None:
            stage = part(progress, done / len(plans), (done + 1) / len(plans))
            try:
                result = folds.run_fold(plan, training_set, config, checkpoint=path.with_suffix(""), progress=stage)
            except EmotoneError:
                raise
            except ValueError as error:  # of scikit-learn, such as fewer clips than neighbours
                n_clips = training_set.usable_rows(plan.fold.train).size
                raise CorpusError(
                    f"the model {config.model!r} can't learn fold {plan.number} from {n_clips} clips: {error}; "
                    "add clips, or choose another model"
                ) from error
            result.save(path)
        results.append(result)
        progress(done + 1, len(plans), f"fold {plan.number} of {len(plans)} done")
    return results


def _write_scores(
    config: Config,
    protocol: protocols.Protocol,
    plans: Sequence[FoldPlan],
    results: Sequence[FoldResult],
    training_set: TrainingSet,
    *,
    threshold: float,
) -> dict[str, Any]:
    """Pool the folds, write all tables and pictures, and return the contents of ``metrics.json``."""
    folder = config.out
    table = outputs.predictions(plans, results, training_set)
    scores = outputs.summarise(table, protocol=protocol, plans=plans, training_set=training_set, config=config)
    for fold, result in zip(scores["folds"], results, strict=True):
        fold["temperature"] = result.temperature
    files.write_table(folder / layout.PREDICTIONS, table)
    header = scores["protocol"]
    scores["unsure"] = rejection.write(folder, table, training_set=training_set, threshold=threshold, protocol=header)
    scores["groups"] = groups.write(folder, table, training_set=training_set, protocol=header, seed=config.seed)
    left_out = count_groups(clip for clip in training_set.left_out if clip.group != COPIES)
    scores |= {"left_out": left_out} if left_out else {}
    adapted = adaptation.write_adaptation(
        folder,
        results,
        training_set,
        title=f"{config.model}, {protocol.name}: test clips after adaptation",
    )
    if adapted:
        scores["adapted"] = adapted
    if config.conditions:
        scores["conditions"] = conditions.write_conditions(folder, results, training_set)
    outputs.write_search(folder, results)
    permutation_importance.write(folder, results)
    worst_errors.write(folder, table, training_set)
    outputs.write_figures(folder, scores)
    if config.features != "none":
        outputs.write_features(folder, training_set, kind=config.features)
    return scores


def _export(
    config: Config,
    extractor: "Extractor",
    scores: dict[str, Any],
    results: Sequence[FoldResult],
    training_set: TrainingSet,
    *,
    measured: Mapping[str, Any],
    store: FeatureStore,
    progress: Progress,
) -> None:
    """Fit the final model on all clips, extra ones too, and write its bundle."""
    from emotone.export import bundle as export

    progress(0, 2, "fitting the final model")
    spec = registry.get(config.model)
    settings = config.of_networks if spec.family == "deep" else {}
    settings |= folds.best_settings(results) | folds.epochs_setting([n for result in results for n in result.epochs])
    checkpoint = config.out / layout.WORK / f"final-{_identity(config, training_set)}"
    rows, stage = training_set.own_rows, part(progress, 0, 0.5)
    fitted = folds.fit(rows, training_set, config, settings=settings, checkpoint=checkpoint, progress=stage)
    model = fitted.model
    outputs.write_curves(config.out, results, final=fitted, title=f"{config.model}: training")
    outputs.write_scaler(config.out, model, training_set)
    if extractor.is_graph and spec.adaptive:
        _fit_gate(model, training_set, store.graph(extractor), config, progress=part(progress, 0.4, 0.5))
    part(progress, 0.5, 0.6)(0, 1, "exporting the final model")
    export.write_bundle(
        cast("Pipeline", model),
        extractor,
        card=card.card(config, scores, training_set=training_set, settings=settings, measured=measured),
        out=config.out / layout.MODEL,
        temperature=measured["temperature"],
        threshold=measured["threshold"],
        preprocessing=config.preprocessing,
        check_waveforms=waveforms(training_set.corpus, n_clips=N_CHECKED_CLIPS),
        graph=store.graph(extractor) if extractor.is_graph else None,
        adaptation=adaptation.fitted_adapter(model, rows, training_set) if spec.adaptive else None,
    )
    if extractor.is_graph and spec.family == "deep":
        final, stage = Recognizer(config.out / layout.MODEL), part(progress, 0.6, 1.0)
        own, preprocessing = training_set.own, config.preprocessing
        occlusion.write(config.out, final, own, preprocessing=preprocessing, seed=config.seed, progress=stage)
    progress(2, 2, "done")


def _fit_gate(
    model: registry.Estimator, training_set: TrainingSet, graph: bytes, config: Config, *, progress: Progress
) -> None:
    """Train the detector of non-speech of an adaptive model."""
    from emotone.models.deep.speech_gate import fit_gate

    clips = [config.preprocessing.apply(clip) for clip in waveforms(training_set.corpus, n_clips=N_GATE_CLIPS)]
    cast("Pipeline", model)[-1].gate = fit_gate(*speech_and_other(clips, graph, seed=config.seed, progress=progress))


def _identity(config: Config, training_set: TrainingSet) -> str:
    """Digest everything that the final model depends on, so that no other model's checkpoint is used."""
    waveforms = [config.preprocessing.key, Augmentation(config.transforms, copy=0, seed=config.seed).spec]
    described = [config.to_toml(), *waveforms, *training_set.digests, *training_set.corpus.table["emotion"]]
    return hashlib.sha256("|".join(described).encode()).hexdigest()[:32]


def waveforms(corpus: Corpus, *, n_clips: int) -> list[audio.Waveform]:
    """Read clips spread evenly over the corpus, each (n,) float32 at 16 kHz, without those that can't be read."""
    rows = np.unique(np.linspace(0, len(corpus) - 1, num=min(n_clips, len(corpus))).round().astype(int))
    clips = corpus.table.iloc[rows]
    read = []
    for path, start_s, end_s in zip(clips["path"], clips["start_s"], clips["end_s"], strict=True):
        try:
            read.append(audio.read(path, start_s=start_s, end_s=end_s))
        except AudioError:
            continue
    return read
