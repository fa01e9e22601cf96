"""What the model card of a run says: scores, training corpora, licences."""

from collections.abc import Mapping
from typing import Any

from emotone.corpora import CORPORA, Corpus
from emotone.experiment.analyses import groups
from emotone.experiment.config import Config
from emotone.experiment.training_set import TrainingSet

#: Said by every bundle that `run` writes.
NOTE = (
    "The model in this bundle was fitted on all clips. The scores are of models of the same kind that never "
    "saw the clips they were asked about{disjoint}."
)


def card(
    config: Config,
    told: Mapping[str, Any],
    *,
    material: TrainingSet,
    settings: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Compose what the bundle says of its training; `emotone.export.bundle.write_bundle` adds what it knows itself.

    Parameters
    ----------
    told
        What ``metrics.json`` holds.
    settings
        What the search chose for the final model.
    measured
        What `calibration` returns.
    """
    disjoint = ", nor their speakers" if told["protocol"]["speaker_disjoint"] else ""
    augmented = {"transforms": [transform.spec for transform in config.transforms], "copies": config.n_copies}
    parameters = {**settings, "seed": config.seed, "balance": config.balance}
    return {
        "name": f"{config.model} on {material.corpus.name}",
        "emotions": list(material.emotions),
        "model": config.model,
        "parameters": parameters | ({"train_also": list(config.train_also)} if config.train_also else {}),
        "protocol": dict(told["protocol"]),
        "scores": {**told["test"], **groups.for_card(told)},
        "calibration": dict(measured),
        "training": {
            "corpora": training_corpora(material.corpus),
            "n_clips": len(material.corpus),
            "channel": config.channel,
            "augmentation": augmented | {"mixup": config.mixup} if config.augment else None,
            "note": NOTE.format(disjoint=disjoint),
        },
    }


def training_corpora(corpus: Corpus) -> list[dict[str, Any]]:
    """Name each corpus with its size and licence; of an unknown one, no licence is known and none is presumed."""
    told = []
    for name, clips in corpus.table.groupby("corpus", sort=True):
        info = CORPORA.get(str(name))
        told.append(
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
    return told
