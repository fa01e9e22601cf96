"""The local server that tests of downloads use."""

from support.zenodo import zenodo

__all__ = ["zenodo"]
