"""Evaluation protocols: who is trained on, who is tested on, and whether a voice is on both sides.

Speaker-disjoint is the default.  A `Protocol` that calls itself speaker-disjoint can't be built with a shared speaker,
and one that shares speakers says so wherever it is described.
"""

from emotone.protocols.build import build
from emotone.protocols.builders import PACKAGED, PROTOCOLS
from emotone.protocols.dealing import inner_folds
from emotone.protocols.leaks import check_leaks
from emotone.protocols.protocol import Fold, Protocol

__all__ = ["PACKAGED", "PROTOCOLS", "Fold", "Protocol", "build", "check_leaks", "inner_folds"]
