"""The search of settings within a fold."""

from typing import TYPE_CHECKING, Any

from emotone.experiment.config import Config
from emotone.experiment.training_set import TrainingSet
from emotone.models import registry
from emotone.progress import Progress

if TYPE_CHECKING:
    from emotone.experiment.folds import FoldPlan
    from emotone.models.tune import Search

#: The chosen settings, and a row for each setting; see `emotone.models.tune.grid_search`.
Searched = tuple[dict[str, Any], list[dict[str, Any]]]


def search_of(plan: "FoldPlan", training_set: TrainingSet, config: Config) -> "Search":
    """Return the search of the model's grid on the inner folds; copies of a held-out clip are held out too."""
    from emotone.models.tune import Search

    return Search(**_arguments(plan, training_set, config))


def search(plan: "FoldPlan", training_set: TrainingSet, config: Config, *, progress: Progress) -> Searched:
    """Do the search of `search_of` in this process."""
    from emotone.models.tune import grid_search

    return grid_search(**_arguments(plan, training_set, config), progress=progress)


def _arguments(plan: "FoldPlan", training_set: TrainingSet, config: Config) -> dict[str, Any]:
    balanced = config.balance == "augment"
    inner = [
        (training_set.training_rows(train, balanced=balanced, seed=config.seed), held_out)
        for train, held_out in plan.inner
    ]
    spec = registry.get(config.model)
    inputs = (
        [{"classifier__extras": training_set.speaker_inputs(train)} for train, _ in inner] if spec.adaptive else None
    )
    return {
        "spec": spec,
        "X": training_set.values,
        "y": training_set.labels[training_set.origin],
        "folds": inner,
        "seed": config.seed,
        "class_weight": config.balance == "weights",
        "fit_arguments": inputs,
    }
