"""Downloading of corpora, verified and resumable."""

from emotone.corpora.fetch.zenodo import fetch, notice

__all__ = ["fetch", "notice"]
