"""Find recordings that occur more than once: with a copy in training and test, a score is too high."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from emotone.corpora.table import Corpus, segments_of
from emotone.errors import CorpusError
from emotone.progress import Progress


def content_digests(corpus: Corpus, *, progress: Progress | None = None, workers: int = 2) -> list[str]:
    """Compute a digest of each clip's samples: equal for equal samples, whatever the file's name or container.

    Parameters
    ----------
    corpus
        n clips.
    progress
        Called after each clip.
    workers
        Threads that decode; decoders release the global interpreter lock.

    Returns
    -------
    list of str
        (n,) SHA-256 in hexadecimal of the clip, decoded to 16 kHz mono and not trimmed.

    Raises
    ------
    AudioError
        A clip can't be decoded.
    """
    from emotone import audio  # imported here: most uses of corpora decode nothing

    if workers < 1:
        raise CorpusError(f"{workers} workers; expected at least 1")
    clips = segments_of(corpus.table)
    digests: list[str] = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            for done, digest in enumerate(pool.map(lambda clip: audio.content_digest(clip.read()), clips), start=1):
                digests.append(digest)
                if progress is not None:
                    progress(done, len(clips), "comparing recordings")
        finally:
            # After an error or an interrupt, do not decode the rest first.
            pool.shutdown(cancel_futures=True)
    return digests


def find_duplicates(corpus: Corpus, digests: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Find clips with identical sound.

    Parameters
    ----------
    corpus
        n clips.
    digests
        (n,) from `content_digests`.

    Returns
    -------
    tuple of tuples of int
        Groups of two or more row numbers, each ascending; groups ordered by their first row.

    Raises
    ------
    CorpusError
        The number of digests is not the number of clips.
    """
    if len(digests) != len(corpus):
        raise CorpusError(f"{len(digests)} digests for {len(corpus)} clips of {corpus.name}; expected one per clip")
    groups: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        groups.setdefault(digest, []).append(row)
    return tuple(tuple(rows) for rows in groups.values() if len(rows) > 1)
