"""Run directories: the names of their files, reading finished runs, and comparing them."""

from emotone.runs.comparison import compare_protocols, compare_runs, folders_of
from emotone.runs.folder import RunFolder, read

__all__ = ["RunFolder", "compare_protocols", "compare_runs", "folders_of", "read"]
