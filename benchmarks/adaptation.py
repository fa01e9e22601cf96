"""Measure adaptation to sources and voices on corpora that were not trained on.

    python benchmarks/adaptation.py --data DIR [--out runs/adaptation]

Each of six corpora is left out in turn, and a recogniser of a single network is trained on the others, on at most 600
clips of each and 900 of RAVDESS.  Clips are drawn and the others predicted; the figures are gains in UAR, in points,
over the emotions of the corpus.  A second table says what a profile gives away of its speaker.  Both go between the
marks of docs/results.md.  Embeddings are kept under --out, so that a second run takes minutes.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from results import _write
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emotone import corpora, experiment, files, metrics
from emotone.cli.console import ProgressBar
from emotone.experiment import folds, training_set
from emotone.features import registry
from emotone.features.store import FeatureStore
from emotone.recognition import adaptation
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature

BEGIN, END = "<!-- made by benchmarks/adaptation.py: begin -->", "<!-- made by benchmarks/adaptation.py: end -->"
CORPORA = ("ravdess", "tess", "nemo", "emodb", "savee", "ased")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
NEUTRAL, ANGRY = "neutral", "angry"
MOST_CLIPS = {"ravdess": 900}
N_DRAWS = 5
#: Fewer speakers don't show what a profile gives away.
FEWEST_SPEAKERS = 10
_CLIPS = ("embedding", "labels", "speakers", "classes")
_MODEL = "0" * 64
#: Of the folds; the built-in model has its own.
_TEMPERATURE = Temperature(0.7, adapted=0.7)

Rows = NDArray[np.int64]
#: Function from a generator and the emotions of clips to the places of those that are drawn.
Draw = Callable[[np.random.Generator, NDArray[np.str_]], Rows]


@dataclass(frozen=True)
class Corpus:
    """The clips of a corpus, as a model that was not trained on them embeds them.

    Attributes
    ----------
    name
        Of the corpus.
    embedding
        (n, e).
    classes
        (k,) the emotions of the model.
    labels
        (n,) numbers of emotions, in the order of the model.
    speakers
        (n,) names.
    """

    name: str
    adapter: adaptation.Adapter
    temperature: Temperature
    embedding: NDArray[np.float32]
    labels: Rows
    speakers: NDArray[np.str_]
    classes: NDArray[np.str_]

    @property
    def emotions(self) -> NDArray[np.str_]:
        """(n,) the emotion of each clip."""
        return self.classes[self.labels]

    def scores(self, rows: Rows, profile: Profile | None) -> NDArray[np.float64]:
        """Return the probabilities (r, k) of some clips."""
        return self.adapter.scores(self.embedding[rows], profile, temperature=self.temperature)

    def extended(self, profile: Profile, rows: Rows) -> Profile:
        """Return the profile with these clips."""
        return self.adapter.extended(
            profile, self.embedding[rows], emotions=list(self.classes), temperature=self.temperature
        )

    def gain(self, rows: Rows, scores: NDArray[np.float64]) -> float:
        """Return the gain in UAR of clips over their plain scores, in points."""
        known = np.isin(np.arange(len(self.classes)), np.unique(self.labels))
        adapted, plain = (
            metrics.unweighted_average_recall(self.labels[rows], np.where(known, values, -1).argmax(axis=1))
            for values in (scores, self.scores(rows, None))
        )
        return 100 * float(adapted - plain)

    def new(self, kind: type[Profile], **more: object) -> Profile:
        """Return a profile without clips."""
        return kind(mean=(0.0,) * self.embedding.shape[1], n_clips=0, model=_MODEL, **more)


def uniform(n: int) -> Draw:
    """Draw any clips."""
    return lambda rng, emotions: rng.permutation(len(emotions))[:n]


def mostly(n: int, emotion: str, share: float) -> Draw:
    """Draw a share of the clips among those of one emotion; never more than half of them, so that some are left."""

    def draw(rng: np.random.Generator, emotions: NDArray[np.str_]) -> Rows:
        same, others = (rng.permutation(np.flatnonzero(mask)) for mask in (emotions == emotion, emotions != emotion))
        n_same = min(round(share * n), max(1, len(same) // 2))
        return np.concatenate([same[:n_same], others[: round(n_same * (1 - share) / share)]])

    return draw


def of_source(corpus: Corpus, draw: Draw) -> float:
    """Return the mean gain after adaptation to clips of the source, speakers unknown."""
    gains = []
    for number in range(N_DRAWS):
        drawn = draw(np.random.default_rng([0, number]), corpus.emotions)
        rest = np.setdiff1d(np.arange(len(corpus.labels)), drawn)
        gains.append(corpus.gain(rest, corpus.scores(rest, corpus.extended(corpus.new(SourceProfile), drawn))))
    return float(np.mean(gains))


def of_speakers(
    corpus: Corpus, draw: Draw | None, *, n_source: int = 0, is_corrected: bool = True, seed: int = 0
) -> float:
    """Return the gain after adaptation to clips of each speaker; None: all clips, those that are predicted too.

    With ``n_source``, the source is known from this many clips of other speakers.  Without ``is_corrected``, the mean
    of the clips is taken as it is.
    """
    everywhere = np.arange(len(corpus.labels))
    scores = corpus.scores(everywhere, None)
    tested = np.zeros(len(everywhere), dtype=bool)
    for number, speaker in enumerate(np.unique(corpus.speakers)):
        rng = np.random.default_rng([seed, number])
        own = np.flatnonzero(corpus.speakers == speaker)
        drawn = own if draw is None else own[draw(rng, corpus.emotions[own])]
        rest = own if draw is None else np.setdiff1d(own, drawn)
        source = None
        if n_source:
            others = rng.permutation(np.flatnonzero(corpus.speakers != speaker))[:n_source]
            source = corpus.extended(corpus.new(SourceProfile), others)
        if len(drawn) and len(rest):
            profile = corpus.extended(corpus.new(SpeakerProfile, source=source), drawn)
            profile = profile if is_corrected else replace(profile, composition=(), answers=())
            scores[rest], tested[rest] = corpus.scores(rest, profile), True
    rows = np.flatnonzero(tested)
    return corpus.gain(rows, scores[rows])


def of_one_emotion(corpus: Corpus) -> float:
    """Return the mean gain after adaptation to twelve clips of one emotion of each speaker, over the emotions."""
    return float(np.mean([of_speakers(corpus, mostly(12, name, 1.0)) for name in np.unique(corpus.emotions)]))


ROWS: dict[str, Callable[[Corpus], float]] = {
    "source, 5 clips": lambda corpus: of_source(corpus, uniform(5)),
    "source, 20 clips": lambda corpus: of_source(corpus, uniform(20)),
    "source, 100 clips": lambda corpus: of_source(corpus, uniform(100)),
    "source, 20 clips, 80 % neutral": lambda corpus: of_source(corpus, mostly(20, NEUTRAL, 0.8)),
    "source, 20 clips, 70 % angry": lambda corpus: of_source(corpus, mostly(20, ANGRY, 0.7)),
    "source, 20 clips, all neutral": lambda corpus: of_source(corpus, mostly(20, NEUTRAL, 1.0)),
    "voice, 5 clips": lambda corpus: of_speakers(corpus, uniform(5)),
    "voice, 5 clips, in a source of 20": lambda corpus: of_speakers(corpus, uniform(5), n_source=20),
    "voice, 20 clips, in a source of 20": lambda corpus: of_speakers(corpus, uniform(20), n_source=20),
    "voice, 12 clips of one emotion": of_one_emotion,
    "voice, 20 clips, 70 % angry": lambda corpus: of_speakers(corpus, mostly(20, ANGRY, 0.7)),
    "voice, 20 clips, all neutral": lambda corpus: of_speakers(corpus, mostly(20, NEUTRAL, 1.0)),
    "voice, all its clips": lambda corpus: of_speakers(corpus, None),
    "voice, all its clips, their plain mean": lambda corpus: of_speakers(corpus, None, is_corrected=False),
}


def identified(corpus: Corpus) -> tuple[int, float]:
    """Return the number of speakers, and the share of them whose profile is nearest to another profile of their own.

    Both profiles are of up to 20 clips, and they share none.
    """
    means = []
    for number, speaker in enumerate(np.unique(corpus.speakers)):
        own = np.random.default_rng(number).permutation(np.flatnonzero(corpus.speakers == speaker))[:40]
        means.append([corpus.embedding[half].mean(axis=0) for half in np.array_split(own, 2)])
    first, second = np.moveaxis(np.array(means), 1, 0)
    scale = np.concatenate([first, second]).std(axis=0)
    distance = (((first[:, None] - second[None]) / scale) ** 2).sum(axis=-1)
    return len(means), float(np.mean(distance.argmin(axis=1) == np.arange(len(means))))


def sex_told(corpus: Corpus, sexes: dict[str, str]) -> float:
    """Return the share of speakers whose sex a classifier that is trained on the other speakers' profiles finds."""
    names = np.unique(corpus.speakers)
    means = np.array([corpus.embedding[corpus.speakers == name].mean(axis=0) for name in names])
    truth = np.array([sexes[name] for name in names])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    return float(np.mean(cross_val_predict(classifier, means, truth, cv=LeaveOneOut()) == truth))


