"""Finish a run whose folds are done: pool them, fit the final model on all clips, and write the run directory."""

import hashlib
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from emotone import audio, files, protocols
from emotone.augment.copies import Augmentation
from emotone.corpora import Corpus, count_groups, segments_of
from emotone.errors import AudioError, EmotoneError
from emotone.experiment import calibration, card, elsewhere, folds, outputs
from emotone.experiment.analyses import (
    adaptation,
    conditions,
    groups,
    occlusion,
    permutation_importance,
    rejection,
    worst_errors,
)
from emotone.experiment.analyses.speech_gate import speech_and_other
from emotone.experiment.config import Config
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.folds import FoldPlan
from emotone.experiment.tasks import Group
from emotone.experiment.training_set import COPIES, TrainingSet
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.parallel import LocalPool, Pool, limited
from emotone.progress import Progress, part
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from emotone.runs import layout

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from emotone.features.base import Extractor

#: Clips on which the graph is compared with the fitted model.
N_CHECKED_CLIPS = 20
#: Clips on which the detector of non-speech is trained.
N_GATE_CLIPS = 300
_ELSEWHERE = 0.7  # share of the time that the corpora take which are left out in turn


@dataclass(frozen=True, eq=False)
class _Finish:
    """Finishes the run of a model, by its name; it can be sent to another process of this machine."""

    group: Group
    protocol: protocols.Protocol
    results: Mapping[str, Sequence[FoldResult]]
    extractor: "Extractor"
    store: FeatureStore
    threads: int
    pool: Pool
    progress: Progress | None = None

    def __call__(self, name: str) -> None:
        place, n_models = list(self.group.experiments).index(name), len(self.group.experiments)
        stage = part(self.progress, place / n_models, (place + 1) / n_models)
        with limited(self.threads):
            self._finish(self.group.experiments[name], self.results[name], stage)

    def _finish(self, config: Config, results: Sequence[FoldResult], progress: Progress) -> None:
        training_set, plans = self.group.training_set, self.group.plans
        measured, temperature, left_out = self._calibrated(config, results, part(progress, 0, _ELSEWHERE))
        progress = part(progress, _ELSEWHERE, 1) if config.elsewhere else progress
        scores = _write_scores(config, self.protocol, plans, results, training_set, threshold=measured["threshold"])
        scores |= left_out
        _export(
            config,
            self.extractor,
            scores,
            results,
            training_set,
            measured=measured,
            temperature=temperature,
            store=self.store,
            threads=self.threads,
            progress=progress,
        )
        files.write_json(config.out / layout.METRICS, scores)
        shutil.rmtree(config.out / layout.WORK, ignore_errors=True)
        ensure_page(config.out)

    def _calibrated(
        self, config: Config, results: Sequence[FoldResult], progress: Progress
    ) -> tuple[dict[str, Any], Temperature, dict[str, Any]]:
        """Return the card's ``calibration``, the temperature, and ``elsewhere`` for the scores, if it was asked for."""
        training_set = self.group.training_set
        if not config.elsewhere:
            measured = calibration.calibration(results, training_set)
            return measured, Temperature.from_card(measured), {}
        settings = final_settings(config, results)
        left_out = elsewhere.answers(
            config,
            training_set,
            settings=settings,
            extractor_digest=self.extractor.digest,
            pool=self.pool,
            progress=progress,
        )
        temperature = elsewhere.fitted_temperature(left_out)
        threshold = elsewhere.fitted_threshold(left_out, temperature)
        measured = calibration.calibration(results, training_set, temperature=temperature, threshold=threshold)
        scores = {"elsewhere": elsewhere.summary(left_out, temperature, threshold), "as_exported": measured}
        return measured, temperature, scores


def finish(
    group: Group,
    protocol: protocols.Protocol,
    results: Mapping[str, Sequence[FoldResult]],
    *,
    extractor: "Extractor",
    store: FeatureStore,
    pool: Pool,
    progress: Progress,
) -> None:
    """Finish the run of each model of a group, several at the same time on this machine.

    Parameters
    ----------
    results
        Name of each model -> results of its folds.
    """
    names = list(group.experiments)
    here = pool if pool.is_here else LocalPool()  # they write files
    share = here.share(len(names), networks=group.has_networks)
    stage = progress if here.runs_in_process(share) else None
    work = _Finish(group, protocol, results, extractor, store, share.threads, here, progress=stage)
    with closing(here.map(work, names, share=share)) as finished:
        for done, (number, _) in enumerate(finished, start=1):
            progress(done, len(names), group.text(names[number], "done"))


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a finished run, using only the files in its folder."""
    from emotone.report.pages import run as run_html

    page = folder / layout.REPORT
    files.write_text(page, run_html.page(folder))
    return page


def ensure_page(folder: Path) -> None:
    """Write the page of a finished run if it is missing; warn if that fails, since the run is complete without it."""
    if (folder / layout.REPORT).is_file():
        return
    try:
        write_report(folder)
    except (EmotoneError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        message = f"{folder / layout.REPORT} was not written: {error}; the run is complete, try 'emotone report' again"
        warnings.warn(message, stacklevel=2)


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
    temperature: Temperature,
    store: FeatureStore,
    threads: int,
    progress: Progress,
) -> None:
    """Fit the final model on all clips, extra ones too, and write its bundle."""
    from emotone.export import bundle as export

    progress(0, 2, "fitting the final model")
    spec = registry.get(config.model)
    settings = final_settings(config, results)
    checkpoint = config.out / layout.WORK / f"final-{final_identity(config, training_set)}"
    rows, stage = training_set.own_rows, part(progress, 0, 0.5)
    fitted = folds.fit(
        rows, training_set, config, settings=settings, checkpoint=checkpoint, threads=threads, progress=stage
    )
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
        temperature=temperature,
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


def final_settings(config: Config, results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return the settings of the final model: those of most folds, and the median of their numbers of epochs."""
    settings = config.of_networks if registry.get(config.model).family == "deep" else {}
    epochs = [number for result in results for number in result.epochs]
    return settings | folds.best_settings(results) | folds.epochs_setting(epochs)


def _fit_gate(
    model: registry.Estimator, training_set: TrainingSet, graph: bytes, config: Config, *, progress: Progress
) -> None:
    """Train the detector of non-speech of an adaptive model."""
    from emotone.models.deep.speech_gate import fit_gate

    clips = [config.preprocessing.apply(clip) for clip in waveforms(training_set.corpus, n_clips=N_GATE_CLIPS)]
    cast("Pipeline", model)[-1].gate = fit_gate(
        *speech_and_other(clips, graph, seed=config.seed, sounds=config.sounds, progress=progress)
    )


def final_identity(config: Config, training_set: TrainingSet) -> str:
    """Digest everything that the final model depends on, so that no other model's checkpoint is used."""
    waveforms = [config.preprocessing.key, Augmentation(config.transforms, copy=0, seed=config.seed).spec]
    described = [config.to_toml(), *waveforms, *training_set.digests, *training_set.corpus.table["emotion"]]
    return hashlib.sha256("|".join(described).encode()).hexdigest()[:32]


def waveforms(corpus: Corpus, *, n_clips: int) -> list[audio.Waveform]:
    """Read clips spread evenly over the corpus, each (n,) float32 at 16 kHz, without those that can't be read."""
    rows = np.unique(np.linspace(0, len(corpus) - 1, num=min(n_clips, len(corpus))).round().astype(int))
    clips = corpus.table.iloc[rows]
    read = []
    for clip in segments_of(clips):
        try:
            read.append(clip.read())
        except AudioError:
            continue
    return read
