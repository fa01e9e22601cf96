"""Evaluation protocols: who is trained on, who is tested on, and whether a voice is on both sides.

Speaker-disjoint is the default.  A `Protocol` that calls itself speaker-disjoint can't be built with a shared speaker,
and one that shares speakers says so wherever it is described.
"""

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import LeakError, ProtocolError
from emotone.splits.builders import PACKAGED, PROTOCOLS, from_file
from emotone.splits.dealing import inner_folds
from emotone.splits.protocol import Fold, Protocol, Rows, column, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus

__all__ = ["PACKAGED", "PROTOCOLS", "Fold", "Protocol", "build", "check_leaks", "inner_folds"]


def build(name: str, corpus: "Corpus", *, seed: int = 0, digests: Sequence[str] | None = None) -> Protocol:
    """Lay a protocol over a corpus.

    Parameters
    ----------
    name
        One of `PROTOCOLS`, or the path of a JSON file ``{"corpus", "channel", "source", "test_speakers": [[...]]}``.
    corpus
        The clips.
    seed
        Draws what is drawn; the same seed gives the same folds.
    digests
        One content digest a row (`emotone.audio.content_digest`).  Where clips are drawn at random, copies of one
        recording are then put on the same side; `check_leaks` refuses copies on both sides in every protocol.

    Raises
    ------
    ProtocolError
        The name is unknown, or the corpus lacks what the protocol needs (speakers, statements, a second corpus).
    """
    if not len(corpus):
        raise ProtocolError("the corpus has no clips; expected some (is a filter on emotions or channel too narrow?)")
    if name in PROTOCOLS:
        protocol = PROTOCOLS[name](corpus, seed)
        if digests is not None and name.startswith("random"):
            folds = tuple(_copies_together(fold, corpus, digests) for fold in protocol.folds)
            protocol = replace(protocol, folds=folds)
    elif name.endswith(".json"):
        protocol = from_file(Path(name), corpus, seed=seed)
    else:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ProtocolError(
            f"unknown protocol {name!r}{hint} Known: {', '.join(PROTOCOLS)}, or the path of a JSON file"
        )
    emotions = column(corpus, "emotion")
    for number, fold in enumerate(protocol.folds, start=1):
        unheard = set(emotions[fold.test]) - set(emotions[fold.train])
        if unheard:
            raise ProtocolError(
                f"fold {number} of {name!r} tests {listed(sorted(unheard))}, of which its training part has no clip; "
                "leave these emotions out (--emotions), or add speakers who express them"
            )
    return protocol


def check_leaks(protocol: Protocol, corpus: "Corpus", *, digests: Sequence[str] | None = None) -> None:
    """Refuse a protocol whose training knows its test.

    Parameters
    ----------
    protocol, corpus
        The folds, and the clips that their row numbers mean.
    digests
        One content digest a row (`emotone.audio.content_digest`): finds copies of a recording under another name.

    Raises
    ------
    LeakError
        A speaker of a speaker-disjoint protocol, or a recording of any protocol, is on both sides of a fold.
    ProtocolError
        The folds are not of this corpus.
    """
    speakers, paths = column(corpus, "speaker"), column(corpus, "path")
    clips: list[Hashable] = list(zip(paths, corpus.table["start_s"], strict=True))
    if digests is not None and len(digests) != len(corpus):
        raise ProtocolError(f"{len(digests)} digests for {len(corpus)} clips; expected one for each")
    for number, fold in enumerate(protocol.folds, start=1):
        heard = np.concatenate([fold.train, fold.dev])
        if max(heard.max(), fold.test.max()) >= len(corpus):
            raise ProtocolError(
                f"fold {number} has rows beyond the corpus's {len(corpus)}; it was made for another one"
            )
        shared = set(speakers[heard]) & set(speakers[fold.test])
        if protocol.speaker_disjoint and shared:
            raise LeakError(f"fold {number}: {listed(sorted(shared))} in training and in the test")
        for keys in (clips, digests or ()):
            twin = _twin(keys, heard=heard, test=fold.test)
            if twin:
                raise LeakError(
                    f"fold {number}: {paths[twin[0]]} (training) and {paths[twin[1]]} (test) hold the same recording; "
                    "remove one of the two, or give both the same speaker and use a speaker-disjoint protocol"
                )


def _copies_together(fold: Fold, corpus: "Corpus", digests: Sequence[str]) -> Fold:
    """Move each copy of a recording to the side of the first."""
    side: dict[str, str] = {}
    sides: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    drawn = {int(row): part for part in sides for row in getattr(fold, part)}
    for row in sorted(drawn):
        sides[side.setdefault(digests[row], drawn[row])].append(row)
    return Fold.of(corpus, **sides)


def _twin(keys: Sequence[Hashable], *, heard: Rows, test: Rows) -> tuple[int, int] | None:
    """Find a row on each side with the same key."""
    if not keys:
        return None
    first = {keys[row]: int(row) for row in heard}
    return next(((first[keys[row]], int(row)) for row in test if keys[row] in first), None)