def left_out(data: Path, out: Path) -> Iterator[Corpus]:
    """Yield each corpus, embedded by a model of the others."""
    missing = [name for name in CORPORA if not (out / f"{name}.npz").is_file()]
    if missing:
        _train(data, out, missing)
    for name in CORPORA:
        with np.load(out / f"{name}.npz") as arrays:
            fitted = {
                key: arrays[key].astype(np.float64) for key in adaptation.Adapter.__dataclass_fields__ if key in arrays
            }
            clips = {key: arrays[key] for key in _CLIPS}
        yield Corpus(name, adaptation.Adapter(**fitted), _TEMPERATURE, **clips)


def _train(data: Path, out: Path, names: list[str]) -> None:
    config = experiment.Config(
        corpora=CORPORA, data=data, out=out, model="adaptive", protocol="cross-corpus", emotions=EMOTIONS, networks=1
    )
    extractor, store = registry.get(config.extractor_name), FeatureStore()
    with ProgressBar(quiet=False) as progress:
        own, _ = training_set.load(config)
        clips = training_set.gather(own, extractor, config, store=store, progress=progress)
        labels, sources = clips.labels, np.array(clips.corpus.table["corpus"])
        speakers = np.array(clips.speakers, dtype=str)
        for name in names:
            rng = np.random.default_rng(0)
            parts = [rng.permutation(np.flatnonzero(sources == other)) for other in np.unique(sources[sources != name])]
            train = np.sort(np.concatenate([part[: MOST_CLIPS.get(sources[part[0]], 600)] for part in parts]))
            settings = {"classifier__max_epochs": 8}
            model = folds.fit(train, clips, config, settings=settings, progress=progress).model[-1]
            classes = np.unique(labels[train])
            test = np.flatnonzero((sources == name) & np.isin(labels, classes))
            adapter = adaptation.fitted(
                model.heads(),
                model.embed(list(clips.values[train])),
                labels=np.searchsorted(classes, labels[train]),
                speakers=speakers[train],
                corpora=sources[train],
            )
            arrays = {key: getattr(adapter, key) for key in adaptation.Adapter.__dataclass_fields__}
            arrays |= {"embedding": model.embed(list(clips.values[test])), "speakers": speakers[test]}
            arrays |= {"labels": np.searchsorted(classes, labels[test]), "classes": np.array(clips.emotions)[classes]}
            files.write_arrays(out / f"{name}.npz", arrays)


