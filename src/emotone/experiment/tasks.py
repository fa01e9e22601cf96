"""The folds of models that share features, as tasks of a pool.  Each result is saved before it is used."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotone import files
from emotone.errors import ConfigError, CorpusError, EmotoneError
from emotone.experiment import folds
from emotone.experiment.config import Config
from emotone.experiment.fold_result import FoldResult, with_tuples
from emotone.experiment.folds import FoldPlan
from emotone.experiment.search import Searched, search_of
from emotone.experiment.training_set import TrainingSet
from emotone.models import registry
from emotone.parallel import Pool, limited
from emotone.progress import Progress, part
from emotone.runs import layout

#: Share of the work that a search of settings takes.
_SEARCH = 0.7


@dataclass(frozen=True, eq=False)
class Group:
    """Experiments with the same features and folds, and the same family of models.

    Attributes
    ----------
    experiments
        Name of the model -> experiment.
    plans
        The folds.
    training_set
        The features.
    is_named
        Whether texts name the model.
    """

    experiments: Mapping[str, Config]
    plans: Sequence[FoldPlan]
    training_set: TrainingSet
    is_named: bool = False

    @property
    def has_networks(self) -> bool:
        """Whether the models are networks."""
        return any(registry.get(config.model).family == "deep" for config in self.experiments.values())

    def text(self, name: str, what: str) -> str:
        """Return a text on the progress of a model."""
        return f"{name}: {what}" if self.is_named else what


@dataclass(frozen=True)
class _Task:
    """A fold of a model.

    Attributes
    ----------
    name, place
        Name of the model; place of the fold among the plans, from 0.
    path, search_path
        Files of the results of the fold and of the search.
    checkpoint
        File in which networks keep their state; None: nowhere.
    searched
        Result of the search; None: it is part of the task.
    """

    name: str
    place: int
    path: Path
    search_path: Path
    checkpoint: Path | None
    searched: Searched | None = None


def run_folds(group: Group, *, extractor_digest: str, pool: Pool, progress: Progress) -> dict[str, list[FoldResult]]:
    """Run the folds without a stored result, and store each result as soon as it is there.

    Returns
    -------
    Name of each model -> results of its folds.

    Raises
    ------
    CorpusError
        A fold has too few clips for a model.
    WorkerError
        A process died.
    """
    results: dict[tuple[str, int], FoldResult] = {}
    missing = []
    for task in _tasks(group, extractor_digest=extractor_digest, pool=pool):
        stored = FoldResult.load(task.path)
        if stored is None:
            missing.append(task)
        else:
            results[task.name, task.place] = stored
    n_tasks = len(results) + len(missing)
    progress(len(results), n_tasks, f"{len(results)} of {n_tasks} folds done")
    stage = part(progress, len(results) / max(n_tasks, 1), 1)
    share = pool.share(len(missing), networks=group.has_networks)
    tune = any(config.tune for config in group.experiments.values())
    # A fold searches its settings itself, unless workers would have nothing to do meanwhile.
    if tune and missing and pool.share(len(missing) * 2 * folds.N_INNER_FOLDS).workers > share.workers:
        missing = _searched(group, missing, pool=pool, progress=part(stage, 0, _SEARCH))
        stage = part(stage, _SEARCH, 1)
    work = _RunFold(group, share.threads, len(missing), stage if pool.runs_in_process(share) else None)
    with closing(pool.map(work, list(enumerate(missing)), share=share)) as computed:
        for done, (number, result) in enumerate(computed, start=1):
            task = missing[number]
            result.save(task.path)
            task.search_path.unlink(missing_ok=True)
            results[task.name, task.place] = result
            stage(done, len(missing), group.text(task.name, _done_text(group, task, n_done=len(results))))
    return {name: [results[name, place] for place in range(len(group.plans))] for name in group.experiments}


def _done_text(group: Group, task: _Task, *, n_done: int) -> str:
    n_folds = len(group.plans)
    all_models = f" ({n_done} of {n_folds * len(group.experiments)} of all models)" if group.is_named else ""
    return f"fold {group.plans[task.place].number} of {n_folds} done{all_models}"


def _tasks(group: Group, *, extractor_digest: str, pool: Pool) -> Iterable[_Task]:
    for name, config in group.experiments.items():
        for place, plan in enumerate(group.plans):
            key = folds.fingerprint(plan, group.training_set, config, extractor_digest=extractor_digest)[:32]
            path = config.out / layout.WORK / f"fold-{plan.number:02d}-{key}.npz"
            # another machine would not find the state of an interrupted training
            checkpoint = path.with_suffix("") if pool.is_here else None
            yield _Task(name, place, path, path.with_name(f"search-{plan.number:02d}-{key}.json"), checkpoint)


@dataclass(frozen=True, eq=False)
class _RunFold:
    """Runs a fold; called with its number among the tasks, and the task."""

    group: Group
    threads: int
    n_tasks: int
    progress: Progress | None

    def __call__(self, item: tuple[int, _Task]) -> FoldResult:
        number, task = item
        plan, config = self.group.plans[task.place], self.group.experiments[task.name]
        stage = part(self.progress, number / self.n_tasks, (number + 1) / self.n_tasks)

        def report(done: int, total: int, what: str, /) -> None:
            stage(done, total, self.group.text(task.name, what))

        try:
            with limited(self.threads):
                return folds.run_fold(
                    plan,
                    self.group.training_set,
                    config,
                    searched=task.searched,
                    checkpoint=task.checkpoint,
                    threads=self.threads,
                    progress=report,
                )
        except EmotoneError:
            raise
        except ValueError as error:  # of scikit-learn, such as fewer clips than neighbours
            n_clips = self.group.training_set.usable_rows(plan.fold.train).size
            raise CorpusError(
                f"the model {config.model!r} can't learn fold {plan.number} from {n_clips} clips: {error}; "
                "add clips, or choose another model"
            ) from error


@dataclass(frozen=True, eq=False)
class _SearchPlace:
    """Does a fit of the search of a fold; called with the task, and the place in the search."""

    group: Group

    def __call__(self, item: tuple[_Task, Any]) -> Any:
        task, place = item
        config, plan = self.group.experiments[task.name], self.group.plans[task.place]
        return search_of(plan, self.group.training_set, config).score(place)


def _searched(group: Group, tasks: Sequence[_Task], *, pool: Pool, progress: Progress) -> list[_Task]:
    """Search the settings of each fold, every fit a task, and store the result of each search."""
    known = {number: stored for number, task in enumerate(tasks) if (stored := _load(task.search_path))}
    searches = {
        number: search_of(group.plans[task.place], group.training_set, group.experiments[task.name])
        for number, task in enumerate(tasks)
        if number not in known
    }
    fits = [(number, place) for number, search in searches.items() for place in search.places]
    scores: dict[int, list[Any]] = {number: [] for number in searches}
    work, share = _SearchPlace(group), pool.share(len(fits))
    with closing(pool.map(work, [(tasks[number], place) for number, place in fits], share=share)) as computed:
        for done, (index, score) in enumerate(computed, start=1):
            number, place = fits[index]
            scores[number].append((place, score))
            if len(scores[number]) == len(searches[number].places):
                known[number] = searches[number].result(scores[number])
                files.write_json(tasks[number].search_path, known[number])
            text = f"tuning fold {group.plans[tasks[number].place].number} ({done} of {len(fits)} fits)"
            progress(done, len(fits), group.text(tasks[number].name, text))
    return [replace(task, searched=known[number]) for number, task in enumerate(tasks)]


def _load(path: Path) -> Searched | None:
    """Read the result of a search; None if it is missing or damaged."""
    try:
        settings, table = files.read_json(path)
        return with_tuples(settings), list(table)
    except (ConfigError, TypeError, ValueError, json.JSONDecodeError):
        return None
