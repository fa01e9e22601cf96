"""What an experiment learns from: clips with labels, their features, and those of their augmented copies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import corpora
from emotone.augment.copies import Augmentation
from emotone.corpora import Corpus, Rejected, find_duplicates
from emotone.errors import CorpusError, LeakError
from emotone.experiment.config import Config
from emotone.features.columns import FeatureColumn, names_of
from emotone.features.store import Features, FeatureStore
from emotone.progress import Progress, part

if TYPE_CHECKING:
    from emotone.features.base import Extractor

Rows = NDArray[np.int64]
#: Kinds of reasons for what is left out: copies are no clips.
_UNREADABLE = "that can't be read"
_EXTRA = "of another channel that can't be used (see rejected.csv)"
COPIES = "augmented copies"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Clips and their augmented copies, as the rows of one array of features.

    The experiment's own clips come first in the corpus; protocols know those alone.  Extra clips, of the channels that
    ``Config.train_also`` names, follow, and are learnt from wherever their speaker is.

    Attributes
    ----------
    corpus
        n clips, each of which could be read.
    n_own
        How many of them, the first ones, are the experiment's own.
    columns
        d columns of features.
    digests
        (n,) content digests of the recordings.
    values
        (m, d) float32, or (m,) objects, each the (frames, d) float32 of a sequence: first the n clips in the order of
        the corpus, then copies.
    origin
        (m,) row of the corpus that a row of ``values`` was made from.
    copy
        (m,) number of the augmented copy; 0 for the clip itself.
    copies
        Copies up to this number belong to every training set; those above it serve to balance one.
    left_out
        Files, rows and copies that could not be used, with the reason.
    conditions
        Condition -> function of (r,) rows of own clips that reads their features, as it changes them, from the store:
        all of them at once may be more than the memory holds.
    """

    corpus: Corpus
    n_own: int
    columns: tuple[FeatureColumn, ...]
    digests: tuple[str, ...]
    values: NDArray[Any]
    origin: Rows
    copy: Rows
    copies: int
    left_out: tuple[Rejected, ...]
    conditions: Mapping[str, Callable[[Rows], NDArray[Any]]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return names_of(self.columns)

    @cached_property
    def own(self) -> Corpus:
        """The experiment's own clips: what protocols are laid over, and what is validated and tested on."""
        return Corpus(self.corpus.table.iloc[: self.n_own], self.corpus.name, self.corpus.rejected)

    @property
    def own_digests(self) -> tuple[str, ...]:
        """(n_own,) content digests of the own clips."""
        return self.digests[: self.n_own]

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

    def learnt(self, rows: Rows) -> Rows:
        """Rows of the corpus that serve a model which may see these own clips: they, and their speakers' extra clips.

        A speaker of whom ``rows`` has no clip, since all are held out, has no extra clip in the result either; nor does
        an emotion that ``rows`` lacks, since the tested corpus doesn't know it.
        """
        speakers = np.asarray(self.speakers)
        heard = np.isin(speakers[self.n_own :], speakers[rows])
        heard &= np.isin(self.labels[self.n_own :], self.labels[rows])
        return np.concatenate([rows, self.n_own + np.flatnonzero(heard)])

    def training(self, rows: Rows, *, balanced: bool = False, seed: int = 0) -> Rows:
        """Choose what a model learns from that may see these own clips and no others.

        Parameters
        ----------
        rows
            (r,) rows of own clips.
        balanced
            Whether rarer emotions get further copies, until each is as frequent as the most frequent.
        seed
            Draws which clips get one copy more than others.

        Returns
        -------
        Rows of ``values``, ascending: the clips, the extra clips of their speakers, the copies of both, and no row made
        from any other clip.
        """
        learnt = np.isin(self.origin, self.learnt(rows))
        base = np.flatnonzero(learnt & (self.copy <= self.copies))
        if not balanced:
            return base
        labels = self.labels[self.origin]
        spare = np.flatnonzero(learnt & (self.copy > self.copies))
        missing = _missing(labels[base], n_classes=len(self.emotions))
        chosen = [base]
        for emotion in np.flatnonzero(missing):
            candidates = spare[labels[spare] == emotion]
            # every clip gets its first further copy before any gets its second
            chance = np.random.default_rng([seed, int(emotion)]).permutation(candidates.size)
            order = np.lexsort((chance, self.copy[candidates]))
            chosen.append(candidates[order[: missing[emotion]]])
        return np.sort(np.concatenate(chosen))

    def extras(self, taken: Rows) -> dict[str, NDArray[Any]]:
        """What an adaptive model is told of training rows, see `emotone.models.deep.adaptive.AdaptiveClassifier`.

        Parameters
        ----------
        taken
            (t,) rows of ``values``.

        Returns
        -------
        ``speakers`` (t,), a number for each speaker and channel, those of a corpus who are not known being one;
        ``possible`` (t, k), the emotions that the training clips of the same corpus and channel have; ``own`` (t,),
        whether the row is of one of the experiment's own clips.
        """
        rows = self.origin[taken]
        table = self.corpus.table.iloc[rows]
        sources = table["corpus"] + "|" + table["channel"]
        _, source = np.unique(sources.to_numpy(str), return_inverse=True)
        _, speakers = np.unique((sources + "|" + table["speaker"]).to_numpy(str), return_inverse=True)
        holds = np.zeros((int(source.max()) + 1, len(self.emotions)), dtype=bool)
        holds[source, self.labels[rows]] = True
        return {"speakers": speakers.astype(np.int64), "possible": holds[source], "own": rows < self.n_own}

    def passes(self, training_sets: Iterable[Rows]) -> Rows:
        """(k,) how many further copies of a clip of each emotion balance the most unbalanced of the training sets."""
        k, most = len(self.emotions), np.zeros(len(self.emotions), dtype=np.int64)
        for rows in training_sets:
            clips = np.bincount(self.labels[self.learnt(rows)], minlength=k)
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


def load(config: Config) -> tuple[Corpus, Corpus | None]:
    """Read the experiment's own clips, and the extra clips of ``config.train_also`` or None.

    Raises
    ------
    CorpusError
        As `emotone.corpora.load`; also where no corpus has a clip of a channel to learn from too.
    """
    own = corpora.load(
        config.corpora, config.data, channel=config.channel, emotions=config.emotions, labels=config.labels
    )
    if not config.train_also:
        return own, None
    classes = config.emotions or ()
    table = corpora.load(config.corpora, config.data, channel="all", labels=config.labels, classes=classes).table
    extra = table[table["channel"].isin(config.train_also)]
    if extra.empty:
        raise CorpusError(
            f"{own.name} has no clip of channel {' or '.join(map(repr, config.train_also))}, which --train-also names; "
            "train without it"
        )
    # Not every emotion asked for need occur in that channel (surprise is not sung), so these are not asked for again.
    wanted = extra if config.emotions is None else extra[extra["emotion"].isin(config.emotions)]
    return own, Corpus(wanted, own.name)


def gather(
    corpus: Corpus,
    extractor: "Extractor",
    config: Config,
    *,
    store: FeatureStore,
    extra: Corpus | None = None,
    progress: Progress | None = None,
) -> TrainingSet:
    """Compute the features of the clips and of ``config.n_copies`` augmented copies of each.

    Features learn nothing from other clips, so they may be computed before the split.

    Parameters
    ----------
    corpus
        The experiment's own clips.
    extra
        Clips of another channel to learn from too.  Those that could serve nothing, or harm, are left out: of an
        emotion or a speaker that no own clip has, of an unknown speaker, and whose recording is an own clip's.

    Raises
    ------
    CorpusError
        Fewer than two emotions are left once the clips that can't be read are out, or no extra clip.
    FeatureError
        No clip can be read.
    """
    n_copies = config.n_copies
    both = corpus if extra is None else _joined(corpus, extra)
    found = store.compute(
        both, extractor, preprocessing=config.preprocessing, progress=part(progress, 0, 1 / (1 + n_copies))
    )
    paths = both.table["path"]
    unfit = _unfit(both, found, n_own=len(corpus))
    kept = np.asarray([row for row in range(len(both)) if row not in unfit], dtype=np.int64)
    n_own = int((kept < len(corpus)).sum())
    if extra is not None and n_own == kept.size:
        why = f"the first: {unfit[len(corpus)]}" if len(extra) else "none is of an emotion asked for"
        raise CorpusError(f"not one of {len(extra)} extra clips can be learnt from; {why}. Train without --train-also")
    groups = [_UNREADABLE if row < len(corpus) else _EXTRA for row in sorted(unfit)]
    unused = [Rejected(str(paths[row]), unfit[row], group) for row, group in zip(sorted(unfit), groups, strict=True)]
    left_out = [*corpus.rejected, *unused]
    material = TrainingSet(
        corpus=Corpus(both.table.iloc[kept], corpus.name, left_out),
        n_own=n_own,
        columns=found.columns,
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


def _joined(corpus: Corpus, extra: Corpus) -> Corpus:
    """Put the extra clips behind the own ones, so that row numbers of own clips stay what they are."""
    return Corpus(pd.concat([corpus.table, extra.table], ignore_index=True), corpus.name, corpus.rejected)


def _unfit(both: Corpus, found: Features, *, n_own: int) -> dict[int, str]:
    """Row -> why a clip can't be used: it can't be read, or is an extra clip that nothing should be learnt from."""
    unfit, table = dict(found.rejected), both.table
    own = table.iloc[[row for row in range(n_own) if row not in unfit]]
    emotions, speakers = set(own["emotion"]), set(own["speaker"])
    if len(emotions) < 2:
        raise CorpusError(
            f"the clips of {both.name} that can be read are of {', '.join(emotions) or 'no emotion'} only; expected "
            "two emotions or more to tell apart"
        )
    paths = {found.digests[row]: path for row, path in zip(own.index, own["path"], strict=True)}
    extra = table.iloc[n_own:]
    for row, emotion, speaker in zip(extra.index, extra["emotion"], extra["speaker"], strict=True):
        if row in unfit:
            continue
        if emotion not in emotions:
            unfit[row] = f"not learnt from: no clip that is tested is {emotion}"
        elif not speaker:
            unfit[row] = "not learnt from: its speaker is not known, and might be one who is tested"
        elif speaker not in speakers:
            unfit[row] = f"not learnt from: {speaker} has no clip of the channel that is tested"
        elif found.digests[row] in paths:
            unfit[row] = f"not learnt from: the same recording as {paths[found.digests[row]]}"
    return unfit


def check_extra(material: TrainingSet, train: Rows, *, held_out: Rows) -> None:
    """Refuse training rows that bring an extra clip of a held-out voice.

    `TrainingSet.learnt` ensures this; its result is checked all the same, since a score with a leak looks good.

    Parameters
    ----------
    train, held_out
        Rows of own clips that share no speaker.

    Raises
    ------
    LeakError
        A model of ``train`` would learn from an extra clip of a speaker in ``held_out``.
    """
    speakers = np.asarray(material.speakers)
    rows = material.origin[material.training(train)]
    extra = np.unique(rows[rows >= material.n_own])
    shared = sorted(set(speakers[extra]) & set(speakers[held_out]))
    if shared:
        raise LeakError(
            f"extra clips of {', '.join(shared)} are learnt from, and {shared[0]} is held out; expected extra clips of "
            "training speakers alone. This is a defect of the program: train without --train-also, and report it"
        )


def gather_balance(
    material: TrainingSet,
    extractor: "Extractor",
    config: Config,
    *,
    training_sets: Iterable[Rows],
    store: FeatureStore,
    progress: Progress | None = None,
) -> TrainingSet:
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
    material: TrainingSet,
    extractor: "Extractor",
    config: Config,
    wanted: Sequence[tuple[int, Rows]],
    *,
    store: FeatureStore,
    progress: Progress | None,
) -> TrainingSet:
    """Append augmented copies: pairs of a copy's number and the rows of the corpus to copy."""
    values, origin, copy = [material.values], [material.origin], [material.copy]
    left_out, paths = list(material.left_out), material.corpus.table["path"]
    for step, (number, rows) in enumerate(wanted):
        augmentation = Augmentation(config.transforms, copy=number, seed=config.seed)
        stage = part(progress, step / len(wanted), (step + 1) / len(wanted))
        found = store.compute(
            material.corpus,
            extractor,
            preprocessing=config.preprocessing,
            augmentation=augmentation,
            rows=rows.tolist(),
            progress=stage,
        )
        good = np.asarray([place for place in range(rows.size) if place not in found.rejected], dtype=np.int64)
        values.append(found.values[good])
        origin.append(rows[good])
        copy.append(np.full(good.size, number, dtype=np.int64))
        left_out += [
            Rejected(str(paths[rows[place]]), f"augmented copy {number}: {why}", COPIES)
            for place, why in found.rejected.items()
        ]
    return replace(
        material,
        values=np.concatenate(values),
        origin=np.concatenate(origin),
        copy=np.concatenate(copy),
        left_out=tuple(left_out),
    )
