"""Scores of an adaptive model over the number of unlabelled clips of the speaker and of the source that adapt it.

The clips are drawn among those that are held out together with the predicted clip.  A source is a corpus.  Nothing is
trained on these clips, and their labels are not used, except at the level "neutral".  At the level "all", the speaker's
clips include the predicted clip, as is common where features are standardised by speaker.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.errors import ConfigError
from emotone.experiment.fold_result import SUBSETS, Adapted, FoldResult, Scores
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.recognition.adaptation import PRIOR_ANSWERS, SOURCE_CLIPS, Adapter, fitted
from emotone.recognition.model import AnyProfile
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.temperature import Temperature

if TYPE_CHECKING:
    from emotone.models.deep.adaptive import AdaptiveClassifier

#: Numbers of clips of the speaker and of the source, and the number of random draws.
COUNTS, SOURCE_COUNTS, N_DRAWS = (1, 3, 5, 10, 30), (5, 20, 100), 5
#: All clips of the speaker, with the predicted clip; all neutral clips, without it.
ALL, NEUTRAL = "all", "neutral"
#: Clips of the speaker and of the source that are known together.
N_WITHIN, N_SOURCE = 5, SOURCE_CLIPS
SOURCE_LEVELS = (*(f"source-{count}" for count in SOURCE_COUNTS), f"{N_WITHIN} in source-{N_SOURCE}")
LEVELS = (*map(str, COUNTS), NEUTRAL, ALL, *SOURCE_LEVELS)
_NOTHING = np.zeros(0, dtype=np.int64)
__all__ = ["ALL", "LEVELS", "NEUTRAL", "PRIOR_ANSWERS", "EmbeddedClips", "Step", "adapted_scores", "embedded"]
_NONE = Temperature()
_MODEL = "0" * 64  # profiles of a fold are not saved


class Step(NamedTuple):
    """Clips to predict, and those of their speaker and of their source that are known; places among the rows."""

    predicted: Rows
    speaker: Rows = _NOTHING
    source: Rows = _NOTHING


@dataclass(frozen=True, eq=False)
class EmbeddedClips:
    """Held-out clips, as a model embeds them: (r, e); its emotions (k,) and its temperature.

    Without ``is_measured``, the adapter does not know how emotions move the embeddings.
    """

    adapter: Adapter
    embedding: NDArray[np.float32]
    emotions: Sequence[str]
    temperature: Temperature
    is_measured: bool = True
    #: Scores by step: where there are few clips, many draws are the same.
    done: dict[tuple[bytes, ...], Scores] = field(default_factory=dict)

    def after(self, steps: Iterable[Step]) -> Scores:
        """Return the probabilities (r, k), not calibrated; those of clips in no step are plain."""
        scores = self.adapter.scores(self.embedding, None, temperature=_NONE)
        for step in steps:
            scores[step.predicted] = self._after(step)
        return scores

    def _after(self, step: Step) -> Scores:
        key = tuple(places.tobytes() for places in step)
        if key not in self.done:
            profile: Profile = self._profile(SourceProfile, step.source)
            if step.speaker.size:
                profile = self._profile(SpeakerProfile, step.speaker, source=profile)
            self.done[key] = self.adapter.scores(self.embedding[step.predicted], profile, temperature=_NONE)
        return self.done[key]

    def _profile(self, kind: type[AnyProfile], places: Rows, **source: Any) -> AnyProfile:
        empty = kind(mean=(0.0,) * self.embedding.shape[1], n_clips=0, model=_MODEL, **source)
        clips = self.embedding[places]
        return self.adapter.extended(empty, clips, emotions=self.emotions, temperature=self.temperature)


def fitted_adapter(model: Any, rows: Rows, training_set: TrainingSet) -> Adapter | None:
    """Measure how emotions move the embeddings of an adaptive model.

    Parameters
    ----------
    model
        A fitted pipeline whose last step is an `AdaptiveClassifier`.
    rows
        (r,) own clips on which it was trained; their copies are not used.

    Returns
    -------
    What the bundle of the model needs to adapt; None if no known speaker has clips of three emotions.
    """
    classifier = cast("AdaptiveClassifier", model[-1])
    table = training_set.corpus.table.iloc[rows]
    known = rows[np.asarray(table["speaker"] != "")]
    table = training_set.corpus.table.iloc[known]
    try:
        return fitted(
            classifier.heads(),
            classifier.embed(list(training_set.values[known])),
            labels=np.searchsorted(model.classes_, training_set.labels[known]),
            speakers=list(table["speaker"]),
            corpora=list(table["corpus"]),
        )
    except ConfigError:  # with two emotions, a mean says little about their composition
        return None


def adapted_scores(
    model: Any,
    rows: Rows,
    training_set: TrainingSet,
    *,
    train: Rows,
    temperature: float,
    seed: int,
    clips: EmbeddedClips | None = None,
) -> Adapted:
    """Predict clips after adaptation to other clips of their speakers and sources.

    Parameters
    ----------
    model
        A fitted pipeline whose last step is an `AdaptiveClassifier`.
    rows
        (r,) own clips on which it was not trained.
    train
        Own clips on which it was trained.
    temperature
        Of its calibration, with which the composition of the clips is estimated.
    seed
        Random seed of the draws.
    clips
        Result of `embedded`, if it is known.

    Returns
    -------
    Level -> probabilities (draws, r, k), not calibrated; levels without random draws have one.  If a speaker or source
    has fewer clips than the level, all are used; unknown speakers have none.  Without the emotion neutral, its level is
    missing.  Without `fitted_adapter`, so are those of sources, and speakers are compared by their means alone.
    """
    clips = clips or embedded(model, rows, training_set, train=train, temperature=temperature)
    levels = steps_by_level(training_set.corpus.table.iloc[rows], rng=np.random.default_rng([seed, len(rows)]))
    unknown = (*(() if NEUTRAL in training_set.emotions else (NEUTRAL,)), *(() if clips.is_measured else SOURCE_LEVELS))
    result = {}
    for level, draws in levels.items():
        if level not in unknown:
            result[level] = np.zeros((len(draws), len(rows), len(training_set.emotions)))
            result[level][..., model.classes_] = [clips.after(steps) for steps in draws]
    return result


def embedded(model: Any, rows: Rows, training_set: TrainingSet, *, train: Rows, temperature: float) -> EmbeddedClips:
    """Embed held-out clips, and measure on the training clips what adaptation needs; see `adapted_scores`."""
    classifier = cast("AdaptiveClassifier", model[-1])
    measured = fitted_adapter(model, train, training_set)
    return EmbeddedClips(
        adapter=measured or _unmeasured(classifier),
        embedding=classifier.embed(list(training_set.values[rows])),
        emotions=[training_set.emotions[number] for number in model.classes_],
        temperature=Temperature(plain=temperature, adapted=temperature),
        is_measured=measured is not None,
    )


def _unmeasured(classifier: "AdaptiveClassifier") -> Adapter:
    """Return an adapter that takes the mean of clips as it is, as the graph does."""
    heads = {name: np.asarray(values, dtype=np.float64) for name, values in classifier.heads().items()}
    members, k = heads["plain_bias"].shape
    return Adapter(**heads, offsets=np.zeros((k, members * k)), within=np.ones(()))


def steps_by_level(table: pd.DataFrame, *, rng: np.random.Generator) -> dict[str, list[list[Step]]]:
    """Return level -> the steps of each draw, for the clips of a table."""
    names, corpora = np.asarray(table["speaker"]), np.asarray(table["corpus"])
    voices = [np.flatnonzero(names == name) for name in np.unique(names[names != ""])]
    sources = [np.flatnonzero(corpora == name) for name in np.unique(corpora)]
    neutral = np.asarray(table["emotion"] == NEUTRAL)

    def draws(groups: Sequence[Rows], count: int, kind: str) -> list[list[Step]]:
        return [
            [Step(predicted, **{kind: known}) for group in groups for predicted, known in _drawn(group, count, rng)]
            for _ in range(N_DRAWS)
        ]

    levels = {str(count): draws(voices, count, "speaker") for count in COUNTS}
    levels[NEUTRAL] = [[step for own in voices for step in _neutral(own, neutral[own])]]
    levels[ALL] = [[Step(own, speaker=own) for own in voices]]
    levels |= {f"source-{count}": draws(sources, count, "source") for count in SOURCE_COUNTS}

    def within(step: Step) -> Step:
        others = np.setdiff1d(np.flatnonzero(corpora == corpora[step.predicted[0]]), step.predicted)
        return step._replace(source=_some(others, N_SOURCE, rng))

    of_sources, of_voices = levels[f"source-{N_SOURCE}"], draws(voices, N_WITHIN, "speaker")
    levels[SOURCE_LEVELS[-1]] = [
        [*before, *map(within, steps)]  # unknown speakers have the source only
        for before, steps in zip(of_sources, of_voices, strict=True)
    ]
    return levels


def _drawn(group: Rows, count: int, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
    """Split the clips of a group into parts, and draw for each ``count`` of the others, all if there are fewer.

    There are two parts, so that few profiles have to be computed, and more where two would leave too few others.
    """
    n = len(group)
    n_parts = max(2, -(-n // (n - count))) if n > count else n
    for predicted in np.array_split(rng.permutation(group), n_parts):
        others = np.setdiff1d(group, predicted)
        yield predicted, _some(others, count, rng)


def _some(places: Rows, count: int, rng: np.random.Generator) -> Rows:
    return places if len(places) <= count else rng.choice(places, size=count, replace=False)


def _neutral(own: Rows, is_neutral: NDArray[np.bool_]) -> Iterator[Step]:
    """Yield the steps of a speaker of whom all neutral clips are known, except the predicted one."""
    known = own[is_neutral]
    if len(known) < len(own):
        yield Step(own[~is_neutral], speaker=known)
    for place in known:
        yield Step(np.array([place]), speaker=known[known != place])


def curve(folds: Sequence[tuple[Rows, Adapted]], *, plain: NDArray[np.float64], labels: Rows) -> list[dict[str, Any]]:
    """Pool the folds, and score every level.

    Parameters
    ----------
    folds
        For each fold the rows (r,) and the calibrated probabilities, with the same levels.
    plain
        (sum of r, k) probabilities without adaptation, in the order of the folds.
    labels
        (n,) class number of every clip.

    Returns
    -------
    One row per level, "0" first: level, draws, means over draws of accuracy, uar and ece, and uar_low, uar_high.
    """
    truth = np.concatenate([labels[rows] for rows, _ in folds])
    levels: dict[str, NDArray[np.float64]] = {"0": plain[None]}
    for level in folds[0][1]:
        if not all(level in scores for _, scores in folds):  # a fold may have too few emotions for some levels
            continue
        levels[level] = np.concatenate([scores[level] for _, scores in folds], axis=1)
    return [_scored(level, truth, draws) for level, draws in levels.items()]


def _scored(level: str, truth: Rows, draws: NDArray[np.float64]) -> dict[str, Any]:
    predicted = draws.argmax(axis=2)
    uar = [float(metrics.unweighted_average_recall(truth, classes)) for classes in predicted]
    return {
        "level": level,
        "draws": len(draws),
        "accuracy": float(np.mean(predicted == truth)),
        "uar": float(np.mean(uar)),
        "uar_low": min(uar),
        "uar_high": max(uar),
        "ece": float(np.mean([metrics.expected_calibration_error(truth, scores) for scores in draws])),
    }


def as_table(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return subset -> rows of `curve` as a table."""
    return pd.DataFrame([{"subset": subset, **row} for subset, rows in curves.items() for row in rows])


