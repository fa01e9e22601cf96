"""Evaluation protocols: how clips are split into training and test, and whether the two share speakers.

Speaker-disjoint is the default.  A speaker-disjoint `Protocol` can't be built with a shared speaker, and the
description of any other protocol says that speakers are shared.
"""

from emotone.protocols.build import build
from emotone.protocols.builders import PACKAGED, PROTOCOLS
from emotone.protocols.dealing import inner_folds
from emotone.protocols.leaks import check_leaks
from emotone.protocols.protocol import Fold, Protocol

__all__ = ["PACKAGED", "PROTOCOLS", "Fold", "Protocol", "build", "check_leaks", "inner_folds"]
