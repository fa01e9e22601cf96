"""A corpus in, a folder out: the page, and its pictures and tables beside it."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotone import corpora as readers
from emotone._version import __version__
from emotone.corpora import Corpus, Rejected
from emotone.emotions import canonical
from emotone.errors import ConfigError, CorpusError, how_to_install
from emotone.explore import folder
from emotone.explore.contrast import findings as pairs
from emotone.explore.feature_analysis import findings as features
from emotone.explore.feature_analysis import projection as feature_map
from emotone.explore.feature_analysis.findings import FeatureTable
from emotone.explore.feature_analysis.umap_worker import UmapJob, aside
from emotone.explore.folder import Stage
from emotone.explore.html import Section, page
from emotone.explore.measure.corpus import Measured, measure
from emotone.explore.overview import findings as checked
from emotone.explore.signal import findings as signals
from emotone.features import registry
from emotone.features.store import FeatureStore
from emotone.progress import Progress, part

__all__ = ["explore"]

_LEAST_CLIPS = 3  # that statistics of features need


def explore(
    corpora: Sequence[str],
    data: Path,
    *,
    out: Path,
    pair: tuple[str, str] | None = None,
    emotions: Sequence[str] | None = None,
    channel: str = "speech",
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Show what corpora hold and how their emotions sound.

    Parameters
    ----------
    corpora, data, channel, emotions
        As `emotone.corpora.load`.
    out
        The folder to write; one that an earlier call wrote is written again.
    pair
        Two emotions to set against each other in a section of their own.
    seed
        Of all that is drawn or begins at random.
    cache
        Where measures and features are kept; the user's cache if not given.
    progress
        Told of steps, out of `emotone.progress.TOTAL`.

    Returns
    -------
    Path
        Of the page; ``figures/``, ``tables/`` and ``findings.json`` lie beside it.

    Raises
    ------
    ConfigError
        ``out`` holds something else, or the pair is not two emotions of the corpus.
    CorpusError
        A corpus is missing or unknown, or has no such clip.
    FeatureError
        Not one clip could be read.
    MissingExtraError
        The extra ``train`` is not installed.
    """
    folder.check(out)
    corpus = readers.load(corpora, data, channel=channel, emotions=emotions)
    if pair is not None:
        _pair_of(corpus, pair)  # before anything is read
    stretch = functools.partial(part, progress)
    with aside(cache) as umap, folder.staged(out) as stage:
        measured, table = _gathered(corpus, cache=cache, progress=stretch(0.0, 0.6))
        if umap is not None and table is not None:
            umap.begin(table, seed=seed)
        sections = [
            _drawn(stage, Section("The corpus", checked.findings(measured)), stretch(0.60, 0.65)),
            _drawn(stage, Section("The signal", signals.findings(measured)), stretch(0.65, 0.70)),
        ]
        if pair is not None:
            section = _pair_section(measured, table, pair, seed=seed, progress=stretch(0.70, 0.80))
            sections.append(_drawn(stage, section, stretch(0.80, 0.85)))
        section = _feature_section(table, umap, measured, seed=seed, progress=stretch(0.85, 0.95))
        sections.insert(2, _drawn(stage, section, stretch(0.95, 1.0)))
        settings = {"corpora": list(corpora), "channel": channel, "seed": seed}
        return _published(stage, sections, measured, settings)


def _gathered(corpus: Corpus, *, cache: Path | None, progress: Progress) -> tuple[Measured, FeatureTable | None]:
    """Measure the clips and compute their features, None where there is nothing that they could tell apart.

    A clip whose features can't be computed, though it can be read, is left out of everything.
    """
    measured = measure(corpus, cache=cache, progress=part(progress, 0.0, 0.3))
    extractor = registry.get(registry.DEFAULT)
    found = FeatureStore(cache).compute(measured.corpus, extractor, progress=part(progress, 0.3, 1.0))
    values = found.values
    if found.rejected:
        kept = np.ones(len(values), dtype=bool)
        kept[list(found.rejected)] = False
        paths = measured.clips["path"]
        left_out = tuple(Rejected(str(paths.iloc[row]), why) for row, why in sorted(found.rejected.items()))
        measured, values = measured.only(kept, left_out), values[kept]
    if len(measured.corpus.emotions) < 2 or len(values) < _LEAST_CLIPS:
        return measured, None
    labels = {name: measured.clips[name].to_numpy(str) for name in ("emotion", "speaker")}
    units = tuple(column.unit for column in found.columns)
    table = FeatureTable(values, found.names, emotions=labels["emotion"], speakers=labels["speaker"], units=units)
    return measured, table