def write_adaptation(
    folder: Path, results: Sequence[FoldResult], training_set: TrainingSet, *, title: str
) -> dict[str, Any]:
    """Write ``adaptation.csv`` and its picture.

    Returns
    -------
    Subset -> rows of `curve`, and "folds" -> those of each fold's test; empty if the model does not adapt.
    """
    if not results[0].test_adapted:
        return {}
    predictions = {subset: [_calibrated(result, subset) for result in results] for subset in SUBSETS}
    labels = training_set.labels
    curves: dict[str, Any] = {
        subset: curve(
            [(rows, adapted) for rows, _, adapted in folds],
            plain=np.concatenate([plain for _, plain, _ in folds]),
            labels=labels,
        )
        for subset, folds in predictions.items()
    }
    files.write_table(folder / "adaptation.csv", as_table(curves))
    # folds of different corpora differ in difficulty
    curves["folds"] = [
        curve([(rows, adapted)], plain=plain, labels=labels) for rows, plain, adapted in predictions["test"]
    ]
    from emotone.report.figures import vector
    from emotone.report.figures.adaptation import adaptation_picture

    vector.save_pair(adaptation_picture(curves["test"], title=title), folder / "figures" / "adaptation.png")
    return curves


def _calibrated(result: FoldResult, subset: str) -> tuple[Rows, Scores, Adapted]:
    """Return the rows of a subset, and their calibrated probabilities without and with adaptation."""
    rows, plain, adapted = (getattr(result, f"{subset}_{name}") for name in ("rows", "scores", "adapted"))
    return rows, result.calibrated(plain), {level: result.calibrated(scores) for level, scores in adapted.items()}
