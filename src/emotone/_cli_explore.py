"""What ``emotone explore`` does: call, and give the page."""

from collections.abc import Sequence
from pathlib import Path

from emotone.progress import Progress


def run(
    corpora: Sequence[str],
    *,
    data: Path,
    out: Path,
    pair: tuple[str, str] | None,
    emotions: Sequence[str] | None,
    channel: str,
    seed: int,
    cache: Path | None,
    progress: Progress | None,
) -> Path:
    """Write the page of corpora; gives its path (see `emotone.explore.explore`)."""
    from emotone import explore

    return explore.explore(
        corpora,
        data,
        out=out,
        pair=pair,
        emotions=emotions,
        channel=channel,
        seed=seed,
        cache=cache,
        progress=progress,
    )
