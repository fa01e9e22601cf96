"""What a corpus contains, how even it is, what its recordings are like, and what was left out."""

from emotone.explore.overview.findings import (
    all_findings,
    checks,
    clips,
    counts_by_emotion,
    counts_by_kind,
    counts_by_speaker,
    duplicates,
    durations,
    formats,
    left_out,
    levels,
    short_paths,
    silence,
    speakers,
)

__all__ = [
    "all_findings",
    "checks",
    "clips",
    "counts_by_emotion",
    "counts_by_kind",
    "counts_by_speaker",
    "duplicates",
    "durations",
    "formats",
    "left_out",
    "levels",
    "short_paths",
    "silence",
    "speakers",
]
