"""How long the networks take to train: seconds an epoch on RAVDESS speech, and what a whole run comes to.

    python benchmarks/training_time.py --data DIR [--threads N]

Trains each network for some epochs on the 1,200 clips of 20 actors with two altered copies of each, as
``emotone compare ravdess --models all --augment speed --copies 2`` does, and takes the median of all epochs but the
first.  A run under speaker-6fold is two fits a fold (one stops early by held-out clips) and the final model; an early
stop makes it shorter, so the minutes are an upper bound.  Features are not counted: they are computed once, and kept.
"""

import argparse
from pathlib import Path
from statistics import median

import numpy as np

from emotone import protocols
from emotone.experiment import folds
from emotone.experiment.config import Config
from emotone.experiment.training_set import gather, load
from emotone.features import registry as extractors
from emotone.features.store import FeatureStore
from emotone.models import registry

N_EPOCHS, N_FITS = 4, 13


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds ravdess/")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    chosen = parser.parse_args()
    print(
        f"| network | seconds an epoch, {chosen.threads} threads | epochs at most | minutes, speaker-6fold, at most |"
    )
    print("|---|---|---|---|")
    for name, spec in registry.MODELS.items():
        if spec.family != "deep" or not spec.from_scratch:
            continue
        config = Config(
            corpora=("ravdess",), data=chosen.data, out=Path("unused"), model=name, augment=("speed",), copies=2
        )
        store = FeatureStore(config.cache)
        corpus, _ = load(config)
        training_set = gather(corpus, extractors.get(config.extractor_name), config, store=store)
        train = (
            protocols.build(config.protocol, training_set.own, seed=0, digests=training_set.own_digests).folds[0].train
        )
        epochs = spec.build(seed=0).get_params()["classifier__max_epochs"]
        settings = {"classifier__max_epochs": N_EPOCHS}
        fitted = folds.fit(train, training_set, config, settings=settings, threads=chosen.threads)
        seconds = median(row["seconds"] for row in fitted.history("test")[1:])
        full = np.ceil(seconds * epochs * (N_FITS + 0.2) / 60)  # the final model has a fifth more clips
        print(f"| {name} | {seconds:.1f} | {epochs} | {full:.0f} |", flush=True)


if __name__ == "__main__":
    main()
