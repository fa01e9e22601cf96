"""How long-running functions say how far they are, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """Called as ``progress(done, total, what)``: steps done, steps in all, and a few words on the present step."""

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Say that ``done`` of ``total`` steps are done, and what the present one is."""
