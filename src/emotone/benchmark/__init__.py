from emotone.benchmark.run import benchmark
from emotone.benchmark.table import cells, headers

__all__ = ["benchmark", "cells", "headers"]
