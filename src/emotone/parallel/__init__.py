"""Run a function on many items: in this process, in processes of this machine, or on a Ray cluster."""

from emotone.parallel.local import LocalPool
from emotone.parallel.opening import ENGINES, open_pool
from emotone.parallel.pool import Pool, Share
from emotone.parallel.threads import limited
from emotone.processes import n_cores

__all__ = ["ENGINES", "LocalPool", "Pool", "Share", "limited", "n_cores", "open_pool"]
