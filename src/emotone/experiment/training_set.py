"""The data of an experiment: clips with labels, their features, and the features of augmented copies.

Features of a clip do not depend on other clips, so they may be computed before the split.
"""

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
from emotone.corpora.rejected import UNREADABLE
from emotone.errors import CorpusError
from emotone.experiment.config import Config
from emotone.features.columns import FeatureColumn, names_of
from emotone.features.packing import packed, unpacked
from emotone.features.store import Features, FeatureStore
from emotone.parallel import Pool
from emotone.progress import Progress, part

if TYPE_CHECKING:
    from emotone.features.base import Extractor

Rows = NDArray[np.int64]
#: Kinds of reasons for what is left out: copies are no clips.
_EXTRA = "of another channel that can't be used (see rejected.csv)"
COPIES = "augmented copies"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Clips and their augmented copies, as the rows of one array of features.

    The corpus begins with the experiment's own clips; protocols split only these.  Extra clips follow: those of the
    channels in ``Config.train_also``.  A model is trained on them only if it is also trained on own clips of their
    speaker.

    Attributes
    ----------
    corpus
        n readable clips.
    n_own
        The number of own clips.
    columns
        d columns of features.
    digests
        (n,) content digests of the recordings.
    values
        (m, d) float32, or for sequences (m,) objects, each (frames, d) float32: first the n clips in the order of the
        corpus, then the copies.
    origin
        (m,) row of the corpus from which a row of ``values`` was made.
    copy
        (m,) number of the augmented copy; 0 for the clip itself.
    copies
        Copies with numbers up to this are always used in training; the others are used only for balancing.
    left_out
        Files, clips and copies that could not be used, with the reason.
    conditions
        Condition -> function that reads the features of (r,) rows of own clips under this condition from the store.
        They are not kept in memory, since those of all conditions may not fit.
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

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs; frames become one array, which processes can share."""
        return self.__dict__ | {"values": packed(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the frames of each clip."""
        self.__dict__.update(state | {"values": unpacked(state["values"])})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return names_of(self.columns)

    @cached_property
    def own(self) -> Corpus:
        """The experiment's own clips, which protocols split, and on which models are validated and tested."""
        return Corpus(self.corpus.table.iloc[: self.n_own], self.corpus.name, self.corpus.rejected)

    @property
    def own_digests(self) -> tuple[str, ...]:
        """(n_own,) content digests of the own clips."""
        return self.digests[: self.n_own]

    @property
    def own_rows(self) -> Rows:
        """(n_own,) rows of all own clips."""
        return np.arange(self.n_own, dtype=np.int64)

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

    def usable_rows(self, rows: Rows) -> Rows:
        """Return these rows of own clips, and the rows of extra clips with the same speakers and emotions.

        If all own clips of a speaker are held out, so are the extra clips of the speaker.
        """
        speakers = np.asarray(self.speakers)
        usable = np.isin(speakers[self.n_own :], speakers[rows])
        usable &= np.isin(self.labels[self.n_own :], self.labels[rows])
        return np.concatenate([rows, self.n_own + np.flatnonzero(usable)])

    def training_rows(self, rows: Rows, *, balanced: bool = False, seed: int = 0) -> Rows:
        """Select the rows of ``values`` on which a model is trained that may use only these own clips.

        Parameters
        ----------
        rows
            (r,) rows of own clips.
        balanced
            Whether to add copies of rarer emotions until each is as frequent as the most frequent one.
        seed
            Random seed for the choice of clips that get one copy more than others.

        Returns
        -------
        Ascending rows of ``values``: the clips, the extra clips of their speakers, and copies of both.
        """
        usable = np.isin(self.origin, self.usable_rows(rows))
        base = np.flatnonzero(usable & (self.copy <= self.copies))
        if not balanced:
            return base
        labels = self.labels[self.origin]
        spare = np.flatnonzero(usable & (self.copy > self.copies))
        missing = _missing(labels[base], n_classes=len(self.emotions))
        chosen = [base]
        for emotion in np.flatnonzero(missing):
            candidates = spare[labels[spare] == emotion]
            # every clip gets its first further copy before any gets its second
            chance = np.random.default_rng([seed, int(emotion)]).permutation(candidates.size)
            order = np.lexsort((chance, self.copy[candidates]))
            chosen.append(candidates[order[: missing[emotion]]])
        return np.sort(np.concatenate(chosen))

    def speaker_inputs(self, taken: Rows) -> dict[str, NDArray[Any]]:
        """Return what an adaptive model needs of (t,) rows of ``values`` to train on them.

        Returns
        -------
        ``speakers`` (t,): a number per speaker and channel; all unknown speakers of a corpus share one.  ``possible``
        (t, k): the emotions of the training clips of the same corpus and channel.  ``own`` (t,): whether the row was
        made from an own clip.  See `emotone.models.deep.adaptive.AdaptiveClassifier`.
        """
        rows = self.origin[taken]
        table = self.corpus.table.iloc[rows]
        sources = table["corpus"] + "|" + table["channel"]
        _, source = np.unique(sources.to_numpy(str), return_inverse=True)
        _, speakers = np.unique((sources + "|" + table["speaker"]).to_numpy(str), return_inverse=True)
        possible = np.zeros((int(source.max()) + 1, len(self.emotions)), dtype=bool)
        possible[source, self.labels[rows]] = True
        return {"speakers": speakers.astype(np.int64), "possible": possible[source], "own": rows < self.n_own}

    def copies_to_balance(self, training_sets: Iterable[Rows]) -> Rows:
        """Return (k,) how many further copies per clip of each emotion balance the most unbalanced training set."""
        k, most = len(self.emotions), np.zeros(len(self.emotions), dtype=np.int64)
        for rows in training_sets:
            clips = np.bincount(self.labels[self.usable_rows(rows)], minlength=k)
            missing = _missing(self.labels[self.origin[self.training_rows(rows)]], n_classes=k)
            most = np.maximum(most, -(-missing // np.maximum(clips, 1)))
        return most

    def duplicates(self) -> list[list[str]]:
        """Return groups of paths that contain the same recording."""
        paths = self.corpus.table["path"]
        return [[str(paths[row]) for row in group] for group in find_duplicates(self.corpus, self.digests)]


def _missing(labels: Rows, *, n_classes: int) -> Rows:
    """Return (k,) how many rows fewer each class has than the most frequent one; 0 for a class without rows."""
    counts = np.bincount(labels, minlength=n_classes)
    return np.where(counts > 0, counts.max() - counts, 0)


def load(config: Config) -> tuple[Corpus, Corpus | None]:
    """Read the own clips, and the extra clips of ``config.train_also`` or None; warn of what is left out.

    Raises
    ------
    CorpusError
        A corpus can't be read (see `emotone.corpora.load`), or no clip is of a channel in ``train_also``.
    """
    own, extra = read(config)
    corpora.warn_of(own.rejected, n_used=len(own))
    return own, extra


def read(config: Config) -> tuple[Corpus, Corpus | None]:
    """Read the clips as `load` does, without a warning."""
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
    # not by `corpora.load`, which requires every emotion: a channel may lack one (surprise is not sung)
    wanted = extra if config.emotions is None else extra[extra["emotion"].isin(config.emotions)]
    return own, Corpus(wanted, own.name)


def gather(
    corpus: Corpus,
    extractor: "Extractor",
    config: Config,
    *,
    store: FeatureStore,
    extra: Corpus | None = None,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> TrainingSet:
    """Compute the features of the clips and of ``config.n_copies`` augmented copies of each.

    Parameters
    ----------
    corpus
        The own clips.
    extra
        Clips of other channels for training.  A clip is left out if its emotion or speaker has no own clip, if its
        speaker is unknown, or if an own clip is the same recording.

    Raises
    ------
    CorpusError
        The readable clips have fewer than two emotions, or no extra clip is left.
    FeatureError
        No clip can be read.
    """
    share = 1 / (1 + config.n_copies)
    clips = corpus if extra is None else _joined(corpus, extra)
    stage = part(progress, 0, share)
    features = store.compute(clips, extractor, preprocessing=config.preprocessing, pool=pool, progress=stage)
    rejected = features.rejected | _rejected_extras(clips, features, n_own=len(corpus))
    kept = np.asarray([row for row in range(len(clips)) if row not in rejected], dtype=np.int64)
    n_own = int((kept < len(corpus)).sum())
    if extra is not None and n_own == kept.size:
        reason = f"the first: {rejected[len(corpus)]}" if len(extra) else "none has a selected emotion"
        raise CorpusError(f"none of {len(extra)} extra clips can be used; {reason}. Train without --train-also")
    left_out = _left_out(corpus, clips, rejected)
    every = np.arange(kept.size, dtype=np.int64)
    training_set = TrainingSet(
        corpus=Corpus(clips.table.iloc[kept], corpus.name, left_out),
        n_own=n_own,
        columns=features.columns,
        digests=tuple(features.digests[row] for row in kept),
        values=features.values[kept],
        origin=every,
        copy=np.zeros(kept.size, dtype=np.int64),
        copies=config.n_copies,
        left_out=tuple(left_out),
    )
    wanted = [(number, every) for number in range(1, config.n_copies + 1)]
    stage = part(progress, share, 1)
    return _with_copies(training_set, extractor, config, wanted, store=store, pool=pool, progress=stage)


def _joined(corpus: Corpus, extra: Corpus) -> Corpus:
    """Append the extra clips, so that the row numbers of own clips do not change."""
    return Corpus(pd.concat([corpus.table, extra.table], ignore_index=True), corpus.name, corpus.rejected)


def _left_out(corpus: Corpus, clips: Corpus, rejected: Mapping[int, str]) -> list[Rejected]:
    paths = clips.table["path"]
    groups = {row: UNREADABLE if row < len(corpus) else _EXTRA for row in sorted(rejected)}
    return [*corpus.rejected, *(Rejected(str(paths[row]), rejected[row], group) for row, group in groups.items())]


def _rejected_extras(clips: Corpus, features: Features, *, n_own: int) -> dict[int, str]:
    """Return row -> reason of the readable extra clips on which no model may be trained."""
    table = clips.table
    own = table.iloc[[row for row in range(n_own) if row not in features.rejected]]
    emotions, speakers = set(own["emotion"]), set(own["speaker"])
    if len(emotions) < 2:
        raise CorpusError(
            f"the clips of {clips.name} that can be read are of {', '.join(emotions) or 'no emotion'} only; expected "
            "at least two emotions"
        )
    paths = {features.digests[row]: path for row, path in zip(own.index, own["path"], strict=True)}
    rejected, extra = {}, table.iloc[n_own:]
    for row, emotion, speaker in zip(extra.index, extra["emotion"], extra["speaker"], strict=True):
        if row in features.rejected:
            continue
        if emotion not in emotions:
            rejected[row] = f"not used for training: no clip that is tested is {emotion}"
        elif not speaker:
            rejected[row] = "not used for training: its speaker is unknown, and may be a test speaker"
        elif speaker not in speakers:
            rejected[row] = f"not used for training: {speaker} has no clip of the channel that is tested"
        elif features.digests[row] in paths:
            rejected[row] = f"not used for training: the same recording as {paths[features.digests[row]]}"
    return rejected


def gather_balance(
    training_set: TrainingSet,
    extractor: "Extractor",
    config: Config,
    *,
    training_sets: Iterable[Rows],
    store: FeatureStore,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> TrainingSet:
    """Add the further copies of rarer emotions that are needed to balance each of these sets of own clips."""
    if config.balance != "augment":
        return training_set
    copies, labels = training_set.copies_to_balance(training_sets), training_set.labels
    wanted = [
        (training_set.copies + number, np.flatnonzero(copies[labels] >= number))
        for number in range(1, int(copies.max()) + 1)
    ]
    return _with_copies(training_set, extractor, config, wanted, store=store, pool=pool, progress=progress)


def _with_copies(
    training_set: TrainingSet,
    extractor: "Extractor",
    config: Config,
    wanted: Sequence[tuple[int, Rows]],
    *,
    store: FeatureStore,
    pool: Pool | None,
    progress: Progress | None,
) -> TrainingSet:
    """Append augmented copies, given as pairs of the number of the copy and the rows of the corpus."""
    values, origin, copy = [training_set.values], [training_set.origin], [training_set.copy]
    left_out, paths = list(training_set.left_out), training_set.corpus.table["path"]
    for step, (number, rows) in enumerate(wanted):
        features = store.compute(
            training_set.corpus,
            extractor,
            preprocessing=config.preprocessing,
            augmentation=Augmentation(config.transforms, copy=number, seed=config.seed),
            rows=rows.tolist(),
            pool=pool,
            progress=part(progress, step / len(wanted), (step + 1) / len(wanted)),
        )
        good = np.asarray([place for place in range(rows.size) if place not in features.rejected], dtype=np.int64)
        values.append(features.values[good])
        origin.append(rows[good])
        copy.append(np.full(good.size, number, dtype=np.int64))
        left_out += [
            Rejected(str(paths[rows[place]]), f"augmented copy {number}: {reason}", COPIES)
            for place, reason in features.rejected.items()
        ]
    return replace(
        training_set,
        values=np.concatenate(values),
        origin=np.concatenate(origin),
        copy=np.concatenate(copy),
        left_out=tuple(left_out),
    )
