"""Explore a corpus: write the page, and its pictures and tables next to it."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotone import corpora as readers
from emotone._version import __version__
from emotone.corpora import Corpus, Rejected
from emotone.corpora.rejected import UNREADABLE
from emotone.emotions import class_name
from emotone.errors import ConfigError, CorpusError, how_to_install
from emotone.explore import contrast, feature_analysis, folder, overview, signal
from emotone.explore.feature_analysis import FeatureTable, UmapJob
from emotone.explore.folder import Stage
from emotone.explore.html import Section, page
from emotone.explore.measure import Measured, measure_corpus
from emotone.features import registry
from emotone.features.store import FeatureStore
from emotone.progress import Progress, part

_LEAST_CLIPS = 3  # for statistics of features


def explore(
    corpora: Sequence[str],
    data: Path,
    *,
    out: Path,
    pair: tuple[str, str] | None = None,
    emotions: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    channel: str = "speech",
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Describe corpora in pictures and tables, and return the path of the page.

    Parameters
    ----------
    corpora, data, channel, emotions, labels
        As `emotone.corpora.load`.
    out
        Folder to write; the result of an earlier call is replaced.
    pair
        Two emotions to compare in a separate section.
    seed
        Random seed.
    cache
        Folder of measures and features; the user's cache if not given.
    progress
        Called at each step, out of `emotone.progress.TOTAL`.

    Raises
    ------
    ConfigError
        ``out`` has other files, or the pair is not two emotions of the corpus.
    CorpusError
        A corpus is missing or unknown, or has no such clip.
    FeatureError
        No clip could be read.
    MissingExtraError
        The extra ``train`` is not installed.
    """
    folder.check(out)
    corpus = readers.load(corpora, data, channel=channel, emotions=emotions, labels=labels)
    if pair is not None:
        _check_pair(corpus, pair)  # before anything is read
    readers.warn_of(corpus.rejected, n_used=len(corpus))
    with feature_analysis.umap_job(cache) as umap, folder.staged(out) as stage:
        measured, table = _gather(corpus, cache=cache, progress=part(progress, 0.0, 0.6))
        sections = _sections(stage, measured, table, umap, pair, seed=seed, progress=part(progress, 0.6, 1.0))
        return _publish(stage, sections, measured, {"corpora": list(corpora), "channel": channel, "seed": seed})


def _gather(corpus: Corpus, *, cache: Path | None, progress: Progress) -> tuple[Measured, FeatureTable | None]:
    """Measure the clips and compute their features; None if there are too few clips or emotions to compare.

    A clip that can be read, but whose features can't be computed, is left out of everything.
    """
    measured = measure_corpus(corpus, cache=cache, progress=part(progress, 0.0, 0.3))
    extractor = registry.get(registry.DEFAULT)
    features = FeatureStore(cache).compute(measured.corpus, extractor, progress=part(progress, 0.3, 1.0))
    values = features.values
    if features.rejected:
        kept = np.ones(len(values), dtype=bool)
        kept[list(features.rejected)] = False
        paths = measured.clips["path"]
        left_out = tuple(
            Rejected(str(paths.iloc[row]), why, UNREADABLE) for row, why in sorted(features.rejected.items())
        )
        measured, values = measured.only(kept, left_out), values[kept]
    readers.warn_of(measured.rejected[len(corpus.rejected) :], n_used=len(values))
    if len(measured.corpus.emotions) < 2 or len(values) < _LEAST_CLIPS:
        return measured, None
    emotions, speakers = (measured.clips[name].to_numpy(str) for name in ("emotion", "speaker"))
    units = tuple(column.unit for column in features.columns)
    return measured, FeatureTable(values, features.names, emotions=emotions, speakers=speakers, units=units)


