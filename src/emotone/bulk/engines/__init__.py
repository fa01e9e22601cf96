"""Where the work on an archive is done."""

from emotone.bulk.engines.base import Engine, Job
from emotone.bulk.engines.local import LocalEngine

__all__ = ["Engine", "Job", "LocalEngine"]
