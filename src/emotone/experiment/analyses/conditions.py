"""Test clips under conditions, such as noise: features are computed before the folds, and read again by each fold."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.augment.conditions import CONDITIONS
from emotone.augment.copies import Augmentation
from emotone.corpora import Corpus
from emotone.errors import FeatureError
from emotone.experiment.config import Config
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.features.store import FeatureStore, StoredExtractor
from emotone.parallel import Pool
from emotone.progress import Progress, part

if TYPE_CHECKING:
    from emotone.features.base import Extractor


def gather_conditions(
    training_set: TrainingSet,
    extractor: "Extractor",
    config: Config,
    *,
    store: FeatureStore,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> TrainingSet:
    """Compute the features of the own clips under every condition, and return a training set that can read them.

    Raises
    ------
    FeatureError
        A clip can't be read under a condition.
    """
    readers, stored = {}, StoredExtractor.of(extractor)  # which is small, for other processes
    for step, name in enumerate(config.conditions):
        stage = part(progress, step / len(config.conditions), (step + 1) / len(config.conditions))
        corpus = training_set.own
        readers[name] = partial(_features, name=name, corpus=corpus, extractor=stored, store=store, config=config)
        readers[name](training_set.own_rows, pool=pool, progress=stage)
    return replace(training_set, conditions=readers)


def _features(
    rows: Rows,
    *,
    name: str,
    corpus: Corpus,
    extractor: StoredExtractor,
    store: FeatureStore,
    config: Config,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Return the features of clips under a condition; the store keeps them."""

    def report(done: int, total: int, what: str, /) -> None:
        if progress is not None:
            progress(done, total, f"features under {name}")

    features = store.compute(
        corpus,
        extractor,
        preprocessing=config.preprocessing,
        augmentation=Augmentation((CONDITIONS[name],), copy=1, seed=config.seed),
        rows=rows.tolist(),
        pool=pool,
        progress=report,
    )
    if features.rejected:
        place, reason = next(iter(features.rejected.items()))
        path = corpus.table["path"][rows[place]]
        raise FeatureError(f"{path} can't be tested under {name!r}: {reason}; leave the condition or the file out")
    return features.values


def write_conditions(folder: Path, results: Sequence[FoldResult], training_set: TrainingSet) -> list[dict[str, Any]]:
    """Write ``conditions.csv``: the test scores as recorded ("none") and under every condition.

    Returns
    -------
    One row per condition: condition, accuracy, uar, ece.
    """
    truth = training_set.labels[np.concatenate([result.test_rows for result in results])]
    under = {"none": [result.test_scores for result in results]}
    under |= {name: [result.test_conditions[name] for result in results] for name in training_set.conditions}
    rows = []
    for name, scores in under.items():
        pooled = np.concatenate([result.calibrated(raw) for result, raw in zip(results, scores, strict=True)])
        predicted = pooled.argmax(axis=1)
        rows.append(
            {
                "condition": name,
                "accuracy": float(metrics.accuracy(truth, predicted)),
                "uar": float(metrics.unweighted_average_recall(truth, predicted)),
                "ece": float(metrics.expected_calibration_error(truth, pooled)),
            }
        )
    files.write_table(folder / "conditions.csv", pd.DataFrame(rows))
    return rows
