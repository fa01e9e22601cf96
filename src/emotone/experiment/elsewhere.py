"""Scores on corpora that a model was not trained on: each corpus in turn, predicted by a model of the others.

New speakers of known corpora are recorded in known rooms and act in known ways, so their scores promise too much for
other recordings.  The temperature and the threshold of the final model are fitted on the answers of this analysis.
"""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emotone import metrics
from emotone._version import __version__
from emotone.augment.copies import Augmentation
from emotone.errors import CorpusError
from emotone.experiment import folds
from emotone.experiment.analyses import adaptation
from emotone.experiment.calibration import least_threshold
from emotone.experiment.config import Config
from emotone.experiment.left_out import LEVELS, ONE_EMOTION, LeftOut, of_clips
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.parallel import Pool, limited
from emotone.progress import Progress
from emotone.recognition.temperature import Temperature
from emotone.runs import layout

PROTOCOL = (
    "leave-one-corpus-out: each corpus in turn was predicted by a model of the same kind that was trained on the "
    "others, over the emotions that both have; settings such as the number of epochs were chosen on all corpora"
)
#: Answers with this probability or more are called confident.
CONFIDENT = 0.8
#: The share of answers, the least confident ones, that the final model calls "unsure".
_UNSURE_SHARE = 0.1


def checked_corpora(training_set: TrainingSet) -> list[str]:
    """Return the names of the corpora.

    Raises
    ------
    CorpusError
        There is only one corpus, or a corpus shares no emotion with the others.
    """
    sources, labels = training_set.own.table["corpus"].to_numpy(str), training_set.labels[training_set.own_rows]
    names: list[str] = np.unique(sources).tolist()
    if len(names) < 2:
        raise CorpusError(f"{training_set.corpus.name} is the only corpus; expected several, to leave each out in turn")
    for name in names:
        if not np.isin(labels[sources == name], labels[sources != name]).any():
            raise CorpusError(
                f"{name} has no emotion of the other corpora, so a model of these can't be tested on it; train without "
                "this corpus, or without --elsewhere"
            )
    return names


def answers(
    config: Config,
    training_set: TrainingSet,
    *,
    settings: dict[str, Any],
    extractor_digest: str,
    pool: Pool,
    progress: Progress,
) -> list[LeftOut]:
    """Leave each corpus out in turn; finished ones are read from the folder of the run.

    Parameters
    ----------
    settings
        Of the final model, by scikit-learn's names.
    extractor_digest
        Digest of the extractor, so that answers to other features are not used.

    Raises
    ------
    CorpusError
        See `checked_corpora`.
    """
    names = checked_corpora(training_set)
    key = _identity(config, training_set, settings, extractor_digest)
    paths = {name: config.out / layout.WORK / f"elsewhere-{name}-{key}.npz" for name in names}
    known = {name: LeftOut.load(name, path) for name, path in paths.items()}
    missing = [name for name in names if known[name] is None]
    share = pool.share(len(missing), networks=True)
    work = _LeaveOut(config, training_set, settings, share.threads)
    progress(len(names) - len(missing), len(names), "leaving corpora out")
    with closing(pool.map(work, missing, share=share)) as computed:
        for done, (number, left_out) in enumerate(computed, start=1):
            left_out.save(paths[missing[number]])
            known[missing[number]] = left_out
            progress(len(names) - len(missing) + done, len(names), f"{missing[number]} left out")
    return [left_out for left_out in known.values() if left_out is not None]


