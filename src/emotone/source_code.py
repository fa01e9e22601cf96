"""Digests of source code, for the keys of results that must change when the code does."""

import hashlib
import inspect
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def source_digest(*parts: Any) -> str:
    """Return the SHA-256 of the source text of modules, classes or functions, 64 hexadecimal digits."""
    return hashlib.sha256("".join(inspect.getsource(part) for part in parts).encode()).hexdigest()
