"""What an experiment learns from: clips with labels, their features, and those of their augmented copies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotone.corpora import Corpus, Rejected, find_duplicates
from emotone.errors import CorpusError
from emotone.experiment.config import Config
from emotone.experiment.steps import part
from emotone.features.store import Augmentation, FeatureStore
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.features.base import Extractor

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Material:
    """Clips and their augmented copies, as the rows of one feature matrix.

    Attributes
    ----------
    corpus
        n clips, each of which could be read.
    names
        d names of features.
    digests
        (n,) content digests of the recordings.
    values
        (m, d) float32: first the n clips in the order of the corpus, then copies.
    origin
        (m,) row of the corpus that a row of ``values`` was made from.
    copy
        (m,) number of the augmented copy; 0 for the clip itself.
    copies
        Copies up to this number belong to every training set; those above it serve to balance one.
    left_out
        Files, rows and copies that could not be used, with the reason.
    """

    corpus: Corpus
    names: tuple[str, ...]
    digests: tuple[str, ...]
    values: NDArray[np.float32]
    origin: Rows
    copy: Rows
    copies: int
    left_out: tuple[Rejected, ...]

    @cached_property
    def emotions(self) -> tuple[str, ...]:
        """The k classes, in the order of their numbers."""
        return self.corpus.emotions

    @cached_property
    def labels(self) -> Rows:
        """(n,) class number of each clip."""
        number = {emotion: index for index, emotion in enumerate(self.emotions)}
        return np.asarray([number[emotion] for emotion in self.corpus.table["emotion"]], dtype=np.int64)

    @cached_property
    def speakers(self) -> list[str]:
        """(n,) speaker of each clip."""
        return [str(name) for name in self.corpus.table["speaker"]]

    def training(self, rows: Rows, *, balanced: bool = False, seed: int = 0) -> Rows:
        """Choose what a model learns from that may see these clips and no others.

        Parameters
        ----------
        rows
            (r,) rows of the corpus.
        balanced
            Whether rarer emotions get further copies, until each is as frequent as the most frequent.
        seed
            Draws which clips get one copy more than others.

        Returns
        -------
        Rows of ``values``, ascending: the clips, their copies, and no row made from any other clip.
        """
        own = np.isin(self.origin, rows)
        base = np.flatnonzero(own & (self.copy <= self.copies))
        if not balanced:
            return base
        labels = self.labels[self.origin]
        spare = np.flatnonzero(own & (self.copy > self.copies))
        missing = _missing(labels[base], n_classes=len(self.emotions))
        chosen = [base]
        for emotion in np.flatnonzero(missing):
            candidates = spare[labels[spare] == emotion]
            # every clip gets its first further copy before any gets its second
            chance = np.random.default_rng([seed, int(emotion)]).permutation(candidates.size)
            order = np.lexsort((chance, self.copy[candidates]))
            chosen.append(candidates[order[: missing[emotion]]])
        return np.sort(np.concatenate(chosen))

    def passes(self, training_sets: Iterable[Rows]) -> Rows:
        """(k,) how many further copies of a clip of each emotion balance the most unbalanced of the training sets."""
        k, most = len(self.emotions), np.zeros(len(self.emotions), dtype=np.int64)
        for rows in training_sets:
            clips = np.bincount(self.labels[rows], minlength=k)
            missing = _missing(self.labels[self.origin[self.training(rows)]], n_classes=k)
            most = np.maximum(most, -(-missing // np.maximum(clips, 1)))
        return most

    def duplicates(self) -> list[list[str]]:
        """Groups of paths that hold the same recording."""
        paths = self.corpus.table["path"]
        return [[str(paths[row]) for row in group] for group in find_duplicates(self.corpus, self.digests)]


def _missing(labels: Rows, *, n_classes: int) -> Rows:
    """(k,) how many rows each class lacks to the most frequent one; 0 for a class that is not there at all."""
    counts = np.bincount(labels, minlength=n_classes)
    return np.where(counts > 0, counts.max() - counts, 0)


def gather(
    corpus: Corpus, extractor: "Extractor", config: Config, *, store: FeatureStore, progress: Progress | None = None
) -> Material:
    """Compute the features of the clips and of ``config.copies`` augmented copies of each.

    Features learn nothing from other clips, so they may be computed before the split.

    Raises
    ------
    CorpusError
        Fewer than two emotions are left once the clips that can't be read are out.
    FeatureError
        No clip can be read.
    """
    n_copies = config.copies if config.augment else 0
    found = store.compute(corpus, extractor, progress=part(progress, 0, 1 / (1 + n_copies)))
    kept = np.asarray([row for row in range(len(corpus)) if row not in found.rejected], dtype=np.int64)
    table = corpus.table
    left_out = [*corpus.rejected, *(Rejected(str(table["path"][row]), why) for row, why in found.rejected.items())]
    usable = Corpus(table.iloc[kept], corpus.name, left_out)
    if len(usable.emotions) < 2:
        raise CorpusError(
            f"the clips of {corpus.name} that can be read are of {', '.join(usable.emotions)} only; expected two "
            "emotions or more to tell apart"
        )
    material = Material(
        corpus=usable,
        names=found.names,
        digests=tuple(found.digests[row] for row in kept),
        values=found.values[kept],
        origin=np.arange(kept.size, dtype=np.int64),
        copy=np.zeros(kept.size, dtype=np.int64),
        copies=n_copies,
        left_out=tuple(left_out),
    )
    every = np.arange(kept.size, dtype=np.int64)
    wanted = [(number, every) for number in range(1, n_copies + 1)]
    return _with_copies(
        material, extractor, config, wanted, store=store, progress=part(progress, 1 / (1 + n_copies), 1)
    )


def gather_balance(
    material: Material,
    extractor: "Extractor",
    config: Config,
    *,
    training_sets: Iterable[Rows],
    store: FeatureStore,
    progress: Progress | None = None,
) -> Material:
    """Add the further copies of rarer emotions that balancing each of these training sets takes."""
    if config.balance != "augment":
        return material
    passes, labels = material.passes(training_sets), material.labels
    wanted = [
        (material.copies + number, np.flatnonzero(passes[labels] >= number))
        for number in range(1, int(passes.max()) + 1)
    ]
    return _with_copies(material, extractor, config, wanted, store=store, progress=progress)


def _with_copies(
    material: Material,
    extractor: "Extractor",
    config: Config,
    wanted: Sequence[tuple[int, Rows]],
    *,
    store: FeatureStore,
    progress: Progress | None,
) -> Material:
    """Append augmented copies: pairs of a copy's number and the rows of the corpus to copy."""
    values, origin, copy = [material.values], [material.origin], [material.copy]
    left_out, paths = list(material.left_out), material.corpus.table["path"]
    for step, (number, rows) in enumerate(wanted):
        augmentation = Augmentation(config.transforms, copy=number, seed=config.seed)
        stage = part(progress, step / len(wanted), (step + 1) / len(wanted))
        found = store.compute(material.corpus, extractor, augmentation=augmentation, rows=rows.tolist(), progress=stage)
        good = np.asarray([place for place in range(rows.size) if place not in found.rejected], dtype=np.int64)
        values.append(found.values[good])
        origin.append(rows[good])
        copy.append(np.full(good.size, number, dtype=np.int64))
        left_out += [
            Rejected(str(paths[rows[place]]), f"augmented copy {number}: {why}")
            for place, why in found.rejected.items()
        ]
    return replace(
        material,
        values=np.concatenate(values),
        origin=np.concatenate(origin),
        copy=np.concatenate(copy),
        left_out=tuple(left_out),
    )