def _identity(config: Config, training_set: TrainingSet, settings: dict[str, Any], extractor_digest: str) -> str:
    """Digest everything that the answers depend on, so that no other run's are used."""
    spec = Augmentation(config.transforms, copy=0, seed=config.seed).spec
    described = [
        __version__,
        config.to_toml(),
        str(sorted(settings.items())),
        extractor_digest,
        config.preprocessing.key,
        spec,
    ]
    table = training_set.corpus.table[["emotion", "speaker", "corpus"]].to_numpy(str).ravel()
    return hashlib.sha256("|".join([*described, *training_set.digests, *table]).encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class _LeaveOut:
    """Trains a model on the own clips of all corpora but one, and predicts this one; called with its name."""

    config: Config
    training_set: TrainingSet
    settings: dict[str, Any]
    threads: int

    def __call__(self, name: str) -> LeftOut:
        config, training_set = self.config, self.training_set
        sources = np.asarray(training_set.own.table["corpus"], dtype=str)
        rows = np.flatnonzero(sources == name)
        digests = np.asarray(training_set.own_digests)
        # A recording that two corpora hold would be in training and in the test.
        train = np.flatnonzero((sources != name) & ~np.isin(digests, digests[rows]))
        with limited(self.threads):
            fitted = folds.fit(train, training_set, config, settings=self.settings, threads=self.threads)
            model = cast("Any", fitted.model)
            rows = rows[np.isin(training_set.labels[rows], model.classes_)]
            clips = adaptation.embedded(model, rows, training_set, train=train, temperature=1.0)
        table, n_emotions = training_set.own.table.iloc[rows], len(training_set.emotions)
        labels = np.searchsorted(model.classes_, training_set.labels[rows])
        return _widened(of_clips(name, clips, table, labels=labels, seed=config.seed), model.classes_, n_emotions)


def _widened(left_out: LeftOut, classes: Rows, n_emotions: int) -> LeftOut:
    """Return the answers with a column for each of the emotions of a training set; the model knows ``classes``."""

    def wide(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        result = np.zeros((*scores.shape[:-1], n_emotions))
        result[..., classes] = scores
        return result

    adapted = {level: wide(scores) for level, scores in left_out.adapted.items()}
    return replace(left_out, labels=classes[left_out.labels], plain=wide(left_out.plain), adapted=adapted)


def fitted_temperature(left_out: Sequence[LeftOut]) -> Temperature:
    """Fit the temperature on answers to corpora that were left out: the least negative log-likelihood.

    Every corpus counts the same.  All emotions of the model are in the answers, also those that a corpus lacks, as in
    use.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        temperature = _temperature(parameters)
        return sum(_loss(each, temperature, level) for each in left_out for level in ("", *LEVELS))

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"maxiter": 400})
    return _temperature(best.x)


def _temperature(parameters: NDArray[np.float64]) -> Temperature:
    plain, rise, adapted = np.exp(np.clip(parameters, -6, 3))
    return Temperature(plain=float(plain), per_distance=float(rise), adapted=float(adapted))


def _loss(left_out: LeftOut, temperature: Temperature, level: str) -> float:
    scores = left_out.calibrated(temperature, level)
    scores = scores if level else scores[None]
    right = np.take_along_axis(scores, left_out.labels[None, :, None], axis=2)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def fitted_threshold(left_out: Sequence[LeftOut], temperature: Temperature) -> float:
    """Return the confidence that a tenth of the answers is below, every corpus counting the same."""
    confidence = [each.calibrated(temperature).max(axis=1) for each in left_out]
    weights = np.concatenate([np.full(len(values), 1 / len(values)) for values in confidence])
    order = np.argsort(np.concatenate(confidence))
    share = np.cumsum(weights[order]) / weights.sum()
    quantile = np.concatenate(confidence)[order][int(np.searchsorted(share, _UNSURE_SHARE))]
    # rounded down, so that the last bit does not decide
    least = least_threshold(left_out[0].calibrated(temperature).shape[1])
    return min(0.999, max(least, float(np.floor(1000 * quantile) / 1000)))


def summary(
    left_out: Sequence[LeftOut],
    temperature: Temperature,
    threshold: float,
    *,
    protocol: str = PROTOCOL,
    cross_fitted: bool = True,
) -> dict[str, Any]:
    """Return the object ``elsewhere`` of a card, see docs/architecture.md.

    Parameters
    ----------
    protocol
        How the answers were got.
    cross_fitted
        Whether each corpus is scored with a temperature and a threshold that are fitted on the others, so that no
        corpus is scored with what was fitted on it; False: with ``temperature`` and ``threshold``.

    Notes
    -----
    UAR, accuracy and ECE are over the emotions that a corpus shares with the others; ``confident`` and ``unsure`` over
    all emotions of the model.
    """
    rows, confident, unsure = [], [], []
    for each in left_out:
        others = [other for other in left_out if other is not each]
        own = fitted_temperature(others) if cross_fitted and others else temperature
        scores = each.shared(each.calibrated(own))
        adapted = each.shared(each.calibrated(own, LEVELS[-1]))[0]
        right = scores.argmax(axis=1) == each.truth
        # Confidences of all emotions of the model, as in use: an answer that the corpus does not have is wrong.
        whole = each.calibrated(own)
        confidence, is_right = whole.max(axis=1), whole.argmax(axis=1) == each.labels
        limit = fitted_threshold(others, own) if cross_fitted and others else threshold
        confident.append(_split(is_right, confidence >= CONFIDENT))
        unsure.append(_split(is_right, confidence >= limit))
        rows.append(
            {
                "name": each.corpus,
                "clips": len(right),
                "speakers": len(set(each.speakers) - {""}),
                "emotions": scores.shape[1],
                "uar": each.uar(),
                "accuracy": float(right.mean()),
                "ece": metrics.expected_calibration_error(each.truth, scores),
                "adapted": {level: each.uar(level) for level in LEVELS},
                "adapted_ece": metrics.expected_calibration_error(each.truth, adapted),
                "one_emotion": _gain_of_one_emotion(each),
            }
        )
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("uar", "accuracy", "ece", "adapted_ece")}
    share, right_above, _ = (_mean(values) for values in zip(*confident, strict=True))
    coverage, above, below = (_mean(values) for values in zip(*unsure, strict=True))
    return {
        "protocol": protocol,
        **means,
        "adapted": {level: float(np.mean([row["adapted"][level] for row in rows])) for level in LEVELS},
        "one_emotion": float(np.mean([row["one_emotion"] for row in rows])),
        "confident": {"from": CONFIDENT, "share": share, "right": right_above},
        "unsure": {"coverage": coverage, "accuracy_above": above, "accuracy_below": below},
        "corpora": rows,
    }


def _gain_of_one_emotion(left_out: LeftOut) -> float:
    """Return the gain in UAR after adaptation to clips of one emotion, on the clips that were not known."""
    scores, gains = left_out.shared(left_out.adapted[ONE_EMOTION]), []
    plain = left_out.shared(left_out.plain)
    for draw in scores:
        rest = np.isfinite(draw).all(axis=1)
        adapted, before = (
            metrics.unweighted_average_recall(left_out.truth[rest], values[rest].argmax(axis=1))
            for values in (draw, plain)
        )
        gains.append(adapted - before)
    return float(np.mean(gains))


def _split(right: NDArray[np.bool_], is_above: NDArray[np.bool_]) -> tuple[float, float | None, float | None]:
    """Return the share of answers above, and the right share of those above and of the others; None without any."""
    above, below = (float(right[chosen].mean()) if chosen.any() else None for chosen in (is_above, ~is_above))
    return float(is_above.mean()), above, below


def _mean(values: Sequence[float | None]) -> Any:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
