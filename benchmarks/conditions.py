"""Measure an adaptive model under noise, over a telephone line and in a measured room.

    python benchmarks/conditions.py --data DIR [--out runs/conditions] [--page docs/results.md]

RAVDESS, speaker-6fold: the models of each fold are trained as those of ``benchmarks/flagship.py``, with copies of the
clips in other scenes.  The test clips are altered: recorded noise of kinds that were not trained on, noise between
white and pink and a telephone line, which were, and a measured room (DIR/rooms), while training has synthesised rooms.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from condition_transforms import MeasuredRoom, RecordedNoise
from flagship import EPOCHS, TRAINED_SOUNDS, _trained_sounds
from results import _write

from emotone import metrics, protocols
from emotone.augment.conditions import CONDITIONS
from emotone.augment.copies import Augmentation
from emotone.augment.transforms import Transform
from emotone.cli.console import ProgressBar
from emotone.experiment import Config, folds, training_set
from emotone.features import registry
from emotone.features.store import FeatureStore
from emotone.progress import part

BEGIN, END = "<!-- made by benchmarks/conditions.py: begin -->", "<!-- made by benchmarks/conditions.py: end -->"


def _altered(data: Path, out: Path) -> dict[str, Transform | None]:
    unknown = out / "unknown-sounds"
    unknown.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "noise").glob("*/*")):
        link = unknown / f"{path.parent.name}-{path.name}"
        if path.parent.name not in TRAINED_SOUNDS and not link.exists():
            link.symlink_to(path.resolve())
    return {
        "as recorded": None,
        "recorded noise of unknown kinds, 10 dB": RecordedNoise(str(unknown), 10.0),
        "recorded noise of unknown kinds, 0 dB": RecordedNoise(str(unknown), 0.0),
        "noise from white to pink, 10 dB": CONDITIONS["noise-10"],
        "noise from white to pink, 0 dB": CONDITIONS["noise-0"],
        "telephone": CONDITIONS["telephone"],
        "a measured room": MeasuredRoom(str(data / "rooms"), 0.5),
    }


def scores(data: Path, out: Path, *, networks: int) -> dict[str, float]:
    """Return the UAR of the test clips of all folds, by what was done to the clips."""
    config = Config(
        corpora=("ravdess",),
        data=data,
        out=out,
        model="adaptive",
        train_also=("song",),
        augment=("scene",),
        copies=3,
        networks=networks,
        sounds=_trained_sounds(data, out / "sounds"),
        trim="speech",
    )
    extractor, store = registry.get(config.extractor_name), FeatureStore()
    own, extra = training_set.load(config)
    predicted: dict[str, np.ndarray] = {}
    with ProgressBar(quiet=False) as bar:
        clips = training_set.gather(own, extractor, config, store=store, extra=extra, progress=part(bar, 0, 0.3))
        values = {}
        altered = _altered(data, out)
        for number, (name, transform) in enumerate(altered.items()):
            augmentation = None if transform is None else Augmentation((transform,), copy=0)
            stage = part(bar, 0.3 + 0.03 * number, 0.33 + 0.03 * number)
            values[name] = store.compute(
                clips.own, extractor, preprocessing=config.preprocessing, augmentation=augmentation, progress=stage
            ).values
        protocol = protocols.build(config.protocol, clips.own, seed=config.seed, digests=clips.own_digests)
        for number, fold in enumerate(protocol.folds):
            stage = part(bar, 0.5 + number / 12, 0.5 + (number + 1) / 12)
            settings = {"classifier__max_epochs": EPOCHS}
            model = folds.fit(fold.train, clips, config, settings=settings, progress=stage).model
            for name in altered:
                answers = predicted.setdefault(name, np.zeros(len(clips.own), dtype=np.int64))
                answers[fold.test] = model.predict(values[name][fold.test])
    truth = clips.labels[: clips.n_own]
    return {name: metrics.unweighted_average_recall(truth, answers) for name, answers in predicted.items()}


def lines(recalls: dict[str, float], *, networks: int) -> Sequence[str]:
    """The table of the page."""
    rows = [f"| {name} | {100 * uar:.1f} |" for name, uar in recalls.items()]
    kinds = ", ".join(TRAINED_SOUNDS)
    about = (
        f"RAVDESS, speaker-6fold, {networks} networks, {EPOCHS} epochs, no validation clips held out. Noise that was "
        f"trained on: synthesised, and recordings of {kinds}. The room is measured; training has synthesised rooms."
    )
    return [about, "", "| test clips | UAR % |", "|---|---|", *rows]


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/conditions"), help="where links to sounds are kept")
    parser.add_argument("--networks", type=int, default=3, help="networks of each model")
    parser.add_argument("--page", type=Path, default=None, help="the page to write into")
    chosen = parser.parse_args()
    table = lines(scores(chosen.data, chosen.out, networks=chosen.networks), networks=chosen.networks)
    print("\n".join(table))
    if chosen.page is not None:
        _write(chosen.page, table, begin=BEGIN, end=END)


if __name__ == "__main__":
    main()