def cost(data: Path) -> float:
    """Return how much longer the prediction of 1,000 files takes with adaptation to their source, as a ratio.

    Measured in pairs on clips of SAVEE: the median ratio of a prediction with a profile to one without, and the clips
    that count for the source, which are read twice.
    """
    recognizer = Recognizer()
    paths = list(corpora.load("savee", data).table["path"])[::2]
    source = recognizer.adapt_source(paths[: adaptation.SOURCE_CLIPS])
    ratios = []
    for path in paths:
        seconds = []
        for profile in (None, source):
            started = time.process_time()
            recognizer.predict(path, profile=profile)
            seconds.append(time.process_time() - started)
        ratios.append(seconds[1] / seconds[0])
    return float(np.median(ratios)) + adaptation.SOURCE_CLIPS / 1000


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/adaptation"), help="where embeddings are kept")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="the page to write into")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    measured = list(left_out(chosen.data, chosen.out))
    names = [corpus.name for corpus in measured]
    plain = [_plain(corpus) for corpus in measured]
    lines = [
        f"| gain in UAR, points | {' | '.join(names)} | mean | worst |",
        f"|---|{'---|' * (len(names) + 2)}",
        f"| UAR without adaptation, % | {' | '.join(f'{value:.1f}' for value in plain)} | {np.mean(plain):.1f} | |",
    ]
    for what, gain in ROWS.items():
        gains = [gain(corpus) for corpus in measured]
        cells = " | ".join(f"{value:+.1f}" for value in gains)
        lines.append(f"| {what} | {cells} | **{np.mean(gains):+.1f}** | {min(gains):+.1f} |")
        print(lines[-1], flush=True)
    lines += ["", "| what a profile gives away | speakers | the right one of them | sex |", "|---|---|---|---|"]
    for corpus in measured:
        n_speakers, share = identified(corpus)
        if n_speakers >= FEWEST_SPEAKERS:
            table = corpora.load(corpus.name, chosen.data).table
            sexes = dict(zip(table["speaker"], table["gender"], strict=True))
            lines.append(
                f"| {corpus.name} | {n_speakers} | {100 * share:.0f} % | {100 * sex_told(corpus, sexes):.0f} % |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Predicting 1,000 files takes {cost(chosen.data):.3f} times as long with adaptation to their source.",
    ]
    print(lines[-1])
    _write(chosen.page, lines, begin=BEGIN, end=END)


def _plain(corpus: Corpus) -> float:
    known = np.isin(np.arange(len(corpus.classes)), np.unique(corpus.labels))
    scores = np.where(known, corpus.scores(np.arange(len(corpus.labels)), None), -1)
    return 100 * float(metrics.unweighted_average_recall(corpus.labels, scores.argmax(axis=1)))


if __name__ == "__main__":
    main()