def _feature_section(
    table: FeatureTable | None, umap: UmapJob | None, measured: Measured, *, seed: int, progress: Progress
) -> Section:
    """Make the section on features; where a corpus can't have one, it says why."""
    title = "The features"
    if table is None:
        emotions = measured.corpus.emotions
        note = (
            f"There are {len(measured.clips)} clips of {len(emotions)} emotion{'s'[: len(emotions) != 1]} "
            f"({', '.join(emotions)}): with fewer than {_LEAST_CLIPS} clips, or one emotion, there is nothing that "
            "features could tell apart."
        )
        return Section(title, [], [note])
    notes = []
    if not feature_map.has_umap():
        notes = [f"Without a UMAP: umap-learn is not installed ({how_to_install('explore')})."]
    found = features.findings(table, seed=seed, with_umap=False if umap is not None else None, progress=progress)
    if umap is not None:
        found.append(umap.finding())
    return Section(title, found, notes)


def _pair_section(
    measured: Measured, table: FeatureTable | None, names: tuple[str, str], *, seed: int, progress: Progress
) -> Section:
    first, second = _pair_of(measured.corpus, names)  # again: what could not be read may have been all of one
    if table is None:
        raise ConfigError(
            f"--compare needs {_LEAST_CLIPS} clips or more; {measured.corpus.name} has {len(measured.clips)}"
        )
    clips = measured.corpus.table
    found = pairs.findings(table, first, second, clips=clips, seed=seed, progress=progress)
    paths = dict(zip(clips["path"], checked.short_paths(clips["path"], measured), strict=True))
    shown = [dataclasses.replace(one, table=one.table.replace(paths)) for one in found]
    return Section(f"{first.capitalize()} against {second}", shown)


def _pair_of(corpus: Corpus, names: tuple[str, str]) -> tuple[str, str]:
    """Make the names canonical; both must occur, and differ."""
    try:
        first, second = (canonical(name) for name in names)
    except CorpusError as error:
        raise ConfigError(f"--compare: {error}") from error
    for name in (first, second):
        if name not in corpus.emotions:
            raise ConfigError(
                f"--compare names {name!r}, of which {corpus.name} has no clip; it has: {', '.join(corpus.emotions)}"
            )
    if first == second:
        raise ConfigError(f"--compare names {first!r} twice; expected two different emotions")
    return first, second


def _drawn(stage: Stage, section: Section, progress: Progress) -> Section:
    """Write a section's pictures and tables."""
    for done, finding in enumerate(section.findings):
        progress(done, len(section.findings), f"drawing: {finding.title}")
        stage.add(finding)
    return section


def _published(stage: Stage, sections: Sequence[Section], measured: Measured, settings: dict[str, Any]) -> Path:
    corpus, n_clips = measured.corpus, len(measured.clips)
    languages = ", ".join(sorted(set(measured.clips["language"]) - {""}))
    summary = (
        f"{n_clips:,} clips ({settings['channel']}{f', {languages}' if languages else ''}), "
        f"{len(corpus.emotions)} emotions, {checked.speakers(measured)}. Each picture's numbers lie beside this page, "
        f"in {folder.TABLES}/, the pictures in {folder.FIGURES}/."
    )
    html = page(
        sections,
        title=f"{corpus.name}: what it holds, and how its emotions sound",
        summary=summary,
        emotions=corpus.emotions,
        pictures=stage.pictures,
        made=f"Made by emotone {__version__}, seed {settings['seed']}, features: {registry.DEFAULT}.",
    )
    told = [
        {
            "section": section.title,
            "name": finding.name,
            "title": finding.title,
            "text": finding.text,
            "files": stage.files[finding.name],
        }
        for section in sections
        for finding in section.findings
    ]
    shown = {"emotions": list(corpus.emotions), "clips": n_clips, "findings": told}
    return stage.publish(html, {"format_version": 1, **settings, **shown})
