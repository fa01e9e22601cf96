"""Features that separate emotions, and projections of all clips."""

from emotone.explore.feature_analysis.findings import (
    all_findings,
    correlations,
    discriminative,
    distributions,
    projection,
)
from emotone.explore.feature_analysis.plane import has_umap
from emotone.explore.feature_analysis.table import FeatureTable, quantiles, ranking
from emotone.explore.feature_analysis.umap_worker import UmapJob, umap_job

__all__ = [
    "FeatureTable",
    "UmapJob",
    "all_findings",
    "correlations",
    "discriminative",
    "distributions",
    "has_umap",
    "projection",
    "quantiles",
    "ranking",
    "umap_job",
]
