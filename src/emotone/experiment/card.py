"""The model card of a run: scores, training corpora, licences."""

from collections.abc import Mapping
from typing import Any

from emotone.corpora import CORPORA, Corpus
from emotone.experiment.analyses import groups
from emotone.experiment.config import Config
from emotone.experiment.training_set import TrainingSet

#: In the card of every bundle that `run` writes.
NOTE = (
    "The model in this bundle was trained on all clips. The scores are those of models of the same kind that were not "
    "trained on their test clips{disjoint}."
)


def card(
    config: Config,
    metrics: Mapping[str, Any],
    *,
    training_set: TrainingSet,
    settings: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Compose the card; `emotone.export.bundle.write_bundle` adds facts about the graph.

    Parameters
    ----------
    metrics
        Contents of ``metrics.json``.
    settings
        Settings of the final model.
    measured
        Result of `calibration`.
    """
    disjoint = " or on clips of their speakers" if metrics["protocol"]["speaker_disjoint"] else ""
    # The folds have temperatures of their own; the model has one that is fitted on other corpora.
    exported = {"ece": measured["ece"]} if "elsewhere" in metrics else {}
    augmented = {"transforms": [transform.spec for transform in config.transforms], "copies": config.n_copies}
    parameters = {**settings, "seed": config.seed, "balance": config.balance}
    return {
        "name": f"{config.model} on {training_set.corpus.name}",
        "emotions": list(training_set.emotions),
        "model": config.model,
        "parameters": parameters | ({"train_also": list(config.train_also)} if config.train_also else {}),
        "protocol": dict(metrics["protocol"]),
        "scores": {**metrics["test"], **groups.for_card(metrics), **exported},
        **({"elsewhere": metrics["elsewhere"]} if "elsewhere" in metrics else {}),
        "calibration": dict(measured),
        "training": {
            "corpora": training_corpora(training_set.corpus),
            "n_clips": len(training_set.corpus),
            "channel": config.channel,
            "augmentation": augmented | {"mixup": config.mixup} if config.augment else None,
            "note": NOTE.format(disjoint=disjoint),
            **({"recorded_sounds": True} if config.sounds is not None else {}),
        },
    }


def training_corpora(corpus: Corpus) -> list[dict[str, Any]]:
    """Describe each corpus with its size and licence, which is "not known" for other corpora than `CORPORA`."""
    described = []
    for name, clips in corpus.table.groupby("corpus", sort=True):
        info = CORPORA.get(str(name))
        described.append(
            {
                "name": str(name),
                "title": info.title if info else str(name),
                "clips": len(clips),
                "speakers": len(set(clips["speaker"]) - {""}),
                "language": info.language if info else ", ".join(sorted(set(clips["language"]) - {""})),
                "licence": info.licence if info else "not known",
                "url": info.url if info else "",
                "commercial_use": info.commercial_use if info else False,
            }
        )
    return described
