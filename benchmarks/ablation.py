"""Measure the contribution of each part on inner folds of training clips: the table of docs/tried.md.

    python benchmarks/ablation.py --data DIR

Folds of training clips on which the parts of the classic models are judged (docs/tried.md says how they were chosen):

- "new voices": the 20 actors that fold 1 of the speaker-6fold protocol trains on, in 5 speaker-disjoint folds; UAR.
- "random": the training 70 % of random-70-15-15, seed 0, in 5 stratified folds; accuracy.

No clip of fold 1's test actors, nor of the random split's development and test parts, is read for the first and second.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from emotone import augment, corpora, protocols
from emotone.augment.copies import Augmentation
from emotone.features import registry as extractors
from emotone.features.store import FeatureStore
from emotone.metrics import accuracy, unweighted_average_recall
from emotone.models import registry

BEGIN, END = "<!-- made by benchmarks/ablation.py: begin -->", "<!-- made by benchmarks/ablation.py: end -->"
#: What is left out -> pattern of the names of the columns to drop.
GROUPS = {
    "modulation energies": r"_mod\d",
    "cosine coefficients over time": r"_cos\d",
    "delta and delta-delta": r"-delta",
    "voiced and unvoiced frames apart": r"-(un)?voiced$",
    "prosody (pitch, level, shape, rhythm)": r"^(pitch|level|centroid|bandwidth|rolloff|zcr|aperiodicity|rhythm)",
    "log-mel mean and deviation": r"^logmel",
    "mel power": r"^mel\d+_power",
    "chroma": r"^chroma",
    "spectral contrast": r"^contrast",
    "percentiles and extremes": r"_(q\d\d|min|max)$",
}
Builder = Callable[[], Pipeline]


class Bench:
    """Features of all clips and their copies, and the two sets of folds."""

    def __init__(self, data: Path) -> None:
        self.corpus = corpora.load(["ravdess"], data)
        extractor, store = extractors.get("functionals"), FeatureStore()
        clean = store.compute(self.corpus, extractor)
        self.names = np.array(clean.names)
        self.labels = np.array([self.corpus.emotions.index(emotion) for emotion in self.corpus.table["emotion"]])
        self.sets = {"": [clean.values]}
        for name, transforms in (("speed", "speed"), ("noise", "noise"), ("pitch", "pitch")):
            copies = [Augmentation(augment.parse(transforms), copy=number, seed=0) for number in (1, 2)]
            self.sets[name] = [store.compute(self.corpus, extractor, augmentation=copy).values for copy in copies]
        voices = protocols.build("speaker-6fold", self.corpus).folds[0].train
        clips = protocols.build("random-70-15-15", self.corpus, digests=clean.digests).folds[0].train
        self.folds = {
            "new voices": protocols.inner_folds(self.corpus, voices, n_folds=5, speaker_disjoint=True),
            "random": protocols.inner_folds(self.corpus, clips, n_folds=5, speaker_disjoint=False),
        }

    def score(self, kind: str, build: Builder, *, copies: Sequence[str] = (), without: str = "^$") -> float:
        """Return UAR (new voices) or accuracy (random) over the pooled inner folds, in per cent."""
        columns = np.array([not re.search(without, name) for name in self.names])
        truth, predicted = [], []
        for train, held_out in self.folds[kind]:
            parts = [self.sets[""][0][train], *(copy[train] for name in copies for copy in self.sets[name])]
            model = build().fit(np.concatenate(parts)[:, columns], np.tile(self.labels[train], len(parts)))
            predicted.append(model.predict_proba(self.sets[""][0][held_out][:, columns]).argmax(1))
            truth.append(self.labels[held_out])
        measure = unweighted_average_recall if kind == "new voices" else accuracy
        return 100 * measure(np.concatenate(truth), np.concatenate(predicted))


def named(name: str) -> Builder:
    """Return the builder of a registered model with its default settings."""
    return lambda: registry.get(name).build(seed=0, n_jobs=2, class_weight=True)


def plain_forest() -> Pipeline:
    """Build a random forest on the columns as they are."""
    return Pipeline([("classifier", RandomForestClassifier(500, class_weight="balanced", n_jobs=2, random_state=0))])


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--page", type=Path, default=Path("docs/tried.md"))
    chosen = parser.parse_args()
    bench = Bench(chosen.data)
    linear = named("logistic-regression")
    trials: list[tuple[str, Builder, tuple[str, ...], str]] = [
        ("logistic-regression, all features", linear, (), "^$"),
        *((f"... without {what}", linear, (), pattern) for what, pattern in GROUPS.items()),
        ("... with two copies at 0.88 to 1.13 times the speed", linear, ("speed",), "^$"),
        ("... with two copies of another pitch", linear, ("pitch",), "^$"),
        ("... with two noisy copies", linear, ("noise",), "^$"),
        ("... with speed and pitch, four copies", linear, ("speed", "pitch"), "^$"),
        ("random forest of the plain columns", plain_forest, (), "^$"),
        ("random-forest: on discriminant axes", named("random-forest"), (), "^$"),
        ("... with speed copies", named("random-forest"), ("speed",), "^$"),
        ("extra-trees with speed copies", named("extra-trees"), ("speed",), "^$"),
        ("svm", named("svm"), (), "^$"),
        ("... with speed copies", named("svm"), ("speed",), "^$"),
        ("ensemble with speed copies", named("ensemble"), ("speed",), "^$"),
    ]
    lines = ["| what | new voices, UAR % | random, accuracy % |", "|---|---|---|"]
    for what, build, copies, without in trials:
        scores = [bench.score(kind, build, copies=copies, without=without) for kind in bench.folds]
        lines.append(f"| {what} | " + " | ".join(f"{value:.1f}" for value in scores) + " |")
        print(lines[-1], flush=True)
    text = chosen.page.read_text(encoding="utf-8") if chosen.page.is_file() else f"# What was tried\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    temporary = chosen.page.with_suffix(".part")
    temporary.write_text("\n".join([before + BEGIN, "", *lines, "", END + rest.partition(END)[2]]), encoding="utf-8")
    temporary.replace(chosen.page)


if __name__ == "__main__":
    main()
