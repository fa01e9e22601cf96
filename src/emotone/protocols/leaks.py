"""The leak check: no speaker and no recording on both sides of a fold."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import LeakError, ProtocolError
from emotone.protocols.protocol import Protocol, Rows, column, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus


def check_leaks(protocol: Protocol, corpus: "Corpus", *, digests: Sequence[str] | None = None) -> None:
    """Refuse a protocol whose training and test share what they must not share.

    Parameters
    ----------
    protocol, corpus
        The folds, and the corpus to which their row numbers refer.
    digests
        One content digest per row (`emotone.audio.content_digest`): finds copies of a recording under another name.

    Raises
    ------
    LeakError
        A speaker of a speaker-disjoint protocol, or a recording of any protocol, is on both sides of a fold.
    ProtocolError
        The folds are not of this corpus.
    """
    speakers, paths = column(corpus, "speaker"), column(corpus, "path")
    places = list(zip(paths, corpus.table["start_s"], strict=True))
    channels = column(corpus, "audio_channel")
    clips: list[Hashable] = list(zip(places, channels, strict=True))
    mixed = [place if channel == "" else None for place, channel in zip(places, channels, strict=True)]
    if digests is not None and len(digests) != len(corpus):
        raise ProtocolError(f"{len(digests)} digests for {len(corpus)} clips; expected one per clip")
    for number, fold in enumerate(protocol.folds, start=1):
        train = np.concatenate([fold.train, fold.dev])
        if max(train.max(), fold.test.max()) >= len(corpus):
            raise ProtocolError(
                f"fold {number} has rows beyond the corpus's {len(corpus)}; it was made for another corpus"
            )
        shared = set(speakers[train]) & set(speakers[fold.test])
        if protocol.speaker_disjoint and shared:
            raise LeakError(f"fold {number}: {listed(sorted(shared))} in training and in the test")
        # a mix holds each of its channels
        contents: Sequence[Hashable] = digests or ()
        pairs: list[tuple[Sequence[Hashable], Sequence[Hashable]]] = [
            (clips, clips),
            (mixed, places),
            (places, mixed),
            (contents, contents),
        ]
        for known, tested in pairs:
            if twin := _twin(known, tested, train=train, test=fold.test):
                raise LeakError(
                    f"fold {number}: {paths[twin[0]]} (training) and {paths[twin[1]]} (test) hold the same recording; "
                    "remove either, or give both the same speaker and use a speaker-disjoint protocol"
                )


def _twin(known: Sequence[Hashable], tested: Sequence[Hashable], *, train: Rows, test: Rows) -> tuple[int, int] | None:
    """Find a row of each side with the same key; None is no key."""
    if not known:
        return None
    first = {known[row]: int(row) for row in train}
    return next(
        ((first[tested[row]], int(row)) for row in test if tested[row] is not None and tested[row] in first), None
    )
