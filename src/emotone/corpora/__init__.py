"""Corpora: recordings with their labels, read from the folders in which their authors publish them.

>>> sorted(CORPORA)
['ased', 'cremad', 'emodb', 'emovo', 'nemo', 'ravdess', 'savee', 'tess']
"""

from emotone.corpora.duplicates import content_digests, find_duplicates
from emotone.corpora.info import CorpusInfo
from emotone.corpora.loading import load
from emotone.corpora.registry import CORPORA
from emotone.corpora.rejected import Rejected, count_groups, warn_of
from emotone.corpora.table import CHANNELS, COLUMNS, Corpus, segments_of
from emotone.corpora.writers import write_audformat, write_audiofolder

__all__ = [
    "CHANNELS",
    "COLUMNS",
    "CORPORA",
    "Corpus",
    "CorpusInfo",
    "Rejected",
    "content_digests",
    "count_groups",
    "find_duplicates",
    "load",
    "segments_of",
    "warn_of",
    "write_audformat",
    "write_audiofolder",
]
