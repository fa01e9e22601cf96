"""Run a function on many items: in this process, in processes of this machine, or on a Ray cluster."""

from emotone.parallel.local import LocalPool, n_cores
from emotone.parallel.opening import ENGINES, open_pool
from emotone.parallel.pool import Pool, Share
from emotone.parallel.threads import limited

__all__ = ["ENGINES", "LocalPool", "Pool", "Share", "limited", "n_cores", "open_pool"]