def _sections(
    stage: Stage,
    measured: Measured,
    table: FeatureTable | None,
    umap: UmapJob | None,
    pair: tuple[str, str] | None,
    *,
    seed: int,
    progress: Progress,
) -> list[Section]:
    """Make and draw all sections; the one on features, which waits for the UMAP, is made last."""
    stretch = functools.partial(part, progress)
    if umap is not None and table is not None:
        umap.begin(table.values, seed=seed)
    sections = [
        _draw(stage, Section("The corpus", overview.all_findings(measured)), stretch(0.0, 0.125)),
        _draw(stage, Section("The signal", signal.all_findings(measured)), stretch(0.125, 0.25)),
    ]
    if pair is not None:
        section = _pair_section(measured, table, pair, seed=seed, progress=stretch(0.25, 0.5))
        sections.append(_draw(stage, section, stretch(0.5, 0.625)))
    section = _feature_section(table, umap, measured, seed=seed, progress=stretch(0.625, 0.875))
    sections.insert(2, _draw(stage, section, stretch(0.875, 1.0)))
    return sections


def _feature_section(
    table: FeatureTable | None, umap: UmapJob | None, measured: Measured, *, seed: int, progress: Progress
) -> Section:
    title = "The features"
    if table is None:
        emotions = measured.corpus.emotions
        note = (
            f"There are {len(measured.clips)} clips of {len(emotions)} emotion{'s'[: len(emotions) != 1]} "
            f"({', '.join(emotions)}): features can be compared with {_LEAST_CLIPS} clips or more of two emotions or "
            "more."
        )
        return Section(title, [], [note])
    findings = feature_analysis.all_findings(table, seed=seed, with_umap=False, progress=progress)
    if umap is None:
        return Section(title, findings, [f"Without UMAP: umap-learn is not installed ({how_to_install('explore')})."])
    return Section(
        title, [*findings, feature_analysis.projection(table, method="umap", seed=seed, points=umap.points())]
    )


def _pair_section(
    measured: Measured, table: FeatureTable | None, names: tuple[str, str], *, seed: int, progress: Progress
) -> Section:
    first, second = _check_pair(measured.corpus, names)  # again: all clips of an emotion may be unreadable
    if table is None:
        raise ConfigError(
            f"--compare needs {_LEAST_CLIPS} clips or more; {measured.corpus.name} has {len(measured.clips)}"
        )
    clips = measured.corpus.table
    findings = contrast.all_findings(table, first, second, clips=clips, seed=seed, progress=progress)
    paths = dict(zip(clips["path"], overview.short_paths(clips["path"], measured), strict=True))
    shown = [dataclasses.replace(finding, table=finding.table.replace(paths)) for finding in findings]
    return Section(f"{first.capitalize()} against {second}", shown)


def _check_pair(corpus: Corpus, names: tuple[str, str]) -> tuple[str, str]:
    """Return the names of the emotions; ConfigError unless both occur and differ."""
    try:
        first, second = (class_name(name) for name in names)
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


def _draw(stage: Stage, section: Section, progress: Progress) -> Section:
    """Write a section's pictures and tables."""
    for done, finding in enumerate(section.findings):
        progress(done, len(section.findings), f"drawing: {finding.title}")
        stage.add(finding)
    return section


def _publish(stage: Stage, sections: Sequence[Section], measured: Measured, settings: dict[str, Any]) -> Path:
    corpus, n_clips = measured.corpus, len(measured.clips)
    languages = ", ".join(sorted(set(measured.clips["language"]) - {""}))
    html = page(
        sections,
        emotions=corpus.emotions,
        pictures=stage.pictures,
        title=f"{corpus.name}: what it holds, and how its emotions sound",
        summary=(
            f"{n_clips:,} clips ({settings['channel']}{f', {languages}' if languages else ''}), "
            f"{len(corpus.emotions)} emotions, {overview.speakers(measured)}. The numbers of each picture are in the "
            f"folder {folder.TABLES}/, the pictures in {folder.FIGURES}/."
        ),
        made=f"Made by emotone {__version__}, seed {settings['seed']}, features: {registry.DEFAULT}.",
    )
    findings = [
        {"section": section.title}
        | {name: getattr(finding, name) for name in ("name", "title", "text")}
        | {"files": stage.files[finding.name]}
        for section in sections
        for finding in section.findings
    ]
    content = {"emotions": list(corpus.emotions), "clips": n_clips, "findings": findings}
    return stage.publish(html, {"format_version": 1, **settings, **content})
