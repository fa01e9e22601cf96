"""Build the folds of a protocol, by name or from a file."""

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
    """Build the folds of a protocol on a corpus.

    Parameters
    ----------
    name
        A name in `PROTOCOLS`, or the path of a JSON file ``{"corpus", "channel", "source", "test_speakers": [[...]]}``.
    corpus
        The clips.
    seed
        Random seed of the folds that are drawn.
    digests
        One content digest per row (`emotone.audio.content_digest`).  With them, random protocols put copies of a
        recording on the same side.  For every protocol, `check_leaks` refuses copies on both sides.

    Raises
    ------
    ProtocolError
        The name is unknown, or the corpus lacks what the protocol needs (speakers, statements, a second corpus).
    """
    if not len(corpus):
        raise ProtocolError(
            "the corpus has no clips; expected at least one (is a filter on emotions or channel too narrow?)"
        )
    if name in PROTOCOLS:
        protocol = PROTOCOLS[name](name, corpus, seed)
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
        if untrained := set(emotions[fold.test]) - set(emotions[fold.train]):
            raise ProtocolError(
                f"fold {number} of {name!r} tests {listed(sorted(untrained))}, but has no such clip in training; "
                "leave these emotions out (--emotions), or add speakers who express them"
            )
    return protocol


def _copies_together(fold: Fold, corpus: "Corpus", digests: Sequence[str]) -> Fold:
    """Move copies of a recording to the side of its first clip."""
    side: dict[str, str] = {}
    sides: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    drawn = {int(row): part for part in sides for row in getattr(fold, part)}
    for row in sorted(drawn):
        sides[side.setdefault(digests[row], drawn[row])].append(row)
    return Fold.of(corpus, **sides)
