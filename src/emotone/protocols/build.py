"""Lay a protocol, by name or from a file, over a corpus."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotone.errors import ProtocolError
from emotone.protocols.builders import PROTOCOLS, from_file
from emotone.protocols.protocol import Fold, Protocol, column, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus


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


def _copies_together(fold: Fold, corpus: "Corpus", digests: Sequence[str]) -> Fold:
    """Move each copy of a recording to the side of the first."""
    side: dict[str, str] = {}
    sides: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    drawn = {int(row): part for part in sides for row in getattr(fold, part)}
    for row in sorted(drawn):
        sides[side.setdefault(digests[row], drawn[row])].append(row)
    return Fold.of(corpus, **sides)
