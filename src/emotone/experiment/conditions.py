"""The test clips as conditions change them: computed before the folds, and read again fold by fold."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.conditions import CONDITIONS
from emotone.corpora import Corpus
from emotone.errors import FeatureError
from emotone.experiment.config import Config
from emotone.experiment.material import Material, Rows
from emotone.experiment.steps import part
from emotone.features.store import Augmentation, FeatureStore
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.features.base import Extractor


def gather_conditions(
    material: Material,
    extractor: "Extractor",
    config: Config,
    *,
    store: FeatureStore,
    progress: Progress | None = None,
) -> Material:
    """Compute the features of the own clips under every condition that they are tested under, and keep them at hand.

    Raises
    ------
    FeatureError
        A clip can't be read once it was changed.
    """
    every, found = np.arange(material.n_own, dtype=np.int64), {}
    for step, name in enumerate(config.conditions):
        stage = part(progress, step / len(config.conditions), (step + 1) / len(config.conditions))
        under = _Under(name, material.own, extractor, store, seed=config.seed)
        under(every, progress=stage)
        found[name] = under
    return replace(material, conditions=found)


@dataclass(frozen=True, eq=False)
class _Under:
    """Gives features of clips under one condition; computed once, and from then on in the store."""

    name: str
    corpus: Corpus
    extractor: "Extractor"
    store: FeatureStore
    seed: int

    def __call__(self, rows: Rows, *, progress: Progress | None = None) -> NDArray[Any]:
        def told(done: int, total: int, what: str, /) -> None:
            if progress is not None:
                progress(done, total, f"features under {self.name}")

        change = Augmentation((CONDITIONS[self.name],), copy=1, seed=self.seed)
        found = self.store.compute(self.corpus, self.extractor, augmentation=change, rows=rows.tolist(), progress=told)
        if found.rejected:
            place, why = next(iter(found.rejected.items()))
            path = self.corpus.table["path"][rows[place]]
            raise FeatureError(
                f"{path} can't be tested under {self.name!r}: {why}; leave the condition or the file out"
            )
        return found.values
