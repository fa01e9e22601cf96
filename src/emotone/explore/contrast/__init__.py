"""Compare two emotions: features and parts of the spectrum that separate them, and how well."""

from emotone.explore.contrast.findings import all_findings, clips_apart, distributions, ranking, separating, spectrum

__all__ = ["all_findings", "clips_apart", "distributions", "ranking", "separating", "spectrum"]
